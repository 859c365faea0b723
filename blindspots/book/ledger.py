"""The paper's claims, the rule by which each is judged, and the evidence that chapters record.

Whatever the book calls a verdict is given here, and nowhere else. `claims.toml` has the words and
the thresholds.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from scipy import stats

from blindspots.book.stored import load_stored
from blindspots.book.words import Number, glue
from blindspots.intervals import CONFIDENCE, seed_interval

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Verdict = Literal["holds", "holds, weaker", "does not hold", "undecided", "not testable here"]
Proven = Literal["false, by a theorem"]
UnitsCompared = Literal["no distinction", "units more coherent", "units less coherent", "undecided"]

PASSED = "holds", "holds, weaker"
INDIFFERENCE = 0.06  # how far from one half a superiority may lie and still be no distinction
HERE = "computed in this build"
LISTED = 8  # cells of a table; a chapter shows those of larger ones
TINY = 1e-12  # what is written as zero
WIDEST = 0.5  # half the width of a table's bands, as a share of their middle, that still decides


@dataclass(frozen=True)
class Rule:
    """How a verdict follows from the interval in which a quantity lies, and from nothing else.

    *Holds* if the whole interval is at the threshold or beyond; *holds, weaker* if it is wholly
    beyond the weaker one; *does not hold* if none of it is beyond the easier of the two; else
    *undecided*.

    Attributes:
        quantity: what is measured, in words.
        unit: after each number; "" for a ratio.
        threshold: beyond which it holds.
        weaker: an easier threshold, if there is one.
        upwards: whether beyond is above.
    """

    quantity: str
    unit: str
    threshold: float
    weaker: float | None
    upwards: bool

    def judge(self, low: float, high: float) -> Verdict:
        """Give the verdict for an interval.

        >>> Rule("height", "m", 2.0, 1.0, upwards=True).judge(1.5, 2.5)
        'holds, weaker'
        """
        if math.isnan(low) or math.isnan(high) or low > high:
            raise ValueError(f"an interval goes from low to high, got {low:g} to {high:g}")
        if not self.upwards:
            low, high = -high, -low
        if low >= self._turned(self.threshold):
            return "holds"
        if self.weaker is None:
            return "does not hold" if high < self._turned(self.threshold) else "undecided"
        if low > self._turned(self.weaker):
            return "holds, weaker"
        return "does not hold" if high <= self._turned(self.weaker) else "undecided"

    def _turned(self, threshold: float) -> float:
        return threshold if self.upwards else -threshold

    def flips(self, low: float, high: float) -> list["Flip"]:
        """Find the nearest thresholds, on each side, at which the verdict would be another.

        A verdict can only change where a threshold passes an end of the interval, so the rule is
        asked there, a hair below and a hair above. A percentage of 0 or less, or of 100 or more,
        does not count as a threshold.
        """
        verdict, found = self.judge(low, high), []
        for name in ("threshold", "weaker"):
            if (present := getattr(self, name)) is None:
                continue
            ways: dict[bool, list[Flip]] = {False: [], True: []}
            for end in {low, high}:
                for moved in (math.nextafter(end, -math.inf), end, math.nextafter(end, math.inf)):
                    other = replace(self, **{name: moved})  # type: ignore[arg-type]
                    if self.unit == "%" and not 0 < moved < 100:
                        continue
                    if other._ordered() and (changed := other.judge(low, high)) != verdict:
                        ways[moved > present].append(Flip(name, present, moved, changed))
            for flips in ways.values():
                if flips:
                    found.append(min(flips, key=lambda flip: abs(flip.moved - flip.present)))
        return found

    def _ordered(self) -> bool:
        """Whether the weaker threshold is the easier one."""
        return self.weaker is None or self._turned(self.weaker) <= self._turned(self.threshold)

    def words(self) -> str:
        """Say the rule in a sentence.

        >>> rule = Rule("The share", "%", 95.0, 50.0, upwards=True)
        >>> print(rule.words())  # doctest: +NORMALIZE_WHITESPACE
        The share. Holds if its whole interval is at least 95 %; holds, weaker, if above 50 %; does
        not hold if none of it is above 50 %; else undecided.
        """
        least, beyond = ("at least ", "above") if self.upwards else ("at most ", "below")
        if (self.upwards, self.threshold, self.unit) == (True, 100, "%"):
            least = ""
        strong, easier = self.written(self.threshold), self.weaker
        said = f"{self.quantity}. Holds if its whole interval is {least}{strong}; "
        if easier is None:
            return f"{said}does not hold if none of it is; else undecided."
        weak = self.written(easier)
        said += f"holds, weaker, if {beyond} {weak}; does not hold if none of it is {beyond} {weak}"
        return f"{said}; else undecided."

    def written(self, *numbers: float) -> str:
        """Write a number, or both ends of an interval, with the unit.

        Use three digits, or more if three would print it as 1, or as a threshold, that it does not
        equal.

        >>> Rule("similarity", "", 0.95, None, upwards=True).written(0.9496, 0.9997)
        '0.9496 to 0.9997'
        """
        texts = [self._written(number) for number in numbers]
        alike = len(set(texts)) == 1
        return f"{texts[0] if alike else ' to '.join(texts)} {self.unit}".strip()

    def _written(self, number: float) -> str:
        if abs(number) <= TINY:
            return "0"
        others = {1.0, self.threshold, self.weaker} - {number}
        for digits in range(3, 17):
            text = f"{number:.{digits}g}"
            if float(text) not in others:
                break
        return text


class Flip(NamedTuple):
    """Another threshold, and the verdict that it would give."""

    name: str
    present: float
    moved: float
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, or the numbers of one of its tables.

    Attributes:
        title: a few words, for a short table.
        statement: what is judged, in our words.
        words: the paper's own, with their hedges; or which numbers it prints.
        source: where they stand.
        why: why the thresholds are these; or the theorem.
        since: the day on which the rule was set, and whether its numbers were known.
        rule: how it is judged; None if a theorem decides it.
        proven: what the theorem says; None if there is a rule.
    """

    title: str
    statement: str
    words: str
    source: str
    why: str
    since: str
    rule: Rule | None = None
    proven: Proven | None = None


class Negative(NamedTuple):
    """Something known not to have the property, measured like the rest: the rule must see it."""

    what: str
    low: float
    high: float


@dataclass(frozen=True)
class Evidence:
    """What a chapter found out about a claim.

    Attributes:
        found: what was found, with its direction, in one sentence.
        ours: our numbers, as a phrase.
        control: what became of the control, as a phrase.
        origin: computed in this build, or stored, when, on which data, over how many seeds.
        verdict: by the claim's rule or theorem.
        interval: in which the measured quantity lies; None where a theorem decides.
        trainings: the same over several stored trainings, which the interval holds; None where none
            are stored, or the seeds are in the interval already.
        paper: the same of the paper's own numbers; None if it prints none.
        negative: a known negative; None where a theorem decides.
        testable: whether the numbers mean anything for the claim.
    """

    found: str
    ours: str
    control: str
    origin: str
    verdict: Verdict | Proven
    interval: tuple[float, float] | None = None
    trainings: tuple[float, float] | None = None
    paper: tuple[float, float] | None = None
    negative: Negative | None = None
    testable: bool = True


def record(
    name: str,
    *,
    found: str,
    ours: str,
    control: str,
    interval: Sequence[Number],
    negative: tuple[str, Sequence[Number]],
    paper: Sequence[Number] | None = None,
    stored: Mapping[str, Any] | None = None,
    data: str | None = None,
    testable: bool = True,
) -> Verdict:
    """Judge a claim by its rule, and leave verdict and evidence to the book's ledger.

    Args:
        name: a key of `CLAIMS`.
        found: what was found, with its direction, in one sentence for those who read no more.
        ours: our numbers, with their intervals, as a phrase.
        control: what became of the control, as a phrase.
        interval: both ends of the interval of the rule's quantity.
        negative: what is known not to have the property, and the interval of the same quantity.
        paper: both ends of what the paper's own numbers give, if it prints any; None also where
            nothing but these numbers is judged.
        stored: the stored results that the numbers come from, if they were not computed here.
        data: on which networks were trained here, once each. If more trainings on it are stored,
            the interval grows until it holds theirs.
        testable: False if the numbers say nothing of the claim, for want of data.

    Returns:
        The verdict.

    Raises:
        ValueError: if there is no such claim; if a theorem decides it; if an interval is none; or
            if the rule lets the known negative pass, so that it distinguishes nothing.

    >>> found = "Nearly all images have one."
    >>> numbers = {"interval": (97, 99.5), "negative": ("noise", (1, 3))}
    >>> record("near", found=found, ours="99 %", control="2 %", **numbers)
    'holds'
    """
    several, source = None, origin(stored)
    if data is not None and (several := trainings_interval(name, data)):
        source += (
            f"; widened by several trainings, {origin(load_stored('trainings') | {'data': data})}"
        )
    both = [_ends(interval), *([several] if several else [])]
    evidence = Evidence(
        found=found,
        ours=ours,
        control=control,
        origin=source,
        verdict="undecided",
        interval=(min(low for low, _ in both), max(high for _, high in both)),
        trainings=several,
        paper=None if paper is None else _ends(paper),
        negative=Negative(negative[0], *_ends(negative[1])),
        testable=testable,
    )
    verdict = _judged(name, evidence)
    _leave(name, replace(evidence, verdict=verdict))
    return verdict  # type: ignore[return-value]  # a rule's, as there is an interval


def record_theorem(name: str, *, found: str, ours: str, control: str, violations: int) -> Proven:
    """Check that nothing contradicts a theorem, and leave its answer to the book's ledger.

    The check is a test of our code, not of the claim.

    Args:
        name: a key of `CLAIMS`, of a claim that a theorem decides.
        found: what was found, in one sentence.
        ours: our numbers, as a phrase.
        control: what became of the control, as a phrase.
        violations: how often the computation contradicts the theorem.

    Raises:
        ValueError: if there is no such claim, no theorem decides it, or the theorem is violated.
    """
    if violations:
        raise ValueError(f"{violations} violations of what decides {name}: the code is wrong")
    evidence = Evidence(found=found, ours=ours, control=control, origin=HERE, verdict="undecided")
    decided = _judged(name, evidence)
    _leave(name, replace(evidence, verdict=decided))
    return decided  # type: ignore[return-value]  # a theorem's, as there is no interval


def trainings_interval(name: str, data: str) -> tuple[float, float] | None:
    """Bound the mean of a claim's quantity over all trainings, from the stored ones.

    From each training, take the network on which the claim is hardest to satisfy.

    Args:
        name: a key of `CLAIMS`.
        data: a data set, by its name.

    Returns:
        Both ends; None if no training on it is stored.

    >>> trainings_interval("near", "MNIST")
    (100.0, 100.0)
    """
    rule = CLAIMS[name].rule
    rows = [r for r in load_stored("trainings")["trainings"] if r["data"] == data.lower()]
    if rule is None or not rows:
        return None
    hardest = min if rule.upwards else max
    values = torch.tensor([hardest(row["values"][name].values()) for row in rows])
    low, high = (end.item() for end in seed_interval(values))
    return (max(low, 0.0), min(high, 100.0)) if rule.unit == "%" else (low, high)


def origin(stored: Mapping[str, Any] | None) -> str:
    """Say where numbers come from.

    >>> origin({"date": "2026-11-23", "data": "MNIST", "seeds": 5})
    'stored (2026-11-23, MNIST, 5 seeds)'
    """
    if stored is None:
        return HERE
    seeds = f", {stored['seeds']} seeds" if "seeds" in stored else ""
    return f"stored ({stored['date']}, {stored['data']}{seeds})"


def read_records(glued: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, Evidence]]:
    """Collect what the chapters recorded: for each claim, the document and its evidence.

    Args:
        glued: of each document, what it glued, by name.

    Raises:
        ValueError: if a claim has no evidence, or evidence in two documents; if evidence has no
            claim; or if a recorded verdict is not the one that the rule gives.
    """
    found: dict[str, tuple[str, Evidence]] = {}
    for document, values in glued.items():
        for key, text in values.items():
            if not key.startswith("claim_"):
                continue
            name, content = key.removeprefix("claim_"), json.loads(text)
            if content["negative"]:
                content["negative"] = Negative(*content["negative"])
            evidence = Evidence(**content)
            if evidence.verdict != (verdict := _judged(name, evidence)):
                raise ValueError(
                    f"{document} records {evidence.verdict!r} for {name}, but by its rule it is "
                    f"{verdict!r}: run the notebook again"
                )
            if name in found:
                raise ValueError(f"{name} is recorded in {found[name][0]} and in {document}")
            found[name] = document, evidence
    if missing := [name for name in CLAIMS if name not in found]:
        raise ValueError(f"no chapter records evidence for {', '.join(missing)}: use record()")
    return {name: found[name] for name in CLAIMS}


def compare_units(superiority: Float[torch.Tensor, "runs"]) -> UnitsCompared:
    """Compare units with random directions, by the superiorities of several networks.

    By the interval that holds the mean over all networks with 90 % confidence: *no distinction* if
    it lies within `INDIFFERENCE` of one half (a test of equivalence at 5 %); *units more coherent*
    or *units less coherent* if it lies wholly outside, above or below; else *undecided*.

    Args:
        superiority: one per network, in [0, 1], as `basis_test` returns it; at least two.

    >>> compare_units(torch.tensor([0.49, 0.50, 0.52, 0.50, 0.48]))
    'no distinction'
    """
    low, high = (end.item() for end in seed_interval(superiority, confidence=0.9))
    if low > 0.5 + INDIFFERENCE:
        return "units more coherent"
    if high < 0.5 - INDIFFERENCE:
        return "units less coherent"
    within = low >= 0.5 - INDIFFERENCE and high <= 0.5 + INDIFFERENCE
    return "no distinction" if within else "undecided"


class TableCompared(NamedTuple):
    """How printed numbers lie in the bands in which one further run of ours would.

    Per cell: whether the number is inside, and the ends of its band. And the chance, in per cent,
    that at least as many lie outside if they came from a further run.
    """

    inside: torch.Tensor
    low: torch.Tensor
    high: torch.Tensor
    chance: float

    @property
    def width(self) -> float:
        """Give half the width of the bands, as a share of their middle, in the median."""
        return ((self.high - self.low) / (self.high + self.low)).median().item()

    @property
    def interval(self) -> tuple[float, float]:
        """Say where the chance lies; anywhere, if the bands are too wide to decide."""
        return (0.0, 100.0) if self.width > WIDEST else (self.chance, self.chance)


def compare_table(
    printed: Sequence[float], runs: Float[torch.Tensor, "runs cells"], *, images: int | None = None
) -> TableCompared:
    """Compare printed numbers with bands, of 95 % each, for one further run.

    Bands of shares are computed on the scale of log-odds, those of sizes on that of logarithms, so
    that no end leaves the range of what is measured. Printed shares are taken as any number that
    would be rounded to them, to the digits of a percentage with which they are printed.

    Args:
        printed: one number per cell: shares in [0, 1], or positive sizes.
        runs: the same of our runs, at least two.
        images: how many images our shares were measured on; None for sizes.

    Returns:
        The bands, what lies in them, and the chance that so little does.

    Raises:
        ValueError: if there is not one printed number per cell of a run, or a number has no band.

    >>> runs = torch.tensor([[0.20, 0.10], [0.22, 0.12], [0.21, 0.11]])
    >>> compare_table([0.21, 0.3], runs, images=1000).inside
    tensor([ True, False])
    """
    if runs.ndim != 2 or runs.shape[1] != len(printed):
        raise ValueError(
            f"need one printed number per cell, got {len(printed)} beside runs of shape "
            f"{tuple(runs.shape)}: give runs x cells"
        )
    if not (runs >= 0 if images else runs > 0).all():
        raise ValueError("shares must not be negative, sizes must be positive, and none NaN")
    numbers, slack = torch.tensor(printed, dtype=torch.float64), torch.zeros(len(printed))
    if images is None:
        low, high = (end.exp() for end in seed_interval(runs.double().log(), new_run=True))
    else:
        odds = torch.logit((runs.double() * images + 0.5) / (images + 1))  # also of zero and one
        low, high = (end.sigmoid() for end in seed_interval(odds, new_run=True))
        digits = [len(f"{100 * n:.8g}".partition(".")[2]) for n in printed]
        slack = torch.tensor([0.5 / 10 ** (2 + d) for d in digits])
    inside = (low <= numbers + slack) & (numbers - slack <= high)
    outside = int((~inside).sum())
    chance = 100 * float(stats.binom.sf(outside - 1, len(printed), 1 - CONFIDENCE))
    return TableCompared(inside, low, high, chance)


def record_table(
    name: str,
    printed: Mapping[str, float],
    runs: Float[torch.Tensor, "runs cells"],
    *,
    elsewhere: tuple[str, Sequence[float]],
    images: int | None = None,
    also: str = "",
    stored: Mapping[str, Any],
) -> TableCompared:
    """Judge the numbers of a table, and leave verdict and evidence to the book's ledger.

    Args:
        name: a key of `CLAIMS`.
        printed: the paper's number, by cell.
        runs: ours, in the same order; see `compare_table`.
        elsewhere: a name, and as many numbers from other tables. They do not belong in these
            cells, so they must fall outside the bands.
        images: see `compare_table`.
        also: what else is to be known of our numbers, as a phrase.
        stored: the stored results that the runs come from.
    """
    table = compare_table([*printed.values()], runs, images=images)
    other = compare_table(elsewhere[1], runs, images=images)
    inside, misplaced = int(table.inside.sum()), int(other.inside.sum())
    beside = zip(printed, runs.mean(dim=0).tolist(), printed.values(), strict=True)
    unit, name_of_unit = (100, ", in percent") if images else (1, "")  # shares of images
    cells = ", ".join(f"{c} {unit * mean:.3g} ({unit * number:.4g})" for c, mean, number in beside)
    listed = f"; ours (the paper's){name_of_unit}: {cells}" if len(printed) <= LISTED else ""
    chance = f"{table.chance:.2g}" if table.chance >= 0.01 else "less than 0.01"
    few = f"; if such a training had printed them, {inside} or fewer would lie there with a "
    few = "" if inside == len(printed) else f"{few}probability of {chance} %"
    half = f"± {100 * table.width:.0f} % in the median"
    wide = ", which is too wide to decide anything" if table.width > WIDEST else ""
    record(
        name,
        found=f"{inside} of {len(printed)} printed numbers lie where one more training of ours "
        f"would lie with a probability of 95 % (bands of {half}{wide}){few}.",
        ours=f"{inside} of {len(printed)} inside, where chance alone leaves "
        f"{(1 - CONFIDENCE) * len(printed):.1f} outside{few}; bands of {half}{wide}{listed}{also}",
        control=f"{elsewhere[0]}: {misplaced} of {len(elsewhere[1])} inside",
        interval=table.interval,
        negative=(elsewhere[0], (other.chance, other.chance)),
        stored=stored,
    )
    return table


def _judged(name: str, evidence: Evidence) -> Verdict | Proven:
    if name not in CLAIMS:
        raise ValueError(f"there is no claim {name!r}: use one of {', '.join(CLAIMS)}")
    claim = CLAIMS[name]
    if claim.rule is None:
        if evidence.interval is not None or claim.proven is None:
            raise ValueError(f"a theorem decides {name}: use record_theorem")
        return claim.proven
    if evidence.interval is None or evidence.negative is None:
        raise ValueError(f"a rule decides {name}: use record, with an interval and a negative")
    what, *ends = evidence.negative
    if (passes := claim.rule.judge(*ends)) in PASSED:
        raise ValueError(
            f"the rule of {name} says {passes!r} of {what} ({claim.rule.written(*ends)}), which is "
            "known not to have the property: the rule distinguishes nothing"
        )
    verdict = claim.rule.judge(*evidence.interval)
    return verdict if evidence.testable else "not testable here"


def _ends(interval: Sequence[Number]) -> tuple[float, float]:
    low, high = (float(end) for end in interval)
    return low, high


def _leave(name: str, evidence: Evidence) -> None:
    glue(**{f"claim_{name}": json.dumps(vars(evidence))})


def _claim(words: dict[str, Any]) -> Claim:
    words = _WORDS.get(words.get("like", ""), {}) | words
    words.pop("like", None)
    words = {key: " ".join(v.split()) if isinstance(v, str) else v for key, v in words.items()}
    quantity = words.pop("quantity", None)
    if quantity is None:
        return Claim(**words)
    upwards = "at_least" in words
    threshold = words.pop("at_least" if upwards else "at_most")
    weaker, unit = words.pop("weaker", None), words.pop("unit", "")
    return Claim(**words, rule=Rule(quantity, unit, threshold, weaker, upwards))


_WORDS = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))

#: What is judged: the statements in the order of the paper, and the numbers of its five tables.
CLAIMS = {name: _claim(words) for name, words in _WORDS.items()}
