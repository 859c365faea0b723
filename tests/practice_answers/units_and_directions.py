"""Typical errors in the exercises of *Units and directions*, and the hints meant for them."""

WRONG = {
    "perfect_units": [
        ('perfect_units = "about a tenth"', "drawn at random"),
        ('perfect_units = "about a half"', "exactly one of the ten"),
        ("perfect_units = 0.99", 'say "about a tenth"'),
    ],
    "random_basis": [
        (
            "def random_basis(d, generator):\n"
            "    drawn = torch.randn(d, d, generator=generator, dtype=torch.float64)\n"
            "    return torch.linalg.qr(drawn).Q",
            "sign of the diagonal of R",
        ),
        (
            "def random_basis(d, generator):\n"
            "    drawn = torch.randn(d, d, generator=generator, dtype=torch.float64)\n"
            "    return drawn / drawn.norm(dim=0)",
            "not orthonormal",
        ),
        (
            "def random_basis(d, generator):\n"
            "    drawn = torch.randn(d, d, dtype=torch.float64,\n"
            "                        generator=torch.Generator().manual_seed(0))\n"
            "    q, r = torch.linalg.qr(drawn)\n"
            "    return q * r.diagonal().sign()",
            "draw anew",
        ),
        (
            "def random_basis(d, generator):\n"
            "    drawn = torch.randn(d, d, generator=generator, dtype=torch.float64)\n"
            "    q, r = torch.linalg.qr(drawn)\n"
            "    q = q * r.diagonal().sign()\n"
            "    q[:, 0] *= torch.linalg.det(q).sign()\n"
            "    return q",
            "nearly all of one kind",
        ),
        (
            "def random_basis(d, generator):\n"
            "    order = torch.randperm(d, generator=generator)\n"
            "    signs = 2.0 * torch.randint(2, (d,), generator=generator) - 1\n"
            "    return torch.eye(d)[:, order] * signs",
            "a *Gaussian* matrix",
        ),
        (
            "def random_basis(d, generator):\n"
            "    q, r = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64))\n"
            "    return q * r.diagonal().sign()",
            "the second time",
        ),
    ],
    "pair_agreement": [
        (
            "def pair_agreement(labels):\n"
            "    return (labels[:, None] == labels).double().mean().item()",
            "as a pair with itself",
        ),
        (
            "def pair_agreement(labels):\n    return labels.bincount().max().item() / len(labels)",
            "most frequent label",
        ),
        (
            "def pair_agreement(labels):\n"
            "    return (labels[1:] == labels[:-1]).double().mean().item()",
            "three of the six pairs",
        ),
    ],
    "most_excited": [
        (
            "def most_excited(features, direction, k):\n"
            "    return (features @ direction).abs().topk(k).indices",
            "no absolute values",
        ),
        (
            "def most_excited(features, direction, k):\n"
            "    return (features @ direction).argsort()[:k]",
            "largest first",
        ),
        (
            "def most_excited(features, direction, k):\n"
            "    return (features @ direction).topk(k).values",
            "wanted are the row numbers",
        ),
        (
            "def most_excited(features, direction, k):\n"
            "    return torch.cosine_similarity(features, direction[None]).topk(k).indices",
            "the inner product alone",
        ),
        (
            "def most_excited(features, direction, k):\n"
            "    return (features @ direction).argsort()[-k:]",
            "the largest comes first",
        ),
    ],
    "rotation_pvalue": [
        (
            "def rotation_pvalue(natural, rotated):\n"
            "    return 2 * (rotated >= natural).double().mean().item()",
            "no number of draws",
        ),
        (
            "def rotation_pvalue(natural, rotated):\n"
            "    return (1 + (rotated >= natural).sum().item()) / (len(rotated) + 1)",
            "that is one tail",
        ),
        (
            "def rotation_pvalue(natural, rotated):\n"
            "    tail = (1 + (rotated >= natural).sum().item()) / (len(rotated) + 1)\n"
            "    return min(1.0, 2 * tail)",
            "take the smaller tail",
        ),
        (
            "def rotation_pvalue(natural, rotated):\n"
            "    upper = (1 + (rotated >= natural).sum().item()) / (len(rotated) + 1)\n"
            "    lower = (1 + (rotated <= natural).sum().item()) / (len(rotated) + 1)\n"
            "    return 2 * min(upper, lower)",
            "cap it",
        ),
        (
            "def rotation_pvalue(natural, rotated):\n"
            "    upper = (rotated >= natural).double().mean().item()\n"
            "    lower = (rotated <= natural).double().mean().item()\n"
            "    return min(1.0, max(2 * min(upper, lower), 2 / (len(rotated) + 1)))",
            "above and below the line",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "random_basis": (
        "def random_basis(d, generator):\n"
        "    columns = []\n"
        "    for _ in range(d):\n"
        "        v = torch.randn(d, generator=generator, dtype=torch.float64)\n"
        "        for u in columns:\n"
        "            v = v - (u @ v) * u\n"
        "        columns.append(v / v.norm())\n"
        "    return torch.stack(columns, dim=1)"
    ),
    "most_excited": (
        "def most_excited(features, direction, k):\n"
        "    products = (features @ direction).tolist()\n"
        "    return sorted(range(len(products)), key=products.__getitem__, reverse=True)[:k]"
    ),
    "rotation_pvalue": (
        "def rotation_pvalue(natural, rotated):\n"
        "    every = torch.cat([rotated, torch.tensor([natural])])\n"
        "    upper, lower = (every >= natural).float(), (every <= natural).float()\n"
        "    return (2 * torch.minimum(upper.mean(), lower.mean())).clamp(max=1)"
    ),
}
