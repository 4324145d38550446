"""What is run: models, heads, and the files of options that every side reads."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measure.sides import ROOT

MODELS = ("WideDeep", "NFM", "xDeepFM", "AutoInt", "FiGNN", "DCNV2", "EulerNet")
HEADS: Mapping[str, Mapping[str, Any]] = {
    "binary": {},
    "multi_cls=5": {"multi_cls": 5, "multi_ratio": 0.7},
}
SETTINGS = ROOT / "benchmarks" / "settings"
PAPER = ROOT / "configs" / "paper"


def files_of(model: str, dataset: str, settings: Path | None) -> list[str]:
    """The files of options: the data set's, those that all models share, the model's own.

    Without a folder of settings they are the paper's, where the paper has the data set.

    Raises:
        SystemExit: the model has no file.
    """
    if settings is None:
        has_paper = (PAPER / f"{dataset}-{model}.yaml").is_file()
        settings = PAPER if has_paper else SETTINGS
    own = [settings / f"{dataset}-{model}.yaml", settings / f"{model}.yaml"]
    found = [path for path in own if path.is_file()]
    if not found:
        sys.exit(f"--settings: expected {own[1]} or {own[0].name}, found neither")
    shared = [ROOT / "configs" / "dataset" / f"{dataset}.yaml", settings / "shared.yaml"]
    return [str(path.resolve()) for path in [*filter(Path.is_file, shared), found[0]]]


def request(model: str, dataset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a side is asked to open; RecBole joins the folder of the data and its name itself."""
    return {
        "model": model,
        "dataset": dataset,
        "files": files_of(model, dataset, arguments.settings),
        "options": {"data_path": f"{arguments.data_path.resolve()}/"},
    }


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that several scripts have."""
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS, metavar="MODEL")
    parser.add_argument("--settings", type=Path, default=SETTINGS,
                        help="folder of <Model>.yaml or <dataset>-<Model>.yaml")  # fmt: skip
    parser.add_argument("--data_path", type=Path, default=ROOT / "dataset")
    parser.add_argument("--threads", type=int, help="of every process (default: all cores)")
    parser.add_argument("--patience", type=float, default=60,
                        help="seconds to wait for others to leave the machine alone")  # fmt: skip
    parser.add_argument("--json", type=Path, help="file for all figures")


def parse(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The arguments, and all further `--key=value` as options of this project's runs."""
    arguments, rest = parser.parse_known_args()
    options = {}
    for given in rest:
        key, equals, value = given.removeprefix("--").partition("=")
        if not given.startswith("--") or not equals:
            parser.error(f"expected --key=value, got {given!r}")
        options[key] = plain_value(value)
    return arguments, options


def plain_value(text: str) -> Any:
    """A number, list or dictionary in JSON, True, False or None; anything else is text."""
    words = {"True": True, "False": False, "None": None}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def tell(line: str) -> None:
    """Progress goes to standard error, so that standard output is the tables alone."""
    print(line, file=sys.stderr, flush=True)
