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
    except KeyboardInterrupt:
        _say("Interrupted.")
        return 128 + signal.SIGINT
    return 0


def _say(message: str) -> None:
    sys.stderr.write(f"{message}\n")
