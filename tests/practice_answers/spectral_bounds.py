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
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    units = torch.eye(side * side, dtype=kernel.dtype).view(-1, 1, side, side)\n"
            "    k = len(kernel)\n"
            "    wrapped = nn.functional.pad(units, (0, k - 1, 0, k - 1), mode='circular')\n"
            "    turned = kernel.flip(0, 1)[None, None]\n"
            "    return nn.functional.conv2d(wrapped, turned, stride=stride).flatten(1).T",
            "180 degrees",
        ),
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    units = torch.eye(side * side, dtype=kernel.dtype).view(-1, 1, side, side)\n"
            "    k = len(kernel)\n"
            "    wrapped = nn.functional.pad(units, (k - 1, 0, k - 1, 0), mode='circular')\n"
            "    out = nn.functional.conv2d(wrapped, kernel[None, None], stride=stride)\n"
            "    return out.flatten(1).T",
            "right and lower end",
        ),
        (
            "def ring_convolution_matrix(kernel, side, stride):\n"
            "    image = torch.eye(side)\n"
            "    return nn.functional.pad(image, (0, 1, 0, 1), mode='circular')",
            "your code ends in NotImplementedError",
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
        (
            "def fourier_norm(kernel, side):\n    return kernel.abs().sum().item()",
            "never below the norm",
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
        (
            "def radius(logits, bound):\n"
            "    best, second = logits.topk(2, dim=1).values.T\n"
            "    return 2**0.5 * (best - second) / bound",
            "under the fraction",
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

# Right in another style: other types, loops for vectors.
RIGHT = {
    "ring_convolution_matrix": (
        "def ring_convolution_matrix(kernel, side, stride):\n"
        "    k, out = len(kernel), side // stride\n"
        "    matrix = torch.zeros(out * out, side * side)\n"
        "    for n in range(out * out):\n"
        "        for u in range(k):\n"
        "            for v in range(k):\n"
        "                y, x = (n // out * stride + u) % side, (n % out * stride + v) % side\n"
        "                matrix[n, y * side + x] += kernel[u, v]\n"
        "    return matrix"
    ),
    "fourier_norm": (
        "def fourier_norm(kernel, side):\n"
        "    return torch.fft.rfft2(kernel.float(), (side, side)).abs().max()"
    ),
    "radius": (
        "def radius(logits, bound):\n"
        "    rows = [sorted(row) for row in logits.tolist()]\n"
        "    return torch.tensor([(row[-1] - row[-2]) / bound / 2**0.5 for row in rows])"
    ),
}
