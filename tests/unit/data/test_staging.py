"""Files that appear whole: what is said where they cannot."""

import os

import pytest

from recbole.data.staging import refuse_unwritable, replacing
from recbole.errors import DataError


def test_a_fault_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(IsADirectoryError) as caught, replacing(path) as temporary:
        temporary.write_text("x")
    assert caught.value.filename == str(path)
    path = tmp_path / "free"
    with pytest.raises(FileNotFoundError) as caught, replacing(path) as temporary:
        temporary.read_text()
    assert caught.value.filename == str(path)


def test_a_fault_of_another_file_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a"):
        (tmp_path / "b").read_text()
    assert caught.value.filename == str(tmp_path / "b")


def test_what_cannot_be_written_is_told_before(tmp_path, monkeypatch):
    refuse_unwritable(tmp_path / "new" / "folder" / "file")
    (tmp_path / "file").write_text("")
    refuse_unwritable(tmp_path / "file")
    with pytest.raises(DataError, match="expected the name of a file, got that of a folder"):
        refuse_unwritable(tmp_path)
    with pytest.raises(DataError, match="file is not a folder"):
        refuse_unwritable(tmp_path / "file" / "x")
    monkeypatch.setattr(os, "access", lambda folder, _: folder != tmp_path)
    with pytest.raises(DataError, match="may not be written to"):
        refuse_unwritable(tmp_path / "new" / "file")
