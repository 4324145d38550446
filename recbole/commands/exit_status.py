"""How every command ends: 0, 1 diverged, 2 bad input, 130 and 143 interrupted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

from recbole.errors import RecBoleError


def exit_status(command: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> int:
    """Run a command and return the status it exits with.

    What a user can mend goes to the standard error stream as one message, without a traceback.
    """
    try:
        command(arguments)
    except RecBoleError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:
        _say(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
        return 2
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).rpartition("DefaultCPUAllocator: ")[2].partition("\n")[0]
        _say(f"Out of memory: {reason or 'a smaller size or batch may do'}")
        return 2
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 128 + signal.SIGINT
    return 0


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, or torch on a CPU or a device, could not get the memory asked for."""
    on_cpu = ("DefaultCPUAllocator", "Storage size calculation overflowed")
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch's, which is not imported here
        or any(words in str(error) for words in on_cpu)
    )


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
