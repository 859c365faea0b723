import json
import math
import random
from dataclasses import replace
from typing import get_args

import pytest
import torch

from blindspots import seed_interval
from blindspots.book import ledger
from blindspots.book.ledger import (
    CLAIMS,
    Rule,
    Verdict,
    compare_table,
    compare_units,
    read_records,
    record,
    record_table,
    record_theorem,
)

UP = Rule("height", "m", 2.0, 1.0, upwards=True)
SOLE = Rule("height", "m", 2.0, None, upwards=True)
# Of a rule with two thresholds and of one with one: interval and verdict.
JUDGED = [
    (UP, 2, 3, "holds"),
    (UP, 1.9, 3, "holds, weaker"),
    (UP, 1.1, 1.2, "holds, weaker"),
    (UP, 1, 3, "undecided"),
    (UP, 0, 1, "does not hold"),
    (UP, -math.inf, math.inf, "undecided"),
    (SOLE, 2, 2, "holds"),
    (SOLE, 1, 2, "undecided"),
    (SOLE, 1, 1.9, "does not hold"),
]


def turned(rule):
    """The same with below for above."""
    weaker = None if rule.weaker is None else -rule.weaker
    return replace(rule, threshold=-rule.threshold, weaker=weaker, upwards=not rule.upwards)


@pytest.mark.parametrize(("rule", "low", "high", "verdict"), JUDGED)
def test_verdicts_follow_from_the_interval(rule, low, high, verdict):
    assert rule.judge(low, high) == turned(rule).judge(-high, -low) == verdict


@pytest.mark.parametrize("interval", [(2, 1), (math.nan, 1), (0, math.nan)])
def test_what_is_no_interval_is_refused(interval):
    with pytest.raises(ValueError, match="from low to high"):
        UP.judge(*interval)


@pytest.mark.parametrize("seed", range(300))
def test_flips_are_the_nearest_thresholds_that_change_the_verdict(seed):
    """Beyond a flip the verdict is another; on the way to it, it is not."""
    draw = random.Random(seed)
    weaker, threshold = sorted(draw.choices(range(-9, 10), k=2))
    low, high = sorted(draw.choices(range(-9, 10), k=2))
    rule = Rule("height", "m", threshold, weaker if seed % 3 else None, upwards=True)
    if draw.random() < 0.5:
        rule, low, high = turned(rule), -high, -low
    verdict = rule.judge(low, high)
    flips = rule.flips(low, high)
    for flip in flips:
        moved = replace(rule, **{flip.name: flip.moved})
        assert moved.judge(low, high) == flip.verdict != verdict and moved._ordered()
        for part in (0.01, 0.5, 0.99):
            on_the_way = flip.present + part * (flip.moved - flip.present)
            if on_the_way != flip.moved:
                assert replace(rule, **{flip.name: on_the_way}).judge(low, high) == verdict
    # And where none is named, none is found.
    for name in ("threshold", "weaker") if rule.weaker is not None else ("threshold",):
        for far in (-1e3, 1e3):
            other = replace(rule, **{name: far})
            sides = {math.copysign(1, f.moved - f.present) for f in flips if f.name == name}
            if other._ordered() and other.judge(low, high) != verdict:
                assert math.copysign(1, far - getattr(rule, name)) in sides


def test_no_verdict_turns_on_a_share_below_nothing_or_above_all():
    share = Rule("share", "%", 95, 50, upwards=True)
    assert (
        share.flips(0, 100) == [] and Rule("chance", "%", 5, None, upwards=True).flips(0, 0) == []
    )
    assert [flip.moved for flip in share.flips(97, 99)] == [math.nextafter(97, 100)]
    assert "its whole interval is 100 %;" in Rule("share", "%", 100, None, upwards=True).words()


def test_a_rule_says_what_it_does():
    assert "at least 2 m; holds, weaker, if above 1 m; does not hold if none" in UP.words()
    assert "at most -2 m; does not hold if none of it is; else" in turned(SOLE).words()
    assert UP.written(1.23456, 2) == "1.23 to 2 m" and UP.written(2, 2) == "2 m"


@pytest.mark.parametrize("seed", range(100))
def test_a_number_is_not_written_as_a_threshold_that_it_is_not(seed):
    draw = random.Random(seed)
    threshold = round(draw.uniform(0, 1), draw.randint(1, 3))
    rule = Rule("similarity", "", threshold, None, upwards=True)
    for limit in (threshold, 1.0):
        near = limit + draw.choice((-1, 1)) * 10 ** -draw.uniform(2, 8)
        written = float(rule.written(near))
        assert written != limit and written == pytest.approx(near, rel=5e-3)
        assert rule.judge(written, written) == rule.judge(near, near)


@pytest.fixture
def glued(monkeypatch):
    """What `record` glues, by name."""
    values = {}
    monkeypatch.setattr("blindspots.book.ledger.glue", lambda **more: values.update(more))
    return values


def beyond(rule, far):
    """An interval on the far or the near side of all thresholds."""
    ends = [t for t in (rule.threshold, rule.weaker) if t is not None]
    return (max(ends) + 1,) * 2 if far == rule.upwards else (min(ends) - 1,) * 2


def evidence(name, **changed):
    if CLAIMS[name].rule is None:
        words = {"found": "None.", "ours": "0", "control": "0"}
        return record_theorem(name, **words | {"violations": 0} | changed)
    rule = CLAIMS[name].rule
    common = {"interval": beyond(rule, True), "negative": ("noise", beyond(rule, False))}
    words = {"found": "One was found.", "ours": "1 %", "control": "0 %"}
    return record(name, **words | common | changed)


def all_records(glued):
    """One example of evidence for every claim, in two documents."""
    for name in reversed(CLAIMS):
        evidence(name)
    names = list(glued)
    return {"chapters/a": {n: glued[n] for n in names[:4]} | {"other": "glue"}} | {
        "chapters/b": {n: glued[n] for n in names[4:]}
    }


@pytest.mark.parametrize("name", CLAIMS)
def test_every_row_has_all_that_a_reader_needs(name):
    """The paper's words and their place, why and when a threshold was set; rules can be passed."""
    claim = CLAIMS[name]
    words = claim.title, claim.statement, claim.words, claim.source, claim.why, claim.since
    assert all(text and text == " ".join(text.split()) for text in words)
    assert "November 2026" in claim.since and (claim.rule is None) != (claim.proven is None)
    if claim.rule is not None:
        assert claim.rule.quantity == " ".join(claim.rule.quantity.split())
        assert claim.rule.judge(*beyond(claim.rule, True)) == "holds"
        assert claim.rule.judge(*beyond(claim.rule, False)) == "does not hold"
        assert claim.rule._ordered()


def test_statements_are_not_joined():
    """One per row: what joins two has two rows."""
    for claim in CLAIMS.values():
        assert ". " not in claim.statement and ";" not in claim.statement


@pytest.mark.parametrize("name", [n for n, claim in CLAIMS.items() if claim.rule])
def test_a_rule_that_lets_its_known_negative_pass_is_refused(name, glued):
    rule = CLAIMS[name].rule
    assert evidence(name) == "holds"
    assert evidence(name, testable=False) == "not testable here"
    with pytest.raises(ValueError, match=f"{name} says 'holds' of noise .* distinguishes nothing"):
        evidence(name, negative=("noise", beyond(rule, True)))
    content = json.loads(glued[f"claim_{name}"])
    assert content["negative"][0] == "noise" and content["origin"] == "computed in this build"


def test_where_numbers_come_from_is_said(glued):
    stored = {"date": "2026-11-23", "data": "MNIST", "seeds": 5, "runs": []}
    evidence("models", stored=stored, paper=(4.5, 4.5))
    content = json.loads(glued["claim_models"])
    assert content["origin"] == "stored (2026-11-23, MNIST, 5 seeds)"
    assert content["paper"] == [4.5, 4.5]


@pytest.fixture
def trainings(monkeypatch):
    """Three of two networks, on one data set."""
    rows = [
        {"data": "mnist", "seed": seed, "values": {"very-close": {"a": 20.0 + seed, "b": 10.0}}}
        for seed in range(3)
    ]
    stored = {"date": "2026-11-27", "data": "MNIST", "seeds": 3, "trainings": rows}
    monkeypatch.setattr(ledger, "load_stored", lambda name: stored)
    return torch.tensor([20.0, 21.0, 22.0])


def test_other_trainings_widen_the_interval_and_may_change_the_verdict(glued, trainings):
    low, high = (end.item() for end in seed_interval(trainings))
    assert low < 20 and 22 < high < 25  # of the network on which it is hardest
    for here, judged in (((24.5, 24.6), (low, 24.6)), ((1, 2), (1, high)), ((0, 99), (0, 99))):
        evidence("very-close", interval=here, data="MNIST")
        content = json.loads(glued["claim_very-close"])
        assert content["interval"] == pytest.approx(judged)
        assert content["trainings"] == pytest.approx((low, high))
        several = "widened by several trainings, stored (2026-11-27, MNIST, 3 seeds)"
        origin = f"computed in this build; {several}"
        assert content["origin"] == origin
    trainings = ledger.load_stored("trainings")["trainings"]
    assert evidence("very-close", interval=(1, 2), data="MNIST") == "holds"
    trainings[0]["values"]["very-close"]["b"] = 35.0
    assert evidence("very-close", interval=(1, 2), data="MNIST") == "holds, weaker"


def test_trainings_on_other_data_say_nothing(glued, trainings):
    evidence("very-close", interval=(1, 2), data="digits")
    content = json.loads(glued["claim_very-close"])
    assert content["interval"] == [1, 2] and content["trainings"] is None
    assert content["origin"] == "computed in this build"


def test_a_theorem_is_no_verdict_and_its_violation_no_evidence(glued):
    assert evidence("guarantee") == "false, by a theorem"
    with pytest.raises(ValueError, match="3 violations of what decides dense"):
        evidence("dense", violations=3)
    with pytest.raises(ValueError, match="a theorem decides dense: use record_theorem"):
        record("dense", found="", ours="", control="", interval=(0, 1), negative=("", (0, 1)))
    with pytest.raises(ValueError, match="a rule decides models: use record"):
        record_theorem("models", found="", ours="", control="", violations=0)
    assert not {c.proven for c in CLAIMS.values()} & {*get_args(Verdict)}


def test_records_are_read_back_in_the_order_of_the_claims(glued):
    records = read_records(all_records(glued))
    assert list(records) == list(CLAIMS)
    first_four = {name for name, (document, _) in records.items() if document == "chapters/a"}
    assert {f"claim_{name}" for name in first_four} == set(list(glued)[:4])
    assert records["models"][1].negative.what == "noise"


def test_a_verdict_that_parts_from_its_rule_is_refused(glued):
    documents = all_records(glued)
    content = json.loads(glued["claim_models"])
    assert content["verdict"] == "holds"
    for document in documents.values():
        if "claim_models" in document:
            document["claim_models"] = json.dumps(content | {"interval": [1.5, 3]})
    with pytest.raises(ValueError, match=r"records 'holds' for models, but .* 'holds, weaker'"):
        read_records(documents)


def test_a_claim_without_evidence_is_refused(glued):
    documents = all_records(glued)
    del documents["chapters/a"]
    with pytest.raises(ValueError, match="no chapter records evidence for"):
        read_records(documents)


def test_evidence_in_two_documents_is_refused(glued):
    documents = all_records(glued)
    documents["chapters/c"] = documents["chapters/a"]
    with pytest.raises(ValueError, match="is recorded in chapters/a and in chapters/c"):
        read_records(documents)


def test_evidence_without_a_claim_is_refused(glued):
    documents = all_records(glued)
    documents["chapters/a"]["claim_unheard-of"] = glued["claim_models"]
    with pytest.raises(ValueError, match="there is no claim 'unheard-of': use one of units"):
        read_records(documents)
    with pytest.raises(ValueError, match="there is no claim"):
        record("unheard-of", found="", ours="", control="", interval=(0, 1), negative=("", (0, 1)))


@pytest.mark.parametrize(
    ("superiority", "found"),
    [
        ([0.50, 0.51, 0.49, 0.50, 0.52], "no distinction"),
        ([0.44, 0.56, 0.50, 0.60, 0.40], "undecided"),
        ([0.55, 0.57, 0.56, 0.57, 0.55], "undecided"),
        ([0.70, 0.71, 0.69, 0.72, 0.70], "units more coherent"),
        ([0.30, 0.31, 0.29, 0.32, 0.30], "units less coherent"),
    ],
)
def test_units_are_compared_by_their_rule(superiority, found):
    assert compare_units(torch.tensor(superiority)) == found


@pytest.mark.parametrize("images", [None, 10_000])
def test_bands_hold_a_further_run_as_often_as_they_say(images, generator):
    """Of sizes, and of shares, whose logarithms or log-odds are normal."""
    drawn = 0.3 * torch.randn(6, 4000, generator=generator, dtype=torch.float64) - 2
    runs = drawn.sigmoid() if images else drawn.exp()
    found = compare_table(runs[0].tolist(), runs[1:], images=images)
    assert (found.low > 0).all() and (found.low < found.high).all()
    assert found.inside.double().mean() == pytest.approx(0.95, abs=0.012)


def test_bands_of_shares_stay_shares_and_know_zero():
    runs = torch.tensor([[0.0, 0.99], [0.0, 1.0], [0.004, 0.98]])
    found = compare_table([0.0, 1.0], runs, images=256)
    assert found.inside.all() and (found.low >= 0).all() and (found.high <= 1).all()
    assert found.chance == pytest.approx(100)


@pytest.mark.parametrize("images", [None, 256])
def test_a_table_of_another_shape_or_without_numbers_is_refused(images):
    runs = torch.tensor([[0.1], [0.2], [0.3]])
    with pytest.raises(ValueError, match=r"got 2 beside runs of shape \(3, 1\): give runs x cells"):
        compare_table([0.1, 0.2], runs, images=images)
    with pytest.raises(ValueError, match="give runs x cells"):
        compare_table([0.1], runs[:, 0], images=images)
    for wrong in (-0.1, math.nan) if images else (-0.1, 0.0, math.nan):
        with pytest.raises(ValueError, match="sizes must be positive, and none NaN"):
            compare_table([0.1], torch.tensor([[0.1], [wrong]]), images=images)


def test_printed_shares_are_rounded():
    """2 % may have been 2.4 %, 2.0 is written 2; 2.1 % not more than 2.15."""
    runs = torch.tensor([[0.0240], [0.0241], [0.0242]])
    for printed, inside in ((0.02, True), (0.024, True), (0.021, False), (0.0241, True)):
        assert compare_table([printed], runs, images=10**6).inside.item() == inside


def test_the_chance_of_so_many_outside():
    runs = torch.tensor([[0.5] * 6, [0.52] * 6, [0.51] * 6])
    for outside in range(7):
        printed = [0.9] * outside + [0.51] * (6 - outside)
        expected = sum(math.comb(6, k) * 0.05**k * 0.95 ** (6 - k) for k in range(outside, 7))
        assert compare_table(printed, runs, images=256).chance == pytest.approx(100 * expected)
    assert ledger.origin(None) == "computed in this build"


def test_a_table_is_recorded_with_its_cells_and_with_numbers_from_elsewhere(glued):
    stored = {"date": "2026-11-23", "data": "MNIST", "seeds": 3}
    runs = torch.tensor([[0.20, 0.10, 0.30], [0.22, 0.12, 0.31], [0.21, 0.11, 0.29]])
    printed = {"a": 0.21, "b": 0.11, "c": 0.3}
    elsewhere = ("other rows", [0.9, 0.8, 0.7])
    table = record_table("table-2", printed, runs, elsewhere=elsewhere, images=256, stored=stored)
    content = json.loads(glued["claim_table-2"])
    assert table.inside.all() and content["verdict"] == "holds"
    assert content["ours"].startswith(
        "3 of 3 inside, where chance alone leaves 0.2 outside; bands of"
    )
    assert content["paper"] is None
    assert "(the paper's), in percent: a 21 (21), b 11 (11)" in content["ours"]
    assert content["control"] == "other rows: 0 of 3 inside"
    with pytest.raises(ValueError, match="distinguishes nothing"):
        same = ("the same", [*printed.values()])
        record_table("table-2", printed, runs, elsewhere=same, images=256, stored=stored)


def test_bands_that_are_too_wide_decide_nothing():
    narrow = torch.tensor([[0.20, 0.10], [0.22, 0.12], [0.21, 0.11]])
    table = compare_table([0.21, 0.11], narrow, images=256)
    assert table.width < ledger.WIDEST and table.interval == (table.chance, table.chance)
    wide = compare_table([0.21, 0.11], torch.tensor([[0.1, 0.5], [0.6, 0.05]]), images=256)
    assert wide.width > ledger.WIDEST and wide.interval == (0, 100)
