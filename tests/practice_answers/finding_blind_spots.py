"""Typical errors in the exercises of *Finding blind spots*, and the hints meant for them."""

WRONG = {
    "which_penalty": [
        ('which_penalty = "smallest"', "makes size cheap"),
        ('which_penalty = "it does not matter"', "but not of one size"),
        ("which_penalty = 0.1", 'say "largest"'),
    ],
    "objective": [
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return penalty * (points - images).square().sum() "
            "+ cross_entropy(model(points), targets)",
            "one number per image",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return (points - images).square().sum(dim=1) "
            '+ penalty * cross_entropy(model(points), targets, reduction="none")',
            "before the loss in your function",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return penalty * (points - images).norm(dim=1) "
            '+ cross_entropy(model(points), targets, reduction="none")',
            "square the norm",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return penalty * (points - images).square().sum(dim=1) "
            '- cross_entropy(model(points), targets, reduction="none")',
            "added, not subtracted",
        ),
    ],
    "nearest_of_two_classes": [
        (
            "def nearest_of_two_classes(x, weight, bias):\n"
            "    w = weight[0] - weight[1]\n"
            "    return (w @ x + bias[0] - bias[1]) / (w @ w) * w",
            "Mind the sign",
        ),
        (
            "def nearest_of_two_classes(x, weight, bias):\n"
            "    w = weight[0] - weight[1]\n"
            "    return -(w @ x + bias[0] - bias[1]) / (10 * w.norm()) * w",
            "or by its square",
        ),
        (
            "def nearest_of_two_classes(x, weight, bias):\n"
            "    w = weight[0] - weight[1]\n"
            "    return -(w @ x + bias[0] - bias[1]) / w.abs().sum() * w.sign()",
            "along the difference of the two rows",
        ),
    ],
    "penalty_search": [
        (
            "def penalty_search(succeeds, low, high, steps):\n"
            "    for _ in range(steps):\n"
            "        middle = (low + high) / 2\n"
            "        low, high = (middle, high) if succeeds(middle) else (low, middle)\n"
            "    return high",
            "the last penalty that succeeded",
        ),
        (
            "def penalty_search(succeeds, low, high, steps):\n"
            "    for _ in range(steps):\n"
            "        middle = (low * high) ** 0.5\n"
            "        low, high = (low, middle) if succeeds(middle) else (middle, high)\n"
            "    return low",
            "the last penalty that succeeded",
        ),
        (
            "def penalty_search(succeeds, low, high, steps):\n"
            "    for _ in range(steps):\n"
            "        high = (low * high) ** 0.5\n"
            "    return low",
            "so go up",
        ),
        (
            "def penalty_search(succeeds, low, high, steps):\n"
            "    for _ in range(6):\n"
            "        middle = (low * high) ** 0.5\n"
            "        low, high = (middle, high) if succeeds(middle) else (low, middle)\n"
            "    return low",
            "in the logarithm",
        ),
    ],
    "l2_from_distortion": [
        ("def l2_from_distortion(distortion, pixels):\n    return distortion", "itself"),
        (
            "def l2_from_distortion(distortion, pixels):\n    return distortion * pixels",
            "under the root",
        ),
        (
            "def l2_from_distortion(distortion, pixels):\n    return distortion / pixels**0.5",
            "the larger of the two",
        ),
        ("def l2_from_distortion(distortion, pixels):\n    return 28 * distortion", "try 64"),
    ],
    "exact_for_convex": [
        ('exact_for_convex = "yes"', "level set of the cross-entropy"),
        ("exact_for_convex = True", 'say "yes" or "no"'),
        ('exact_for_convex = "perhaps"', 'say "yes" or "no"'),
    ],
    "equal_noise": [
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.randn(images.shape, generator=generator)\n"
            "    size = (perturbed - images).flatten(1).norm(dim=1).mean()\n"
            "    return images + noise * size / noise[0].numel() ** 0.5",
            "scale per image",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.randn(images.shape, generator=generator)\n"
            "    size = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    return images + noise * size.view(-1, 1, 1, 1) / noise[0].numel() ** 0.5",
            "rescale to exactly",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n    return perturbed",
            "not noise",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.rand(images.shape, generator=generator)\n"
            "    wanted = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    noise *= (wanted / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)\n"
            "    return images + noise",
            "one sign nearly everywhere",
        ),
    ],
}
