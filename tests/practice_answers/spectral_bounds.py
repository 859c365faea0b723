"""Typical errors in the exercises of *Spectral bounds*, and the hints meant for them."""

WRONG = {
    "what_follows": [
        ('what_follows = "the first has adversarial images"', "it may be a bad bound"),
        ('what_follows = "both"', "it may be a bad bound"),
        ('what_follows = "neither"', "the margin is larger"),
        ("what_follows = 2", "word for word"),
    ],
    "ring_convolution_matrix": [
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    units = torch.eye(side * side, dtype=kernel.dtype).view(-1, 1, side, side)\n"
            "    k = len(kernel)\n"
            "    wrapped = nn.functional.pad(units, (0, k - 1, 0, k - 1), mode='circular')\n"
            "    out = nn.functional.conv2d(wrapped, kernel[None, None], stride=stride)\n"
            "    return out.flatten(1)",
            "it is transposed",
        ),
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    units = torch.eye(side * side, dtype=kernel.dtype).view(-1, 1, side, side)\n"
            "    out = nn.functional.conv2d(units, kernel[None, None], stride=stride)\n"
            "    return out.flatten(1).T",
            "are the images padded as rings?",
        ),
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    units = torch.eye(side * side, dtype=kernel.dtype).view(-1, 1, side, side)\n"
            "    k = len(kernel)\n"
            "    wrapped = nn.functional.pad(units, (0, k - 1, 0, k - 1))\n"
            "    out = nn.functional.conv2d(wrapped, kernel[None, None], stride=stride)\n"
            "    return out.flatten(1).T",
            "Zeros in the padding",
        ),
    ],
    "fourier_norm": [
        (
            "def fourier_norm(kernel, side):\n    return torch.fft.fft2(kernel).abs().max().item()",
            "Whose grid",
        ),
        (
            "def fourier_norm(kernel, side):\n"
            "    return torch.fft.fft2(kernel, (side, side)).abs().square().max().item()",
            "the square of the norm",
        ),
        (
            "def fourier_norm(kernel, side):\n    return kernel.norm().item()",
            "in step",
        ),
        (
            "def fourier_norm(kernel, side):\n"
            "    return torch.fft.fft2(kernel, (side, side)).real.max().item()",
            "imaginary part and all",
        ),
    ],
    "counterexample": [
        (
            "def counterexample():\n    return torch.ones(1, 1), torch.ones(8, 8)",
            "suffers least",
        ),
        (
            "def counterexample():\n"
            "    image = torch.zeros(8, 8)\n"
            "    image[1::2, 1::2] = 1\n"
            "    return torch.ones(1, 1), image",
            "dark where it is sampled",
        ),
        (
            "def counterexample():\n    return torch.ones(1, 1), torch.zeros(8, 8)",
            "the image is black",
        ),
        (
            "def counterexample():\n    return torch.ones(1, 1, 3, 3), torch.ones(8, 8)",
            "a square kernel",
        ),
    ],
    "radius": [
        (
            "def radius(logits, bound):\n"
            "    best, second = logits.topk(2, dim=1).values.T\n"
            "    return (best - second) / bound",
            "an attack could succeed",
        ),
        (
            "def radius(logits, bound):\n"
            "    best, second = logits.topk(2, dim=1).values.T\n"
            "    return (best - second) / (2 * bound)",
            "gives something away",
        ),
        (
            "def radius(logits, bound):\n"
            "    gap = logits.max(dim=1).values - logits.min(dim=1).values\n"
            "    return gap / (2**0.5 * bound)",
            "the second largest",
        ),
    ],
    "stretched_pair": [
        (
            "def stretched_pair():\n"
            "    image = torch.zeros(5, 5)\n"
            "    image[0, 0] = 1\n"
            "    return torch.zeros(5, 5), image",
            "which one lies in four",
        ),
        (
            "def stretched_pair():\n"
            "    image = torch.ones(5, 5)\n"
            "    image[2, 2] = 0\n"
            "    return torch.ones(5, 5), image",
            "hidden behind larger pixels",
        ),
        ("def stretched_pair():\n    return torch.zeros(5, 5), torch.zeros(5, 5)", "are equal"),
    ],
}
