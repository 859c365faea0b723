"""The table of mutants fits the code: one that changes nothing would look like a weak test."""

from tools.mutants import ROOT, mutants


def test_every_mutant_changes_its_file_and_has_its_tests():
    for mutant in mutants():
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert mutant.original in source, mutant
        assert mutant.broken != mutant.original, mutant
        assert all((ROOT / tests).exists() for tests in mutant.tests.split()), mutant
