"""Typical errors in the exercises of *How good is the attack?*, and the hints meant for them."""

WRONG = {
    "nearer_attack": [
        ('nearer_attack = "A"', "succeeding more often"),
        ('nearer_attack = "B"', "over eighty images"),
        ("nearer_attack = 1.2", 'say "A"'),
    ],
    "mean_ratio": [
        (
            "def mean_ratio(ours, theirs):\n    return (ours / theirs).mean().item()",
            "got into the mean",
        ),
        (
            "def mean_ratio(ours, theirs):\n"
            "    both = ours.isfinite() & theirs.isfinite()\n"
            "    return (ours[both].mean() / theirs[both].mean()).item()",
            "the ratio of the means",
        ),
        (
            "def mean_ratio(ours, theirs):\n"
            "    ok = ours.isfinite()\n"
            "    return (ours[ok] / theirs[ok]).mean().item()",
            "counts as a ratio of zero",
        ),
        (
            "def mean_ratio(ours, theirs):\n"
            "    both = ours.isfinite() & theirs.isfinite()\n"
            "    return (theirs[both] / ours[both]).mean().item()",
            "the other way round",
        ),
        (
            "def mean_ratio(ours, theirs):\n"
            "    both = ours.isfinite() & theirs.isfinite()\n"
            "    return (ours[both] / theirs[both]).sum().item() / len(ours)",
            "number of all images",
        ),
    ],
    "verified": [
        (
            "def verified(model, adversarial, targets):\n"
            "    return int((model(adversarial).argmax(dim=1) == targets).sum())",
            "it does not count",
        ),
        (
            "def verified(model, adversarial, targets):\n"
            "    inside = (adversarial.flatten(1) <= 1).all(dim=1)\n"
            "    return int((inside & (model(adversarial).argmax(dim=1) == targets)).sum())",
            "one bound only",
        ),
        (
            "def verified(model, adversarial, targets):\n    return len(adversarial)",
            "ask the model",
        ),
        (
            "def verified(model, adversarial, targets):\n"
            "    pixels = adversarial.flatten(1)\n"
            "    inside = ((pixels > 0) & (pixels < 1)).all(dim=1)\n"
            "    return int((inside & (model(adversarial).argmax(dim=1) == targets)).sum())",
            "exactly 0 or 1",
        ),
        (
            "def verified(model, adversarial, targets):\n"
            "    pixels = adversarial.flatten(1)\n"
            "    return int(((pixels >= 0) & (pixels <= 1)).all(dim=1).sum())",
            "not read as their targets",
        ),
    ],
    "l2_range": [
        (
            "def l2_range(epsilon, pixels):\n    return epsilon, epsilon * pixels",
            "there is a root",
        ),
        (
            "def l2_range(epsilon, pixels):\n    return 0.0, epsilon * pixels**0.5",
            "not zero",
        ),
        (
            "def l2_range(epsilon, pixels):\n"
            "    return epsilon / pixels**0.5, epsilon * pixels**0.5",
            "a single changed pixel",
        ),
        ("def l2_range(epsilon, pixels):\n    return epsilon, 28 * epsilon", "try 64"),
    ],
    "frontier": [
        (
            "def frontier(cost, length):\n"
            "    n = range(len(cost))\n"
            "    return [i for i in n\n"
            "            if not any(cost[j] < cost[i] and length[j] < length[i] for j in n)]",
            "setting 2",
        ),
        (
            "def frontier(cost, length):\n"
            "    n = range(len(cost))\n"
            "    return [i for i in n if i != 2\n"
            "            and not any(cost[j] < cost[i] and length[j] < length[i] for j in n)]",
            "setting 3",
        ),
        (
            "def frontier(cost, length):\n"
            "    n = range(len(cost))\n"
            "    return [i for i in n if not any(\n"
            "        j != i and cost[j] <= cost[i] and length[j] <= length[i] for j in n)]",
            "both stay",
        ),
        (
            "def frontier(cost, length):\n"
            "    kept, best, last = [], float('inf'), None\n"
            "    for i, both in enumerate(zip(cost, length)):\n"
            "        if both[1] < best or both == last:\n"
            "            kept, best, last = [*kept, i], both[1], both\n"
            "    return kept",
            "in any order of cost",
        ),
        (
            "def frontier(cost, length):\n"
            "    return [min(range(len(cost)), key=lambda i: cost[i] * length[i])]",
            "what lies between",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "frontier": (
        "def frontier(cost, length):\n"
        "    c, n = torch.tensor(cost), torch.tensor(length)\n"
        "    strictly = (c[:, None] < c) | (n[:, None] < n)\n"
        "    worse = strictly & (c[:, None] <= c) & (n[:, None] <= n)\n"
        "    return (~worse.any(dim=0)).nonzero().flatten()"
    ),
    "verified": (
        "def verified(model, adversarial, targets):\n"
        "    count = 0\n"
        "    for image, target in zip(adversarial, targets):\n"
        "        inside = image.min() >= 0 and image.max() <= 1\n"
        "        count += bool(inside and model(image[None]).argmax() == target)\n"
        "    return count"
    ),
}
