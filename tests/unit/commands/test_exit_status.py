"""What a command's end says, and the status it exits with."""

import pytest
import torch

from recbole.commands.exit_status import exit_status


def _no_memory(_):
    raise MemoryError


def _no_device_memory(_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB.\nAnd more")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (_no_memory, "Out of memory: a smaller size or batch may do"),
        (_no_device_memory, "Out of memory: CUDA out of memory. Tried to allocate 3 GiB."),
        (lambda _: torch.empty(10**14), "Out of memory: can't allocate memory: you tried to"),
        (lambda _: torch.empty(2**62), "Out of memory: Storage size calculation overflowed"),
    ],
)
def test_want_of_memory_is_one_message(capsys, command, said):
    assert exit_status(command, []) == 2
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_other_faults_keep_their_traceback():
    def fails(_):
        raise RuntimeError("a mistake in the program")

    with pytest.raises(RuntimeError, match="a mistake"):
        exit_status(fails, [])
