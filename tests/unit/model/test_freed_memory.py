"""Freed memory stays with the process where a model is trained or used."""

import os
import platform
import subprocess
import sys

import pytest

from recbole.model import cpu
from recbole.quick_start import run_recbole

glibc_only = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the C library is not glibc"
)

#: Page faults of a step that takes and frees 120 MB in blocks of 6 MB, as those of a model are. At
#: first each is mapped by itself (M_MMAP_THRESHOLD, 1 MB): left alone, glibc learns from blocks
#: that are freed, and keeps them or gives them back depending on how they happen to lie.
SCRIPT = """
import ctypes, resource, sys
ctypes.CDLL(None).mallopt(-3, 2**20)
import torch
from contextlib import nullcontext
from recbole.model.cpu import tuned_cpu
torch.set_num_threads(1)
with tuned_cpu() if sys.argv[1] == "tuned" else nullcontext():
    for step in range(12):
        if step == 2:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        blocks = [torch.ones(3 * 2**19) for _ in range(20)]
        del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    named = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    named.pop("GLIBC_TUNABLES", None)
    command = [sys.executable, "-c", SCRIPT, how]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**named, **environment}
    )
    return int(done.stdout)


@glibc_only
def test_steps_find_the_memory_of_the_step_before():
    """10 steps of 30,000 pages each: all are mapped anew, or hardly any."""
    assert faults("plain") > 100_000
    assert faults("tuned") < 3_000


@glibc_only
@pytest.mark.parametrize(
    "chosen",
    [
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"MALLOC_MMAP_THRESHOLD_": "1048576"},
        {"MALLOC_TOP_PAD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"},
    ],
)
def test_what_the_environment_says_stands(chosen):
    assert faults("tuned", **chosen) > 100_000


def test_another_c_library_is_left_alone(monkeypatch):
    from recbole.model import freed_memory

    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object())
    assert freed_memory.keep_freed_memory.__wrapped__() is False


def test_a_run_asks_for_it(toy, monkeypatch):
    asked = []
    monkeypatch.setattr(cpu, "keep_freed_memory", lambda: asked.append(True))
    run_recbole("WideDeep", "toy", config_dict=toy)
    assert asked
