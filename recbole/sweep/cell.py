"""A cell of a sweep: one training run, named by what its result depends on."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.config.sources import COMMAND_LINE, Layer
from recbole.data.download import ensure_dataset
from recbole.data.source_files import sha256
from recbole.errors import ConfigError
from recbole.sweep.option_text import option_text

#: Options that change where and how a run happens, not what comes out.
WITHOUT_EFFECT = frozenset(
    {
        "data_path",
        "use_gpu",
        "gpu_id",
        "state",
        "show_progress",
        "checkpoint_dir",
        "log_tensorboard",
        "data_cache",
        "seeds_together",
    }
)


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        variant: the name of its set of options, for people to read; no part of its identity.
        options: what it sets beside model, data set and seed.
        config_files: the files that its options are laid over.
        measures: what is measured of the trained model (see `measures.py`).
        sources: where options come from, for messages; what is not named, the command line.
    """

    model: str
    dataset: str
    seed: int
    variant: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    config_files: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    def with_options(self, options: Mapping[str, Any], sources: Mapping[str, str]) -> Cell:
        """The same run with more options, and where they come from."""
        return replace(
            self, options={**self.options, **options}, sources={**self.sources, **sources}
        )

    def with_measures(self, names: Iterable[str]) -> Cell:
        """The same run with more to be measured of it."""
        return replace(self, measures=tuple(dict.fromkeys((*self.measures, *names))))

    def config(self, **overrides: Any) -> Config:
        """The options of the run, validated.

        Raises:
            ConfigError: an option is at fault.
        """
        given: dict[str, dict[str, Any]] = {}
        for name, value in {**self.options, "seed": self.seed, **overrides}.items():
            given.setdefault(self.sources.get(name, COMMAND_LINE), {})[name] = value
        layers = [Layer(source, values) for source, values in given.items()]
        config = Config(self.model, self.dataset, self.config_files, layers=layers)
        if config.environment.seeds is not None:
            raise ConfigError(
                f"Option 'seeds' ({config.sources['seeds']}): each run here has one seed, got"
                f" {config.environment.seeds}; a sweep takes several as --seed=1,2"
            )
        return config

    def arguments(self) -> list[str]:
        """The arguments of `run_recbole.py` that run it alone."""
        files = ["--config_files", *self.config_files] if self.config_files else []
        options = {**self.options, "seed": self.seed}
        return [
            f"--model={self.model}",
            f"--dataset={self.dataset}",
            *files,
            *(f"--{name}={option_text(value)}" for name, value in options.items()),
        ]

    def command(self) -> str:
        """The command that runs it alone."""
        return shlex.join(["python", "run_recbole.py", *self.arguments()])

    def __hash__(self) -> int:
        return hash(self.command())

    def __str__(self) -> str:
        return " ".join(filter(None, (self.dataset, self.model, self.variant, f"seed {self.seed}")))


def cell_key(config: Config, fingerprint: Mapping[str, str]) -> str:
    """What the result of a run depends on, as 16 hexadecimal digits.

    Only options that differ from their defaults count, so that a new option, which by default
    changes nothing, leaves the finished cells finished.

    Args:
        config: the options of the run.
        fingerprint: the SHA-256 of each data file, by file name.
    """
    chosen: dict[str, Any] = {}
    for options in config.groups().values():
        chosen.update(options.model_dump(exclude_defaults=True))
    identity = {
        "model": config.model,
        "dataset": config.dataset,
        "options": {name: v for name, v in chosen.items() if name not in WITHOUT_EFFECT},
        "data": dict(fingerprint),
    }
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def data_fingerprint(config: Config) -> dict[str, str]:
    """The SHA-256 of each file of a data set, by file name; it is fetched if it is not there.

    Raises:
        DataError: it is not there and cannot be fetched.
    """
    folder = Path(config.data.data_path) / config.dataset
    if not folder.is_dir():
        ensure_dataset(config.dataset, folder)
    files = (path for path in folder.glob(f"{config.dataset}.*") if path.is_file())
    return {path.name: _sha256(path, *_identity(path)) for path in sorted(files)}


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@cache
def _sha256(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - a changed file is another
    return sha256(path)
