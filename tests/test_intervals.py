import pytest
import torch
from scipy import stats

from blindspots import seed_interval, wilson_interval
from blindspots.intervals import median_interval, ratio_interval, share_bound


@pytest.mark.parametrize("count", [1, 7, 256])
def test_wilson_agrees_with_scipy(count):
    hits = torch.arange(count + 1)
    low, high = wilson_interval(hits / count, count)
    for k, a, b in zip(hits.tolist(), low.tolist(), high.tolist(), strict=True):
        expected = stats.binomtest(k, count).proportion_ci(0.95, method="wilson")
        assert (a, b) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_wilson_holds_the_truth_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    for truth in (0.02, 0.3):
        drawn = torch.rand(4000, 256, generator=generator) < truth
        low, high = wilson_interval(drawn.double().mean(dim=1), 256)
        assert 0.92 < ((low <= truth) & (truth <= high)).double().mean() < 0.98


def test_seed_intervals_hold_the_mean_and_a_new_run_as_often_as_they_say():
    generator = torch.Generator().manual_seed(0)
    runs = torch.randn(5, 4000, generator=generator)
    new = torch.randn(4000, generator=generator)
    low, high = seed_interval(runs)
    assert 0.94 < ((low <= 0) & (high >= 0)).double().mean() < 0.96
    low, high = seed_interval(runs, new_run=True)
    assert 0.94 < ((low <= new) & (new <= high)).double().mean() < 0.96


def test_seed_interval_agrees_with_scipy():
    runs = torch.tensor([[0.1, 0.5], [0.2, 0.5], [0.4, 0.8]])
    low, high = seed_interval(runs, confidence=0.9)
    for j in range(2):
        column = runs[:, j].double()
        expected = stats.t.interval(0.9, 2, column.mean(), stats.sem(column))
        assert (low[j].item(), high[j].item()) == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 20, 500])
def test_share_bound_without_hits_is_the_exact_one(count):
    exact = stats.binomtest(0, count, alternative="less").proportion_ci(0.95, method="exact")
    found = share_bound(torch.zeros(count))
    assert found == pytest.approx(exact.high, abs=1e-12)
    assert share_bound(torch.ones(count)) == 1


def test_share_bound_is_where_the_divergence_says():
    shares, p = torch.tensor([0.0, 0.1, 0.5]), share_bound(torch.tensor([0.0, 0.1, 0.5]))
    m = shares.double().mean()
    divergence = m * (m / p).log() + (1 - m) * ((1 - m) / (1 - p)).log()
    assert 3 * divergence.item() == pytest.approx(-torch.tensor(0.05).log().item(), rel=1e-6)
    assert p > m


def test_share_bound_holds_for_shares_of_any_kind():
    generator = torch.Generator().manual_seed(0)
    for rare in (0.02, 1.0):  # few images with large shares, or small shares everywhere
        hit = torch.rand(2000, 100, generator=generator) < rare
        shares = hit * (0.02 / rare) * 2 * torch.rand(2000, 100, generator=generator)
        holds = [share_bound(row.clamp(max=1)) >= 0.02 for row in shares]
        assert sum(holds) / len(holds) >= 0.95


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: wilson_interval(torch.tensor([1.2]), 5), r"shares in \[0, 1\].*got 1.2 to 1.2"),
        (lambda: wilson_interval(torch.tensor([0.2]), 0), "at least one image"),
        (lambda: seed_interval(torch.zeros(1, 3)), "at least two runs.*got 1"),
        (lambda: seed_interval(torch.zeros(2, 3), confidence=95), "confidence must.*got 95"),
        (lambda: share_bound(torch.tensor([0.1, 1.1])), r"shares in \[0, 1\]"),
        (lambda: share_bound(torch.zeros(0)), "at least one image"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_median_interval_holds_the_median_as_often_as_it_says(generator):
    """Of a skew distribution with infinite values."""
    for count in (6, 25, 100):
        values = torch.randn(4000, count, generator=generator).exp()
        values[values > 10] = torch.inf
        ends = torch.tensor([median_interval(row) for row in values])
        inside = ((ends[:, 0] <= 1) & (ends[:, 1] >= 1)).double().mean()
        assert 0.943 < inside < 0.985


def test_median_interval_refuses_what_bounds_nothing():
    with pytest.raises(ValueError, match=r"at least six values .* got 5"):
        median_interval(torch.arange(5.0))
    with pytest.raises(ValueError, match="NaN"):
        median_interval(torch.tensor([torch.nan] * 9))


def test_a_ratio_lies_in_its_interval_as_often_as_it_says(generator):
    """Of rates that vary by a common factor, which the ratio does not see, and each by its own."""
    common, own, other = 0.3 * torch.randn(3, 2000, 5, generator=generator, dtype=torch.float64)
    runs, reference = 0.2 * (common + own / 3).exp(), 0.05 * (common + other / 3).exp()
    inside = [
        low <= 4 <= high
        for low, high in (
            ratio_interval(*pair, images=10**9) for pair in zip(runs, reference, strict=True)
        )
    ]
    assert sum(inside) / len(inside) == pytest.approx(0.95, abs=0.02)


def test_a_rate_of_zero_has_a_ratio_and_a_negative_one_none():
    low, high = ratio_interval(torch.tensor([0.5, 0.4]), torch.zeros(2), images=100)
    assert 10 < low < 90 < high  # half an image against forty or fifty
    with pytest.raises(ValueError, match=r"must not be negative, got -0\.1"):
        ratio_interval(torch.tensor([0.5, -0.1]), torch.ones(2), images=100)
