"""Typical errors in the exercises of *Rare, or dense?*, and the hints meant for them."""

WRONG = {
    "largest_probability": [
        ("largest_probability = 0", "not impossible"),
        ("largest_probability = 1 / 1000", "37 %"),
        ("largest_probability = 0.05", "the chance of the luck"),
        ("largest_probability = 0.03", "about 3/1000"),
    ],
    "upper_bound": [
        ("def upper_bound(hits, draws):\n    return hits / draws", "not zero"),
        (
            "def upper_bound(hits, draws):\n"
            "    from scipy.stats import beta\n"
            "    return beta.ppf(0.975, hits + 1, draws - hits)",
            "two-sided",
        ),
        (
            "def upper_bound(hits, draws):\n"
            "    p = hits / draws\n"
            "    return p + 1.645 * (p * (1 - p) / draws) ** 0.5 if hits else 0.0029912",
            "normal approximation",
        ),
        (
            "def upper_bound(hits, draws):\n"
            "    from scipy.stats import beta\n"
            "    return beta.ppf(0.95, hits + 1, draws - hits) if hits < draws else 0.99",
            "may be one",
        ),
        (
            "def upper_bound(hits, draws):\n"
            "    from scipy.stats import beta\n"
            "    return beta.ppf(0.95, hits + 1, draws - hits)",
            "may be one",
        ),
    ],
    "crossing_probability": [
        (
            "def crossing_probability(k, m):\n"
            "    return torch.special.ndtr(torch.tensor(m**0.5 / k)).item()",
            "of *not* crossing",
        ),
        (
            "def crossing_probability(k, m):\n"
            "    return torch.special.ndtr(torch.tensor(-1 / k)).item()",
            "spread over all m",
        ),
        (
            "def crossing_probability(k, m):\n"
            "    return 2 * torch.special.ndtr(torch.tensor(-(m**0.5) / k)).item()",
            "not both tails",
        ),
        (
            "def crossing_probability(k, m):\n"
            "    return torch.special.ndtr(torch.tensor(-28 / k)).item()",
            "64 pixels",
        ),
    ],
    "distance_from_noise": [
        (
            "def distance_from_noise(share, s):\n"
            "    return s * torch.special.ndtri(torch.tensor(share)).item()",
            "negative",
        ),
        (
            "def distance_from_noise(share, s):\n"
            "    return -torch.special.ndtri(torch.tensor(share)).item()",
            "in units of s",
        ),
        (
            "def distance_from_noise(share, s):\n"
            "    return -torch.special.ndtri(torch.tensor(share)).item() / s",
            "do not divide",
        ),
    ],
    "orthogonal_and_aligned": [
        (
            "def orthogonal_and_aligned(g, k):\n    return torch.eye(len(g), dtype=g.dtype)[:k]",
            "share it evenly",
        ),
        (
            "def orthogonal_and_aligned(g, k):\n    return (g / g.norm()).expand(k, -1)",
            "not orthonormal",
        ),
        (
            "def orthogonal_and_aligned(g, k):\n"
            "    units = torch.eye(len(g), dtype=g.dtype)[:k]\n"
            "    v = units.sum(dim=0) / k**0.5 - g / g.norm()\n"
            "    return units - 2 * (units @ v)[:, None] * v / (v @ v)",
            "gives nan",
        ),
        (
            "def orthogonal_and_aligned(g, k):\n"
            "    rest = torch.eye(len(g), dtype=g.dtype)\n"
            "    basis = torch.linalg.qr(torch.cat([g[:, None], rest], dim=1)).Q\n"
            "    return basis[:, 1 : k + 1].T",
            "1/√3",
        ),
        (
            "def orthogonal_and_aligned(g, k):\n"
            "    units = torch.eye(len(g), dtype=g.dtype)[:k]\n"
            "    v = units.sum(dim=0) / 3**0.5 - g / g.norm()\n"
            "    if v.norm() < 1e-12:\n"
            "        return units\n"
            "    return units - 2 * (units @ v)[:, None] * v / (v @ v)",
            "for k = 2",
        ),
        (
            "def orthogonal_and_aligned(g, k):\n"
            "    units = torch.eye(len(g), dtype=g.dtype)[:k]\n"
            "    v = units.sum(dim=0) / k**0.5 + g / g.norm()\n"
            "    return units - 2 * (units @ v)[:, None] * v / (v @ v)",
            "turn the sign",
        ),
    ],
}

# Right in another style: other types, loops for vectors.
RIGHT = {
    "upper_bound": (
        "def upper_bound(hits, draws):\n"
        "    from scipy.stats import binom\n"
        "    low, high = 0.0, 1.0\n"
        "    while high - low > 1e-7:\n"
        "        p = (low + high) / 2\n"
        "        low, high = (p, high) if binom.cdf(hits, draws, p) > 0.05 else (low, p)\n"
        "    return low"
    ),
    "orthogonal_and_aligned": (
        "def orthogonal_and_aligned(g, k):\n"
        "    some = torch.randn(len(g), k - 1, dtype=g.dtype)\n"
        "    space = torch.linalg.qr(torch.cat([g[:, None], some], dim=1)).Q\n"
        "    ones = torch.cat([torch.ones(k, 1), torch.randn(k, k - 1)], dim=1).double()\n"
        "    turn = torch.linalg.qr(ones).Q\n"
        "    rows = turn @ space.T\n"
        "    return rows * (rows[0] @ g).sign()"
    ),
}
