import json

import pytest
import torch

from blindspots.book.ledger import CLAIMS, compare_errors, compare_units, read_records, record

CELLS = {"inside": 29, "cells": 30, "rank": 0.5, "excess": 0.2, "data": "MNIST"}
NETWORKS = {"distortions": [0.9, 1.1], "errors": [0.004, -0.009], "data": "MNIST"}
# What was measured, by claim, and the verdict that the rule must give.
JUDGED = [
    ("units", {"settings": ["no distinction"] * 3}, "holds"),
    ("units", {"settings": ["no distinction", "units less coherent"]}, "holds, weaker"),
    ("units", {"settings": ["no distinction", "undecided"]}, "does not hold"),
    ("units", {"settings": ["no distinction", "units more coherent"]}, "does not hold"),
    ("smoothness", {"share": 0.96}, "holds"),
    ("smoothness", {"share": 0.9}, "holds, weaker"),
    ("smoothness", {"share": 0.4}, "does not hold"),
    ("everywhere", {"success": [1, 1], "way": [0.5, 0.2]}, "holds"),
    ("everywhere", {"success": [1, 1], "way": [0.6, 0.2]}, "holds, weaker"),
    ("everywhere", {"success": [1, 0.99], "way": [0.1, 0.2]}, "does not hold"),
    ("models", {"excess": 0.1}, "holds"),
    ("models", {"excess": 0.02}, "holds, weaker"),
    ("models", {"excess": 0.0}, "does not hold"),
    ("training-sets", {"excess": 0.12}, "holds"),
    ("training-sets", {"excess": 0.05}, "holds, weaker"),
    ("training-sets", {"excess": -0.01}, "does not hold"),
    ("universal", {"excess": 0.2, "autoencoder_last": True}, "holds"),
    ("universal", {"excess": 0.2, "autoencoder_last": False}, "holds, weaker"),
    ("universal", {"excess": 0.02, "autoencoder_last": True}, "holds, weaker"),
    ("universal", {"excess": -0.02, "autoencoder_last": True}, "does not hold"),
    ("back-feeding", {"every_layer": True, "anywhere": True}, "holds"),
    ("back-feeding", {"every_layer": False, "anywhere": True}, "holds, weaker"),
    ("back-feeding", {"every_layer": False, "anywhere": False}, "does not hold"),
    ("pockets", {"nearest": 0.001, "random": 0.009}, "holds"),
    ("pockets", {"nearest": 0.001, "random": 0.02}, "holds, weaker"),
    ("pockets", {"nearest": 0.01, "random": 0.001}, "does not hold"),
    ("spectral", {"violations": 0, "printed": 1.0}, "holds"),
    ("spectral", {"violations": 0, "printed": 0.25}, "holds, weaker"),
    ("spectral", {"violations": 1, "printed": 1.0}, "does not hold"),
    ("rationals", {"nearest": 0.001, "share": 0.99, "certified": 0}, "holds"),
    ("rationals", {"nearest": 0.001, "share": 0.99, "certified": 1}, "holds, weaker"),
    ("rationals", {"nearest": 0.02, "share": 0.99, "certified": 0}, "does not hold"),
    ("rationals", {"nearest": 0.001, "share": 0.9, "certified": 0}, "does not hold"),
    *[
        (table, NETWORKS | changed, verdict)
        for table in ("table-1", "table-3")
        for changed, verdict in (
            ({}, "holds"),
            ({"distortions": [0.8, 1.0]}, "holds, weaker"),
            ({"errors": [0.0, 0.015]}, "holds, weaker"),
            ({"distortions": [1.3, 1.0]}, "does not hold"),
            ({"errors": [0.0, -0.03]}, "does not hold"),
            ({"data": "digits"}, "not testable here"),
        )
    ],
    *[
        (table, CELLS | changed, verdict)
        for table in ("table-2", "table-4")
        for changed, verdict in (
            ({}, "holds"),
            ({"inside": 26, "rank": 0.75}, "holds, weaker"),
            ({"inside": 26}, "does not hold"),
            ({"inside": 26, "rank": 0.9, "excess": 0.0}, "does not hold"),
            ({"data": "digits"}, "not testable here"),
        )
    ],
    ("table-5", {"pretrained": True, "ratios": [1.04, 0.96]}, "holds"),
    ("table-5", {"pretrained": True, "ratios": [1.2, 1.0]}, "holds, weaker"),
    ("table-5", {"pretrained": True, "ratios": [4.0, 1.0]}, "does not hold"),
    ("table-5", {"pretrained": False, "ratios": [1.0]}, "not testable here"),
]


@pytest.fixture
def glued(monkeypatch):
    """What `record` glues, by name."""
    values = {}
    monkeypatch.setattr("blindspots.book.ledger.glue", lambda **more: values.update(more))
    return values


def all_records(glued):
    """One example of evidence for every claim, in two documents."""
    for name, measured, _ in reversed(JUDGED):
        record(name, ours="1 %", control="0 %", **measured)
    names = list(glued)
    return {"chapters/a": {n: glued[n] for n in names[:4]} | {"other": "glue"}} | {
        "chapters/b": {n: glued[n] for n in names[4:]}
    }


def test_ten_claims_and_five_tables():
    tables = [name for name in CLAIMS if name.startswith("table-")]
    assert tables == [f"table-{k}" for k in range(1, 6)] and len(CLAIMS) == 15


@pytest.mark.parametrize(("name", "measured", "verdict"), JUDGED)
def test_verdicts_follow_their_rules(name, measured, verdict, glued):
    assert record(name, ours="1 %", control="0 %", **measured) == verdict
    content = json.loads(glued[f"claim_{name}"])
    assert content == {"ours": "1 %", "control": "0 %", "measured": measured, "verdict": verdict}


def test_every_rule_is_tried_for_every_verdict_that_it_can_give():
    tried = {(name, verdict) for name, _, verdict in JUDGED}
    for name, claim in CLAIMS.items():
        possible = {"holds", "holds, weaker", "does not hold"}
        if "estable" in claim.rule:
            possible.add("not testable here")
        assert {verdict for n, verdict in tried if n == name} == possible


def test_records_are_read_back_in_the_order_of_the_claims(glued):
    records = read_records(all_records(glued))
    assert list(records) == list(CLAIMS)
    first_four = {name for name, (document, _) in records.items() if document == "chapters/a"}
    assert {f"claim_{name}" for name in first_four} == set(list(glued)[:4])
    assert records["models"][1].measured == {"excess": 0.1}


def test_a_verdict_that_parts_from_its_rule_is_refused(glued):
    documents = all_records(glued)
    content = json.loads(glued["claim_models"])
    assert content["verdict"] == "holds"
    for document in documents.values():
        if "claim_models" in document:
            document["claim_models"] = json.dumps(content | {"measured": {"excess": 0.01}})
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
        record("unheard-of", ours="", control="")


def test_something_else_measured_is_refused(glued):
    with pytest.raises(TypeError, match="share"):
        record("models", ours="", control="", share=0.5)
    assert not glued


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


@pytest.mark.parametrize(
    ("interval", "found"),
    [((1.0, 1.4), "lower"), ((1.4, 1.6), "not told apart"), ((1.8, 1.9), "higher")],
)
def test_errors_are_compared_by_their_intervals(interval, found):
    assert compare_errors(interval, (1.5, 1.7)) == found


def test_the_words_of_a_claim_are_one_line_each():
    for claim in CLAIMS.values():
        words = claim.title, claim.statement, claim.source, claim.printed, claim.rule
        assert all(text and text == " ".join(text.split()) for text in words)
