import pytest

from blindspots._resumable import atomic_write


def test_the_file_appears_when_it_is_complete(tmp_path):
    file = tmp_path / "folder" / "result.json"
    with atomic_write(file) as scratch:
        scratch.write_text("half")
        assert not file.exists() and scratch.parent == file.parent
        scratch.write_text("whole")
    assert file.read_text() == "whole" and list(file.parent.iterdir()) == [file]


def test_an_interruption_leaves_what_was_there(tmp_path):
    file = tmp_path / "result.json"
    file.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(file) as scratch:
        scratch.write_text("half")
        raise KeyboardInterrupt
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]
