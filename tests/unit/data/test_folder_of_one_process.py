"""A folder that one process has to itself: others wait, and find a folder in the end."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from recbole.data import staging
from recbole.data.staging import folder_of_one_process


def test_one_that_waited_has_a_folder_though_the_first_removed_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "downloads" / "set"
    found: list[bool] = []

    def ask() -> None:
        with folder_of_one_process(path) as mine:
            found.append(mine == path and path.is_dir())
            (mine / "kept").touch()

    with folder_of_one_process(path):
        thread = threading.Thread(target=ask)
        thread.start()
        while "waiting for it to end" not in caplog.text:
            time.sleep(0.01)
        assert found == []
    thread.join(timeout=30)
    assert found == [True]
    assert [file.name for file in path.iterdir()] == ["kept"]


def test_empty_folders_are_removed(tmp_path: Path) -> None:
    with folder_of_one_process(tmp_path / "downloads" / "set") as mine:
        (mine / "part").touch()
    assert (tmp_path / "downloads" / "set" / "part").is_file()
    with folder_of_one_process(tmp_path / "downloads" / "set") as mine:
        (mine / "part").unlink()
    assert list(tmp_path.iterdir()) == []


def test_without_locks_each_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(folder: Path, *, wait: bool = False) -> int:
        raise OSError("no locks here")

    monkeypatch.setattr(staging, "_lock", no_locks)
    path = tmp_path / "downloads" / "set"
    with folder_of_one_process(path) as one, folder_of_one_process(path) as other:
        assert len({path, one, other}) == 3
        (one / "part").touch()
    assert list(tmp_path.rglob("part")) == []
