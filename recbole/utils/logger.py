"""Where log lines go: the standard error stream and `log/<Model>/<run>.log`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from recbole.config import Config

_FORMAT = "%(asctime)s %(levelname)-5s %(message)s"
_TIME = "%a %d %b %Y %H:%M:%S"


def init_logger(config: Config, log_dir: str | Path = "log") -> Path:
    """Send the project's log lines, from level `state` on, to the console and to a file.

    Returns:
        The log file.
    """
    path = Path(log_dir) / config.model / f"{config.run_name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    project = logging.getLogger("recbole")
    for handler in list(project.handlers):
        project.removeHandler(handler)
        handler.close()
    for handler in (logging.StreamHandler(sys.stderr), logging.FileHandler(path, encoding="utf-8")):
        handler.setFormatter(logging.Formatter(_FORMAT, _TIME))
        project.addHandler(handler)
    project.setLevel(config.environment.state)
    project.propagate = False
    return path
