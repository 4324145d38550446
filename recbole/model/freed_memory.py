"""Memory that one step frees, kept for the next.

A step of 4096 rows takes and frees tens of megabytes. The C library hands what is free at the end
of its heap back to the system, and asks for it again in the next step, where each 4 KB of it are
mapped, and zeroed, at their first use: thousands of page faults a step, or none, depending on how
the blocks of a run happen to lie. It is told to keep more.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

#: What may stay free at the end of the heap, in bytes: more than a step of any model here frees.
_KEPT = 256 * 2**20
#: Larger blocks are mapped on their own, and given back when freed: what glibc itself goes up to.
_LARGEST = 32 * 2**20
#: glibc's names for these two settings, in <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Where users may have chosen otherwise.
_CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")


@cache
def keep_freed_memory() -> bool:
    """Have the C library keep freed memory, once and for the whole process.

    Left alone are other libraries than glibc, and a glibc whose malloc the environment tunes.

    Returns:
        Whether it was told to.
    """
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "mallopt"):
        return False
    if any(name in os.environ for name in _CHOSEN) or "malloc" in os.environ.get(
        "GLIBC_TUNABLES", ""
    ):
        return False
    settings = {_M_MMAP_THRESHOLD: _LARGEST, _M_TRIM_THRESHOLD: _KEPT}
    return all(libc.mallopt(name, size) for name, size in settings.items())
