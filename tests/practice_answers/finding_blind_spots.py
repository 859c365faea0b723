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
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return penalty * (points - images).square().sum(dim=1) "
            "+ cross_entropy(model(points), targets)",
            "a loss per row",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    return penalty * (points - images).square().mean(dim=1) "
            '+ cross_entropy(model(points), targets, reduction="none")',
            "the mean over the pixels",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n"
            "    size = (points - images).square().sum(dim=1)\n"
            '    loss = cross_entropy(model(points), targets, reduction="none")\n'
            "    return (penalty * size + loss).detach()",
            "needs the gradient",
        ),
        (
            "def objective(model, images, points, targets, penalty):\n    points - images",
            "Is a `return` missing?",
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
            "    return -(w @ x + bias[0] - bias[1]) / w.norm() * w",
            "square of its norm",
        ),
        (
            "def nearest_of_two_classes(x, weight, bias):\n"
            "    w = weight[0] - weight[1]\n"
            "    return -(w @ x + bias[0] - bias[1]) / w.abs().sum() * w.sign()",
            "along the difference of the two rows",
        ),
        (
            "def nearest_of_two_classes(x, weight, bias):\n"
            "    w = weight[0] - weight[1]\n"
            "    return -(w @ x) / (w @ w) * w",
            "Are the biases in it?",
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
            "    for _ in range(steps):\n"
            "        middle = (low + high) / 2\n"
            "        low, high = (middle, high) if succeeds(middle) else (low, middle)\n"
            "    return low",
            "in the logarithm",
        ),
        (
            "def penalty_search(succeeds, low, high, steps):\n"
            "    while high > 1.000001 * low:\n"
            "        middle = (low * high) ** 0.5\n"
            "        low, high = (middle, high) if succeeds(middle) else (low, middle)\n"
            "    return low",
            "20 steps may ask 20 times",
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
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.rand(images.shape, generator=generator) - 0.5\n"
            "    wanted = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    noise *= (wanted / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)\n"
            "    return images + noise",
            "but not Gaussian",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.randn(images[:1].shape, generator=generator).repeat(5, 1, 1, 1)\n"
            "    wanted = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    noise *= (wanted / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)\n"
            "    return images + noise",
            "share one noise",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.randn(images.shape)\n"
            "    wanted = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    noise *= (wanted / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)\n"
            "    return images + noise",
            "nobody can repeat it",
        ),
        (
            "def equal_noise(images, perturbed, generator):\n"
            "    noise = torch.randn(images.shape, generator=generator)\n"
            "    wanted = (perturbed - images).flatten(1).norm(dim=1)\n"
            "    noise *= (wanted / noise.flatten(1).norm(dim=1)).view(-1, 1, 1, 1)\n"
            "    return (images + noise).clamp(0, 1)",
            "do not clip",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "objective": (
        "def objective(model, images, points, targets, penalty):\n"
        "    values = torch.zeros(len(images))\n"
        "    for i, target in enumerate(targets):\n"
        "        loss = -torch.log_softmax(model(points[i : i + 1]), dim=1)[0, target]\n"
        "        values[i] = penalty * (points[i] - images[i]).norm() ** 2 + loss\n"
        "    return values"
    ),
    "nearest_of_two_classes": (
        "def nearest_of_two_classes(x, weight, bias):\n"
        "    w = weight[1] - weight[0]\n"
        "    logits = weight @ x + bias\n"
        "    return ((logits[0] - logits[1]) / w.norm() * w / w.norm()).float()"
    ),
    "l2_from_distortion": (
        "def l2_from_distortion(distortion, pixels):\n"
        "    return torch.full((pixels,), distortion).norm()"
    ),
    "equal_noise": (
        "def equal_noise(images, perturbed, generator):\n"
        "    rows = []\n"
        "    for image, other in zip(images, perturbed):\n"
        "        noise = torch.randn(image.shape, generator=generator, dtype=torch.float64)\n"
        "        rows.append(image + noise / noise.norm() * (other - image).norm())\n"
        "    return torch.stack(rows)"
    ),
}
