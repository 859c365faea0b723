"""Typical errors in the exercises of *Everything is an ostrich*, and the hints meant for them."""

DIFFERENCE = "def show_difference(original, changed):\n    "
DITHER = "def dither(levels, generator):\n    "
DISTANCE = (
    "def first_order_distance(model, image, target):\n"
    "    point = image.clone().requires_grad_()\n"
    "    logits = model(point)[0]\n"
    "    ahead = logits[target] - logits[logits.argmax()]\n"
)
OSTRICH = "def make_ostrich(network, images, ostrich):\n    "
FOUND = (
    "from blindspots import nearest_attack\n"
    "    targets = torch.tensor([ostrich])\n"
    "    found = nearest_attack(network, images, targets, projections=6).images\n    "
)

WRONG = {
    "in_the_file": [
        ('in_the_file = "an ostrich"', "must differ from the original's"),
        ('in_the_file = "something between"', "17.4"),
        ('in_the_file = "noise"', 'one of "the original"'),
    ],
    "grey_levels": [
        (
            "def grey_levels(l2, shape):\n    return l2 / math.prod(shape) ** 0.5",
            "that is the distortion",
        ),
        (
            "def grey_levels(l2, shape):\n    return 255 * l2 / math.prod(shape[1:]) ** 0.5",
            "that counts pixels",
        ),
        (
            "def grey_levels(l2, shape):\n    return 255 * l2 / math.prod(shape)",
            "mean of *squares*",
        ),
        ("def grey_levels(l2, shape):\n    return 255 * l2 / 388", "31.9 levels"),
        ("def grey_levels(l2, shape):\n    return 255 * l2", "is 1.66 levels"),
    ],
    "show_difference": [
        (DIFFERENCE + "return 128 + 2550 * (changed - original)", "torch.uint8"),
        (DIFFERENCE + "return (2550 * (changed - original)).to(torch.uint8)", "shown as 128"),
        (
            DIFFERENCE + "return (128 + 2550 * (original - changed)).round().to(torch.uint8)",
            "wrong sign",
        ),
        (
            DIFFERENCE + "return (128 + 10 * (changed - original)).round().to(torch.uint8)",
            "times 255",
        ),
        (
            DIFFERENCE
            + "return (128 + 2550 * (changed - original)).round().to(torch.int64).to(torch.uint8)",
            "clamped",
        ),
        (
            DIFFERENCE
            + "return (128 + 5100 * (changed - original)).clamp(0, 255).round().to(torch.uint8)",
            "expected 128, 138",
        ),
    ],
    "dither": [
        (DITHER + "return levels.round()", "the same way each time"),
        (DITHER + "return levels", "whole numbers"),
        (
            DITHER
            + "return levels.floor() + (torch.rand(levels.shape, generator=generator) < 0.5)",
            "must stay what it is",
        ),
        (
            DITHER + "draw = torch.rand(levels.shape, generator=generator)\n"
            "    down = levels.floor()\n"
            "    return torch.where(levels > down, down + (draw > levels - down), down)",
            "four times in five",
        ),
        (
            DITHER + "down = levels.floor()\n"
            "    draw = torch.rand(1, generator=generator)\n"
            "    return down + (draw < levels - down)",
            "share one draw",
        ),
        (
            DITHER + "down = levels.floor()\n"
            "    up = torch.rand(levels.shape, generator=generator) < levels - down\n"
            "    return down + 2 * up",
            "by a level or more",
        ),
        (
            DITHER + "down = levels.floor()\n"
            "    up = torch.rand(levels.shape, generator=generator) < (levels - down) / 2\n"
            "    return down + up",
            "on average",
        ),
        (DITHER + "return levels[:2].round()", "as many levels"),
        (DITHER + "return (levels + torch.rand(levels.shape)).floor()", "nobody can repeat it"),
    ],
    "first_order_distance": [
        (
            DISTANCE + "    (slope,) = torch.autograd.grad(ahead, point)\n"
            "    return (ahead / slope.norm()).item()",
            "a distance is positive",
        ),
        (
            DISTANCE + "    (slope,) = torch.autograd.grad(ahead, point)\n"
            "    return (-ahead / slope.norm() ** 2).item()",
            "divide by the norm once",
        ),
        (
            DISTANCE + "    (slope,) = torch.autograd.grad(logits[target], point)\n"
            "    return (-ahead / slope.norm()).item()",
            "slope of one logit",
        ),
        (DISTANCE + "    return -ahead.item()", "Is it the way to the target"),
        (
            DISTANCE + "    second = logits.topk(2).indices[1]\n"
            "    ahead = logits[second] - logits.max()\n"
            "    (slope,) = torch.autograd.grad(ahead, point)\n"
            "    return (-ahead / slope.norm()).item()",
            "not to another class",
        ),
    ],
    "times_as_long": [
        (
            "def times_as_long(share, m):\n"
            "    return m**0.5 / torch.special.ndtri(torch.tensor(share)).item()",
            "is negative",
        ),
        (
            "def times_as_long(share, m):\n"
            "    return -m / torch.special.ndtri(torch.tensor(share)).item()",
            "take the *root*",
        ),
        (
            "def times_as_long(share, m):\n"
            "    return -(m**0.5) * torch.special.ndtri(torch.tensor(share)).item()",
            "solve for k",
        ),
        ("def times_as_long(share, m):\n    return m**0.5", "it is 167"),
        ("def times_as_long(share, m):\n    return m**0.5 / 2.3263", "it is 8"),
    ],
    "make_ostrich": [
        (OSTRICH + "return images", "that is the original"),
        (OSTRICH + "return images[:, :, :200]", "a shape like the image, (1, 3, 224, 224)"),
        (OSTRICH + "return -images", "pixels go from 0 to 1"),
        (OSTRICH + "return (images + 0.001).clamp(0, 1)", "no file yet"),
        (OSTRICH + "return 1 - images", "that can be seen"),
        (OSTRICH + "return images + 5 / 255", "numbers change by 5 levels on average"),
        (OSTRICH + FOUND + "return found", "lie between the levels"),
        (OSTRICH + FOUND + "return (255 * found).round() / 255", "simply rounded"),
    ],
}

# Right in another style.
RIGHT = {
    "in_the_file": 'in_the_file = "The original."',
    "dither": (
        "def dither(levels, generator):\n"
        "    return (levels + torch.rand(levels.shape, generator=generator)).floor()"
    ),
    "first_order_distance": (
        "def first_order_distance(model, image, target):\n"
        "    slopes = torch.autograd.functional.jacobian(model, image)[0].flatten(1)\n"
        "    logits = model(image)[0]\n"
        "    own = logits.argmax()\n"
        "    return (logits[own] - logits[target]) / torch.dist(slopes[own], slopes[target])"
    ),
    "make_ostrich": (
        "def make_ostrich(network, images, ostrich):\n"
        "    levels = 255 * images  # whole steps where the gradient is steepest\n"
        "    while network(levels / 255).argmax() != ostrich:\n"
        "        point = (levels / 255).requires_grad_()\n"
        "        logits = network(point)[0]\n"
        "        behind = logits.max() - logits[ostrich]\n"
        "        (slope,) = torch.autograd.grad(behind, point)\n"
        "        steep = slope.abs() > slope.abs().flatten().quantile(0.75)\n"
        "        levels = (levels - steep * slope.sign()).clamp(0, 255).round().detach()\n"
        "    return levels / 255"
    ),
    "times_as_long": (
        "def times_as_long(share, m):\n"
        "    from scipy.stats import norm\n"
        "    return m**0.5 / norm.isf(share)"
    ),
}
