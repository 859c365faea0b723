"""The paper's claims, the rule by which each is judged, and the evidence that chapters record."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from blindspots.book.words import glue

Verdict = Literal["holds", "holds, weaker", "does not hold", "not testable here"]


@dataclass(frozen=True)
class Claim:
    """A claim or a table of the paper.

    Attributes:
        title: a few words, for a short table.
        statement: what the paper says, in our words.
        source: where it says so.
        printed: its numbers, if it has any.
        rule: how the verdict follows from what was measured, in words.
        judge: the same in code; its keywords are what a chapter has to measure.
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
    """What the chapters recorded: of every claim, the document and the evidence in it.

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
    return _grade(excess >= 0.1, excess > 0)


def _universal(*, excess: float, autoencoder_last: bool) -> Verdict:
    return _grade(excess >= 0.1 and autoencoder_last, excess > 0)


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


_NETWORKS_RULE = (
    "holds if every distortion lies within 15 % of the printed one and every error within one "
    "percentage point; holds, weaker within 25 % and two points. Testable on MNIST only, whose "
    "numbers these are."
)
_CELLS_RULE = (
    "holds if nine tenths of the printed cells lie in our 95 % bands for one further run; holds, "
    "weaker if not, but our cells have the paper's order (rank correlation of 0.75 or more) and "
    "exceed those for noise. Testable on MNIST only."
)

#: What is judged: the claims in words, in the order of the paper, and its five tables.
CLAIMS: dict[str, Claim] = {
    "units": Claim(
        "Units are nothing special",
        "There is no distinction between single high-level units and random linear combinations "
        "of them: the space means something, not its axes.",
        "abstract and section 3",
        "none; Figures 1 to 4, judged by eye",
        "holds if no setting (network, score, length of the list) of a last hidden layer "
        "distinguishes units from random directions; holds, weaker if units are nowhere more "
        "coherent, and no setting is undecided.",
        _units,
    ),
    "smoothness": Claim(
        "Smoothness fails",
        "What a network computes is fairly discontinuous: images next to a correctly read one need "
        "not be of its class, as methods built on local smoothness assume.",
        "abstract and section 4",
        "distortions of 0.058 to 0.14 (Table 1)",
        "holds if on every network, with 95 % confidence, more than 95 % of the correctly read "
        "images have a misread one nearer than half the distance to the nearest test image of "
        "another class; holds, weaker for more than half of the images. (Strictly discontinuous "
        "no network is.)",
        _near,
    ),
    "everywhere": Claim(
        "Blind spots are everywhere",
        "For every sample and every network studied a very close adversarial image was found.",
        "section 4.2",
        "every image of every network",
        "holds if the attack succeeds on all images of all networks and goes, in the median, at "
        "most half of the way to the nearest training image of the target class; holds, weaker if "
        "it always succeeds but has to go farther on some network.",
        _everywhere,
    ),
    "models": Claim(
        "They cross between models",
        "A relatively large fraction of the images made for one network is misread by networks "
        "with other layers, other regularisation, or other initial weights.",
        "section 4.2",
        "25.6 % on average over the 30 cells of Table 2",
        "holds if, with 95 % confidence over the seeds, the receivers' error exceeds that on noise "
        "of equal size by ten points on average; holds, weaker if it exceeds it at all.",
        _transfer,
    ),
    "training-sets": Claim(
        "They cross between training sets",
        "The same holds for networks trained on disjoint halves of the data.",
        "section 4.2",
        "5.1 to 8.2 % as found, 22 to 50 % amplified (Table 4)",
        "as for models, with the images as found.",
        _transfer,
    ),
    "universal": Claim(
        "They belong to no one",
        "Adversarial images are somewhat universal, not the result of overfitting to one model or "
        "one training set. The autoencoder is reported to be the most resilient.",
        "section 4.2",
        "5.1 and 8.2 % where half and hyperparameters change (Table 4)",
        "holds if images made for one network add ten points to the error, on noise, of another "
        "that has other hyperparameters and learnt from the other half, and if AE400-10 is misled "
        "least of the networks with hidden layers; holds, weaker if they add anything.",
        _universal,
    ),
    "back-feeding": Claim(
        "Training on them helps",
        "Training on adversarial images as well, with one pool for each layer, improves "
        "generalisation.",
        "section 4.2",
        "test error below 1.2 %, against 1.6 % with weight decay and about 1.3 % with dropout",
        "holds if the pools at every layer have a lower test error than weight decay alone, as "
        "long or longer trained, and the 95 % intervals over the seeds do not overlap, for one of "
        "the shares tried; holds, weaker if only a pool elsewhere does.",
        _back_feeding,
    ),
    "pockets": Claim(
        "They are hard to hit at random",
        "Adversarial images are low-probability pockets, hard to find by random sampling around "
        "an image.",
        "section 4",
        "none of its own; Gaussian rows of Tables 2 and 4",
        "holds if the upper 95 % bound of the chance that noise of equal length misleads is below "
        "one per cent on every network, for the nearest class and for a random one; holds, weaker "
        "if only for the nearest.",
        _pockets,
    ),
    "spectral": Claim(
        "Small bounds guarantee",
        "The product of the layers' norms bounds how far a perturbation can move the output. Large "
        "bounds prove nothing; small ones guarantee that there are no adversarial images.",
        "section 4.3",
        "equation (1), Table 5",
        "holds if no attack succeeds within a certified radius and equation (1), as printed, is at "
        "least the norm on all layers tried; holds, weaker if only the first.",
        _spectral,
    ),
    "rationals": Claim(
        "Rare, yet dense",
        "The set of adversarial images has extremely low probability, so that it is hardly ever "
        "met, yet is dense, much like the rational numbers, so that one is found near virtually "
        "every test case.",
        "section 5, as a possible explanation",
        "none",
        "holds if they are rare (as pockets, for the nearest class), near (as smoothness), and no "
        "image has a certified radius, for where there is one they are not dense; holds, weaker if "
        "they are rare and near.",
        _rationals,
    ),
    "table-1": Claim(
        "Table 1",
        "Errors of six networks, and the smallest distortion that misleads them.",
        "Table 1",
        "distortions of 0.058 to 0.14, test errors of 1.54 to 20 %",
        _NETWORKS_RULE,
        _networks,
    ),
    "table-2": Claim(
        "Table 2",
        "Error of each network on images made for each other, from the training set.",
        "Table 2",
        "30 cells from 2 to 87 %",
        _CELLS_RULE,
        _cells,
    ),
    "table-3": Claim(
        "Table 3",
        "Errors of three networks trained on halves of the data, and the distortion of their "
        "images.",
        "Table 3",
        "distortions of 0.058 to 0.062, errors of 0 to 2.5 %",
        _NETWORKS_RULE,
        _networks,
    ),
    "table-4": Claim(
        "Table 4",
        "Error of each of these networks on images made for each other, as found and amplified.",
        "Table 4",
        "12 cells from 5 to 98 %",
        _CELLS_RULE,
        _cells,
    ),
    "table-5": Claim(
        "Table 5",
        "Upper bounds of the layers of AlexNet.",
        "Table 5",
        "2.75 to 11",
        "holds if all eight lie within 5 % of the bounds computed by the paper's formula from "
        "trained weights; holds, weaker within 25 %. Testable only where the weights trained on "
        "ImageNet can be had.",
        _bounds,
    ),
}
