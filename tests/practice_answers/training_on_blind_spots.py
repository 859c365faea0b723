"""Typical errors in the exercises of *Training on blind spots*, and the hints meant for them."""

WRONG = {
    "layers_that_learn": [
        ('layers_that_learn = "all"', "and no further"),
        ('layers_that_learn = "the first two"', "owes them nothing"),
        ("layers_that_learn = 1", 'say "all"'),
    ],
    "signed_step": [
        (
            "def signed_step(model, images, labels, epsilon):\n"
            "    moved = images.clone().requires_grad_()\n"
            "    loss = cross_entropy(model(moved), labels)\n"
            "    (gradient,) = torch.autograd.grad(loss, moved)\n"
            "    return (images - epsilon * gradient.sign()).clamp(0, 1)",
            "downhill",
        ),
        (
            "def signed_step(model, images, labels, epsilon):\n"
            "    moved = images.clone().requires_grad_()\n"
            "    loss = cross_entropy(model(moved), labels)\n"
            "    (gradient,) = torch.autograd.grad(loss, moved)\n"
            "    return images + epsilon * gradient.sign()",
            "clamp to",
        ),
        (
            "def signed_step(model, images, labels, epsilon):\n"
            "    moved = images.clone().requires_grad_()\n"
            "    loss = cross_entropy(model(moved), labels)\n"
            "    (gradient,) = torch.autograd.grad(loss, moved)\n"
            "    return (images + epsilon * gradient / gradient.norm()).clamp(0, 1)",
            "*sign* of the gradient",
        ),
        (
            "def signed_step(model, images, labels, epsilon):\n"
            "    images.requires_grad_()\n"
            "    loss = cross_entropy(model(images), labels)\n"
            "    (gradient,) = torch.autograd.grad(loss, images)\n"
            "    images.requires_grad_(False)\n"
            "    images += epsilon * gradient.sign()\n"
            "    return images.clamp_(0, 1)",
            "changed in place",
        ),
        (
            "def signed_step(model, images, labels, epsilon):\n"
            "    moved = images.clone().requires_grad_()\n"
            "    logits = model(moved)\n"
            "    loss = cross_entropy(logits, logits.argmax(dim=1))\n"
            "    (gradient,) = torch.autograd.grad(loss, moved)\n"
            "    return (images + epsilon * gradient.sign()).clamp(0, 1)",
            "that of the *true* class",
        ),
    ],
    "project": [
        (
            "def project(images, moved, epsilon):\n"
            "    return moved.clamp(images - epsilon, images + epsilon)",
            "leaves [0, 1]",
        ),
        ("def project(images, moved, epsilon):\n    return moved.clamp(0, 1)", "the limit is 0.1"),
        (
            "def project(images, moved, epsilon):\n"
            "    change = moved - images\n"
            "    return (images + epsilon * change / change.abs().max()).clamp(0, 1)",
            "does not rescale",
        ),
    ],
    "renew": [
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    places = torch.randint(len(pool), (len(fresh),), generator=generator)\n"
            "    pool[places] = fresh\n"
            "    pool_labels[places] = labels",
            "Draw different places",
        ),
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    places = torch.randperm(len(pool), generator=generator)[: len(fresh)]\n"
            "    pool[places] = fresh",
            "the same places",
        ),
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    pool = torch.cat([pool[len(fresh) :], fresh])",
            "in place",
        ),
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    pool[: len(fresh)] = fresh\n"
            "    pool_labels[: len(fresh)] = labels",
            "grow old",
        ),
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    last = len(pool) - len(fresh)\n"
            "    start = int(torch.randint(last + 1, (1,), generator=generator))\n"
            "    pool[start : start + len(fresh)] = fresh\n"
            "    pool_labels[start : start + len(fresh)] = labels",
            "more often than others",
        ),
        (
            "def renew(pool, pool_labels, fresh, labels, generator):\n"
            "    places = torch.randperm(len(pool))[: len(fresh)]\n"
            "    pool[places] = fresh\n"
            "    pool_labels[places] = labels",
            "other places the second time",
        ),
    ],
    "mixed_loss": [
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    clean = cross_entropy(model(images), labels)\n"
            "    return (clean + cross_entropy(model[depth:](found), found_labels)) / 2",
            "two examples count as much",
        ),
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    clean = cross_entropy(model(images), labels)\n"
            "    return clean + cross_entropy(model[depth:](found), found_labels)",
            "the sum of the two",
        ),
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    return cross_entropy(model(images), labels)",
            "the pool is missing",
        ),
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    logits = torch.cat([model(images), model[5:](found)])\n"
            "    return cross_entropy(logits, torch.cat([labels, found_labels]))",
            "your code ends in RuntimeError",
        ),
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    logits = torch.cat([model(images), model[depth:](found)])\n"
            "    return cross_entropy(logits, torch.cat([labels, found_labels])).item()",
            "without `item()`",
        ),
        (
            "def mixed_loss(model, images, labels, found, found_labels, depth):\n"
            "    logits = torch.cat([model(images), model[depth:](found)])\n"
            "    return cross_entropy(logits, torch.cat([labels, found_labels.flip(0)]))",
            "here it is",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "signed_step": (
        "def signed_step(model, images, labels, epsilon):\n"
        "    rows = []\n"
        "    for image, label in zip(images, labels):\n"
        "        image = image[None].clone().requires_grad_()\n"
        "        cross_entropy(model(image), label[None]).backward()\n"
        "        rows.append((image.detach() + epsilon * image.grad.sign()).clamp(0, 1))\n"
        "    return torch.cat(rows)"
    ),
    "project": (
        "def project(images, moved, epsilon):\n"
        "    least, most = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)\n"
        "    return torch.minimum(torch.maximum(moved, least), most).double()"
    ),
    "renew": (
        "def renew(pool, pool_labels, fresh, labels, generator):\n"
        "    places = torch.multinomial(torch.ones(len(pool)), len(fresh), generator=generator)\n"
        "    for place, example, label in zip(places.tolist(), fresh, labels):\n"
        "        pool[place], pool_labels[place] = example, label"
    ),
}
