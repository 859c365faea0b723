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
    ],
}
