"""Typical errors in the exercises of *Transfer across hyperparameters*, and their hints."""

WRONG = {
    "transfer_in_the_cell": [
        ('transfer_in_the_cell = "much"', "unchanged images"),
        ('transfer_in_the_cell = "hardly any"', "saying too much"),
        ("transfer_in_the_cell = 1.5", 'say "much"'),
    ],
    "matrix_of_errors": [
        (
            "def matrix_of_errors(receivers, sets):\n"
            "    return torch.tensor([[(m(x).argmax(dim=1) != y).double().mean().item()\n"
            "                          for x, y in sets] for m in receivers])",
            "it is transposed",
        ),
        (
            "def matrix_of_errors(receivers, sets):\n"
            "    return torch.tensor([[(m(x).argmax(dim=1) == y).double().mean().item()\n"
            "                          for m in receivers] for x, y in sets])",
            "read correctly",
        ),
        (
            "def matrix_of_errors(receivers, sets):\n"
            "    return torch.tensor([[(m(x).argmax(dim=1) != y).sum().item()\n"
            "                          for m in receivers] for x, y in sets])",
            "divide by it",
        ),
    ],
    "scrambled": [
        (
            "def scrambled(images, perturbed, generator):\n"
            "    order = torch.randperm(images[0].numel(), generator=generator)\n"
            "    return perturbed.flatten(1)[:, order].view_as(images)",
            "digit and all",
        ),
        (
            "def scrambled(images, perturbed, generator):\n"
            "    change = (perturbed - images).flatten(1)\n"
            "    change = torch.stack([c[torch.randperm(len(c), generator=generator)]\n"
            "                          for c in change])\n"
            "    return images + change.view_as(images)",
            "an order of its own",
        ),
        (
            "def scrambled(images, perturbed, generator):\n"
            "    order = torch.randperm(len(images), generator=generator)\n"
            "    order = order.roll(1)\n"
            "    return images + (perturbed - images).roll(1, dims=0)",
            "each image must keep its own",
        ),
        (
            "def scrambled(images, perturbed, generator):\n    return perturbed * 1",
            "nothing was scrambled",
        ),
        (
            "def scrambled(images, perturbed, generator):\n"
            "    return images + (perturbed - images).flip(2, 3)",
            "draw one at random",
        ),
        (
            "def scrambled(images, perturbed, generator):\n"
            "    order = torch.randperm(images[0].numel())\n"
            "    return images + (perturbed - images).flatten(1)[:, order].view_as(images)",
            "the second time",
        ),
        (
            "def scrambled(images, perturbed, generator):\n"
            "    order = torch.randperm(images[0].numel(), generator=generator)\n"
            "    return (perturbed - images).flatten(1)[:, order].view_as(images)",
            "add it to the image",
        ),
    ],
    "rank_correlation": [
        (
            "def rank_correlation(ours, theirs):\n"
            "    return torch.corrcoef(torch.stack([ours, theirs]))[0, 1].item()",
            "Take the ranks first",
        ),
        (
            "def rank_correlation(ours, theirs):\n"
            "    both = torch.stack([ours.argsort(), theirs.argsort()])\n"
            "    return torch.corrcoef(both.double())[0, 1].item()",
            "argsort of the argsort",
        ),
        (
            "def rank_correlation(ours, theirs):\n"
            "    return (ours.argsort() == theirs.argsort()).double().mean().item()",
            "it is 0.8",
        ),
        (
            "def rank_correlation(ours, theirs):\n    return 0.8",
            "it is 0.6",
        ),
    ],
    "interval_of_five": [
        (
            "def interval_of_five(values):\n"
            "    half = 2.776 * values.std().item()\n"
            "    return values.mean().item() - half, values.mean().item() + half",
            "by the root of 5",
        ),
        (
            "def interval_of_five(values):\n"
            "    half = 2.776 * values.std(correction=0).item() / 5**0.5\n"
            "    return values.mean().item() - half, values.mean().item() + half",
            "n − 1 = 4",
        ),
        (
            "def interval_of_five(values):\n"
            "    half = 1.96 * values.std().item() / 5**0.5\n"
            "    return values.mean().item() - half, values.mean().item() + half",
            "2.776",
        ),
        (
            "def interval_of_five(values):\n    return values.min().item() - 1, 99.0",
            "the mean, here 11",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "matrix_of_errors": (
        "def matrix_of_errors(receivers, sets):\n"
        "    return [[(m(x).argmax(dim=1) != y).float().mean() for m in receivers]\n"
        "            for x, y in sets]"
    ),
}
