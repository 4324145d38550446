"""The peers, and the environment that each has of its own, built from pinned versions."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from measure.settings import MODELS, tell
from measure.sides import PEERS, Driver


@dataclass(frozen=True)
class Peer:
    """A published package that is compared with.

    Attributes:
        name: what the tables call it.
        driver: the file of its driver in `peers/`.
        pins: the file of its versions there.
        models: the models that are compared.
        environment: variables that it needs.
        reads_export: whether it has no reader of RecBole's files.
    """

    name: str
    driver: str
    pins: str
    models: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    reads_export: bool = False

    def under(self, python: str) -> Driver:
        """Its driver, run by an interpreter that has it."""
        return Driver(
            self.name, python, PEERS / self.driver, self.environment,
            is_peer=True, reads_export=self.reads_export,
        )  # fmt: skip


KNOWN = {
    "recbole": Peer(
        "RecBole 1.2.1", "recbole_driver.py", "recbole-1.2.1.txt", MODELS,
        {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},  # its checkpoints are pickles
    ),
    "fuxictr": Peer(
        "FuxiCTR 2.3.10", "fuxictr_driver.py", "fuxictr-2.3.10.txt", ("DCNV2",),
        reads_export=True,
    ),
    "deepctr": Peer(
        "DeepCTR-Torch 0.3.0", "deepctr_driver.py", "deepctr-torch-0.3.0.txt", ("DCNV2",),
        reads_export=True,
    ),
}  # fmt: skip
PYTHON = "3.11"  # the newest that all the pins install on


def python_of(peer: Peer, folder: Path) -> str:
    """The interpreter of a peer's environment in `folder`, which is built if it is not there.

    Raises:
        SystemExit: there is no Python 3.11, or a package cannot be installed.
    """
    pins = PEERS / peer.pins
    environment = folder.resolve() / pins.stem
    python = environment / "bin" / "python"
    done, wanted = environment / "pins.sha256", hashlib.sha256(pins.read_bytes()).hexdigest()
    if done.is_file() and done.read_text() == wanted:
        return str(python)
    shutil.rmtree(environment, ignore_errors=True)
    tell(f"{peer.name}: installing the versions in {pins} into {environment}")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    torch = next(line for line in pins.read_text().splitlines() if line.startswith("torch=="))
    for command in (
        [_interpreter(), "-m", "venv", str(environment)],
        [*pip, torch],  # with what it needs, which differs from platform to platform
        [*pip, "--no-deps", "--requirement", str(pins)],
    ):
        if subprocess.run(command, stdout=sys.stderr).returncode:
            sys.exit(f"{peer.name}: {' '.join(command)} failed")
    done.write_text(wanted)
    return str(python)


def _interpreter() -> str:
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        return sys.executable
    found = shutil.which(f"python{PYTHON}")
    if found is None:
        sys.exit(f"The peers need Python {PYTHON}: expected python{PYTHON} on the PATH")
    return found
