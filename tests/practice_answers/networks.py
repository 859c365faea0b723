"""Typical errors in the exercises of *The networks under study*, and the hints meant for them."""

WRONG = {
    "error_with_decay": [
        ('error_with_decay = "falls"', "something to overfit"),
        ('error_with_decay = "stays"', "Can the logits still differ"),
        ("error_with_decay = 0.2", 'say "falls"'),
    ],
    "parameters": [
        (
            "def parameters(widths):\n    return sum(a * b for a, b in zip(widths, widths[1:]))",
            "has a bias too",
        ),
        (
            "def parameters(widths):\n"
            "    return sum(a * b for a, b in zip(widths, widths[1:])) + sum(widths)",
            "the pixels are no units",
        ),
        ("def parameters(widths):\n    return 89_610", "without a hidden layer"),
    ],
    "decay": [
        (
            "def decay(layer, factor, *, printed):\n"
            "    weights = layer.weight.square().sum()\n"
            "    if printed:\n"
            "        return factor * weights / layer.weight.shape[1]\n"
            "    return factor / 2 * (weights + layer.bias.square().sum())",
            "by the number of inputs",
        ),
        (
            "def decay(layer, factor, *, printed):\n"
            "    weights = layer.weight.square().sum()\n"
            "    if printed:\n"
            "        return factor * weights / len(layer.weight)\n"
            "    return factor / 2 * weights",
            "the biases are decayed too",
        ),
        (
            "def decay(layer, factor, *, printed):\n"
            "    weights = layer.weight.square().sum()\n"
            "    if printed:\n"
            "        return factor * weights / len(layer.weight)\n"
            "    return factor * (weights + layer.bias.square().sum())",
            "is *half*",
        ),
        (
            "def decay(layer, factor, *, printed):\n"
            "    both = layer.weight.square().sum() + layer.bias.square().sum()\n"
            "    return factor * both / (len(layer.weight) if printed else 2)",
            "no biases",
        ),
        (
            "def decay(layer, factor, *, printed):\n"
            "    weights = layer.weight.square().sum()\n"
            "    return factor * weights / (len(layer.weight) if printed else 1)",
            "you left them out",
        ),
        (
            "def decay(layer, factor, *, printed):\n"
            "    weights = layer.weight.square().sum().item()\n"
            "    if printed:\n"
            "        return factor * weights / len(layer.weight)\n"
            "    return factor / 2 * (weights + layer.bias.square().sum().item())",
            "without `item()`",
        ),
    ],
    "error_share": [
        (
            "def error_share(model, images, labels):\n"
            "    return (model(images).argmax(dim=1) == labels).double().mean().item()",
            "read correctly",
        ),
        (
            "def error_share(model, images, labels):\n"
            "    return (model(images).argmax(dim=1) != labels).sum().item()",
            "divide by that of images",
        ),
        (
            "def error_share(model, images, labels):\n"
            "    return 100 * (model(images).argmax(dim=1) != labels).double().mean().item()",
            "in percent",
        ),
    ],
    "softmax": [
        (
            "def softmax(logits):\n    return logits.exp() / logits.exp().sum(dim=1, keepdim=True)",
            "it gives nan",
        ),
        (
            "def softmax(logits):\n    return logits.exp() / logits.exp().sum(dim=0)",
            "the columns add up",
        ),
        (
            "def softmax(logits):\n    return (logits - logits.amax(dim=1, keepdim=True)).exp()",
            "the rows add up to",
        ),
        (
            "def softmax(logits):\n"
            "    powers = 2 ** (logits - logits.amax(dim=1, keepdim=True))\n"
            "    return powers / powers.sum(dim=1, keepdim=True)",
            "powers are of e",
        ),
        (
            "def softmax(logits):\n"
            "    powers = (logits - logits.max()).exp()\n"
            "    return powers / powers.sum(dim=1, keepdim=True)",
            "every row a number of its own",
        ),
        (
            "def softmax(logits):\n"
            "    powers = (logits - logits.mean(dim=1, keepdim=True)).exp()\n"
            "    return powers / powers.sum(dim=1, keepdim=True)",
            "the largest logit of the row",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "decay": (
        "def decay(layer, factor, *, printed):\n"
        "    weights = sum(w**2 for row in layer.weight for w in row)\n"
        "    if printed:\n"
        "        return factor * weights / layer.out_features\n"
        "    return factor * (weights + layer.bias @ layer.bias) / 2"
    ),
    "softmax": (
        "def softmax(logits):\n"
        "    rows = torch.zeros(logits.shape)\n"
        "    for i, row in enumerate(logits):\n"
        "        rows[i] = (row - row.max()).exp() / (row - row.max()).exp().sum()\n"
        "    return rows"
    ),
}
