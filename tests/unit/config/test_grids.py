"""The grids that are kept: every run is valid, and ablations ask for heads that exist."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from recbole.config import Config
from recbole.data.schema import Target
from recbole.model.head import build_head
from recbole.sweep.grid import Grid
from recbole.sweep.plan import validated
from tests.conftest import PROJECT

GRIDS = sorted((PROJECT / "configs" / "ablations").glob("*.yaml"))
SWEEPS = sorted((PROJECT / "configs" / "sweeps").glob("*.yaml"))
STARS = Target("label", "rating", 4.0, (1.0, 2.0, 3.0, 4.0, 5.0))


def test_there_are_grids() -> None:
    assert [path.stem for path in GRIDS] == ["ml-100k-DCNV2", "ml-1m-DCNV2"]


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_every_variant_is_a_run_of_its_own(path: Path) -> None:
    grid = yaml.safe_load(path.read_text())
    files = [PROJECT / name for name in grid["config_files"]]
    chosen = []
    for options in grid["variants"].values():
        config = Config(grid["grid"]["model"], grid["grid"]["dataset"], files, options)
        build_head(config.supervision, STARS)
        chosen.append(config.values())
    assert len(chosen) == 13
    assert all(one not in chosen[:index] for index, one in enumerate(chosen))
    assert path.stem == f"{grid['grid']['dataset']}-{grid['grid']['model']}"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_run_of_a_sweep_is_valid_and_of_the_file_s_data_set(path: Path, monkeypatch) -> None:
    monkeypatch.chdir(PROJECT)
    grid = Grid.read(path)
    runs = [config for _, config in validated(grid.cells())]
    assert runs and all(path.stem.startswith(f"{config.dataset}-") for config in runs)
    assert grid.results == f"saved/{path.stem}" and grid.baseline in grid.variants


def test_there_are_sweeps() -> None:
    assert [p.stem for p in SWEEPS] == ["ml-100k-heads", "ml-100k-precision", "ml-1m-precision"]
