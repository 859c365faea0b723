"""Typical errors in the exercises of *Transfer across training sets*, and their hints."""

WRONG = {
    "printed_deviation": [
        ("printed_deviation = 0.1", "meant to give"),
        ("printed_deviation = 0.1 / 784", "under the root"),
        ("printed_deviation = 2.8", "asked is the deviation of the printed"),
        ("printed_deviation = 0.01", "0.1 / sqrt(784)"),
    ],
    "amplify": [
        (
            "def amplify(images, perturbed, to):\n"
            "    change = (perturbed - images).flatten(1)\n"
            "    change = to * change / change.norm(dim=1, keepdim=True)\n"
            "    return images + change.view_as(images)",
            "the root is missing",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    change = perturbed - images\n"
            "    return images + to * change / change.square().mean().sqrt()",
            "by its own norm",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    change = (perturbed - images).flatten(1)\n"
            "    change = to * 28 * change / change.norm(dim=1, keepdim=True)\n"
            "    return images + change.view_as(images)",
            "for images of any size",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    return images + to * (perturbed - images).sign()",
            "the direction of the perturbation",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    change = perturbed - images\n"
            "    return images + to * change / change.std(dim=(1, 2, 3), keepdim=True)",
            "no mean is taken away",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    change = perturbed - images\n"
            "    size = change.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()\n"
            "    return (images + to * change / size).clamp(0, 1)",
            "do not clip",
        ),
        (
            "def amplify(images, perturbed, to):\n"
            "    change = perturbed - images\n"
            "    size = change.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()\n"
            "    return perturbed + to * change / size",
            "it already has one",
        ),
    ],
    "halves": [
        (
            "def halves(rows, generator):\n"
            "    order = torch.randperm(rows, generator=generator)\n"
            "    other = torch.randperm(rows, generator=generator)\n"
            "    return order[: rows // 2], other[rows // 2 :]",
            "in both halves",
        ),
        (
            "def halves(rows, generator):\n"
            "    return torch.arange(rows // 2), torch.arange(rows // 2, rows)",
            "has the first rows",
        ),
        (
            "def halves(rows, generator):\n"
            "    order = torch.randperm(rows, generator=generator)\n"
            "    return order[: rows // 2], order[rows // 2 : 2 * (rows // 2)]",
            "in neither half",
        ),
        (
            "def halves(rows, generator):\n"
            "    order = torch.randperm(rows, generator=torch.Generator().manual_seed(0))\n"
            "    return order[: rows // 2], order[rows // 2 :]",
            "another generator",
        ),
        (
            "def halves(rows, generator):\n"
            "    order = torch.randperm(rows)\n"
            "    return order[: rows // 2], order[rows // 2 :]",
            "the second time",
        ),
        (
            "def halves(rows, generator):\n"
            "    first = torch.rand(rows, generator=generator) < 0.5\n"
            "    return first.nonzero()[:, 0], (~first).nonzero()[:, 0]",
            "may differ by one",
        ),
        (
            "def halves(rows, generator):\n"
            "    order = torch.randperm(rows, generator=generator) + 1\n"
            "    return order[: rows // 2], order[rows // 2 :]",
            "from 0 to 100",
        ),
    ],
    "interval": [
        (
            "def interval(k, n):\n"
            "    p = k / n\n"
            "    half = 1.96 * (p * (1 - p) / n) ** 0.5\n"
            "    return p - half, p + half",
            "has no width",
        ),
        (
            "def interval(k, n):\n"
            "    p = (k + 1) / (n + 2)\n"
            "    half = 1.96 * (p * (1 - p) / n) ** 0.5\n"
            "    return p - half, p + half",
            "not negative",
        ),
        (
            "def interval(k, n):\n"
            "    z, p = 1.96, k / n\n"
            "    middle = p + z**2 / (2 * n)\n"
            "    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5\n"
            "    return middle - half, middle + half",
            "everything divided by",
        ),
    ],
    "mean_excess": [
        (
            "def mean_excess(adversarial, noise):\n    return (adversarial - noise).mean().item()",
            "the diagonal is in it",
        ),
        (
            "def mean_excess(adversarial, noise):\n"
            "    off = ~torch.eye(len(noise), dtype=torch.bool)\n"
            "    return adversarial[off].mean().item()",
            "not the excess",
        ),
        (
            "def mean_excess(adversarial, noise):\n"
            "    off = ~torch.eye(len(noise), dtype=torch.bool)\n"
            "    return (noise - adversarial)[off].mean().item()",
            "the sign is turned",
        ),
        (
            "def mean_excess(adversarial, noise):\n"
            "    off = ~torch.eye(len(noise), dtype=torch.bool)\n"
            "    return (adversarial - noise)[off].clamp(min=0).mean().item()",
            "with its sign",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "halves": (
        "def halves(rows, generator):\n"
        "    order = torch.rand(rows, generator=generator).argsort().tolist()\n"
        "    return sorted(order[::2]), sorted(order[1::2])"
    ),
    "amplify": (
        "def amplify(images, perturbed, to):\n"
        "    rows = [p - x for x, p in zip(images, perturbed)]\n"
        "    rows = [r / r.square().mean().sqrt() for r in rows]\n"
        "    return torch.stack([x + to * r for x, r in zip(images, rows)])"
    ),
}
