"""The paper's claims, the rule by which each is judged, and the evidence that chapters record.

Whatever the book calls a verdict is given here, and nowhere else. `claims.toml` has the words.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float

from blindspots.book.words import glue
from blindspots.intervals import seed_interval

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Verdict = Literal["holds", "holds, weaker", "does not hold", "not testable here"]
UnitsCompared = Literal["no distinction", "units more coherent", "units less coherent", "undecided"]
ErrorsCompared = Literal["lower", "higher", "not told apart"]

INDIFFERENCE = 0.06  # how far from one half a superiority may lie and still be no distinction
LARGE = 0.1  # "a relatively large fraction" (section 4.2), as we read it


@dataclass(frozen=True)
class Claim:
    """A claim or a table of the paper.

    Attributes:
        title: a few words, for a short table.
        statement: what the paper says, in our words.
        source: where it says so.
        printed: its numbers, if it has any.
        rule: how the verdict follows from what was measured, in words.
        judge: the same in code; its keywords are what a chapter has to measure. Chapters may call
            it for what is no claim of the paper's, but is measured in the same way.
    """

    title: str
    statement: str
    source: str
    printed: str
    rule: str
    judge: Callable[..., Verdict]


@dataclass(frozen=True)
class Evidence:
    """What a chapter found out about a claim.

    Attributes:
        ours: our numbers, with their intervals, as a phrase.
        control: what became of the control, as a phrase.
        measured: what the verdict depends on.
        verdict: by the claim's rule.
    """

    ours: str
    control: str
    measured: Mapping[str, Any]
    verdict: Verdict


def record(name: str, *, ours: str, control: str, **measured: Any) -> Verdict:
    """Judge a claim by its rule, and leave verdict and evidence to the book's ledger.

    Args:
        name: a key of `CLAIMS`.
        ours: our numbers, with their intervals, as a phrase.
        control: what became of the control, as a phrase.
        **measured: what the rule asks for: numbers, strings, lists.

    Raises:
        ValueError: if there is no such claim.
        TypeError: if something else was measured than the rule asks for.

    >>> record("pockets", ours="0.2 %", control="100 %", nearest=0.001, random=0.002)
    'holds'
    """
    verdict = _claim(name).judge(**measured)
    content = {"ours": ours, "control": control, "measured": measured, "verdict": verdict}
    glue(**{f"claim_{name}": json.dumps(content)})
    return verdict


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
            name = key.removeprefix("claim_")
            evidence = Evidence(**json.loads(text))
            verdict = _claim(name).judge(**evidence.measured)
            if evidence.verdict != verdict:
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


def compare_errors(
    interval: Sequence[float | torch.Tensor], reference: Sequence[float | torch.Tensor]
) -> ErrorsCompared:
    """Say whether an error is lower than another: its interval must lie wholly below.

    Args:
        interval: both ends.
        reference: both ends of the other's interval; zero twice if `interval` is of a difference.

    >>> compare_errors((1.2, 1.4), (1.5, 1.7))
    'lower'
    """
    if interval[1] < reference[0]:
        return "lower"
    return "higher" if interval[0] > reference[1] else "not told apart"


def _claim(name: str) -> Claim:
    if name not in CLAIMS:
        raise ValueError(f"there is no claim {name!r}: use one of {', '.join(CLAIMS)}")
    return CLAIMS[name]


def _grade(holds: bool, weaker: bool) -> Verdict:
    return "holds" if holds else "holds, weaker" if weaker else "does not hold"


def _units(*, settings: Sequence[str]) -> Verdict:
    same = {"no distinction"}
    return _grade(set(settings) == same, set(settings) <= same | {"units less coherent"})


def _near(*, share: float) -> Verdict:
    return _grade(share > 0.95, share > 0.5)


def _everywhere(*, success: Sequence[float], way: Sequence[float]) -> Verdict:
    always = min(success) == 1
    return _grade(always and max(way) <= 0.5, always)


def _transfer(*, excess: float) -> Verdict:
    return _grade(excess >= LARGE, excess > 0)


def _universal(*, excess: float, autoencoder_last: bool) -> Verdict:
    return _grade(excess >= LARGE and autoencoder_last, excess > 0)


def _back_feeding(*, every_layer: bool, anywhere: bool) -> Verdict:
    return _grade(every_layer, anywhere)


def _pockets(*, nearest: float, random: float) -> Verdict:
    return _grade(max(nearest, random) < 0.01, nearest < 0.01)


def _spectral(*, violations: int, printed: float) -> Verdict:
    return _grade(violations == 0 and printed >= 1, violations == 0)


def _rationals(*, nearest: float, share: float, certified: int) -> Verdict:
    observed = nearest < 0.01 and share > 0.95
    return _grade(observed and certified == 0, observed)


def _networks(*, data: str, distortions: Sequence[float], errors: Sequence[float]) -> Verdict:
    if data != "MNIST":
        return "not testable here"
    size = max(abs(ratio - 1) for ratio in distortions)
    error = max(abs(gap) for gap in errors)
    return _grade(size <= 0.15 and error <= 0.01, size <= 0.25 and error <= 0.02)


def _cells(*, data: str, inside: int, cells: int, rank: float, excess: float) -> Verdict:
    if data != "MNIST":
        return "not testable here"
    return _grade(inside >= 0.9 * cells, rank >= 0.75 and excess > 0)


def _bounds(*, pretrained: bool, ratios: Sequence[float]) -> Verdict:
    if not pretrained:
        return "not testable here"
    off = max(abs(ratio - 1) for ratio in ratios)
    return _grade(off <= 0.05, off <= 0.25)


_JUDGES: dict[str, Callable[..., Verdict]] = {
    "units": _units,
    "smoothness": _near,
    "everywhere": _everywhere,
    "models": _transfer,
    "training-sets": _transfer,
    "universal": _universal,
    "back-feeding": _back_feeding,
    "pockets": _pockets,
    "spectral": _spectral,
    "rationals": _rationals,
    "table-1": _networks,
    "table-2": _cells,
    "table-3": _networks,
    "table-4": _cells,
    "table-5": _bounds,
}
_WORDS = tomllib.loads(Path(__file__).with_name("claims.toml").read_text(encoding="utf-8"))

#: What is judged: the claims in the order of the paper, and its five tables.
CLAIMS = {
    name: Claim(**{k: " ".join(v.split()) for k, v in words.items()}, judge=_JUDGES[name])
    for name, words in _WORDS.items()
}
