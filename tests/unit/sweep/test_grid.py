"""Grids from files and from the command line, and the cells they come to."""

import shlex
from dataclasses import replace

import pytest

from recbole.commands.command_line import main
from recbole.config.environment import EnvironmentOptions
from recbole.errors import ConfigError
from recbole.sweep.cell import Cell, cell_key, data_fingerprint
from recbole.sweep.grid import Grid
from recbole.sweep.measures import find_measure
from recbole.sweep.plan import make_plan
from recbole.sweep.table import ResultsTable

GRID = """
grid:
  model: [WideDeep, NFM]
  dataset: toy
  seed: [1, 2]
  learning_rate: [0.1, 0.2]
variants:
  original: {}
  smooth: {multi_cls: 5}
options: {epochs: 2, threshold: {rating: 4}}
"""


@pytest.fixture
def grid(toy, tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    return Grid.read(tmp_path / "grid.yaml")


def test_every_combination_the_first_seed_first(grid):
    cells = grid.cells()
    assert len(cells) == 2 * 2 * 2 * 2
    assert [cell.seed for cell in cells] == [1] * 8 + [2] * 8
    first = cells[0]
    assert (first.model, first.dataset, first.variant) == (
        "WideDeep",
        "toy",
        "original learning_rate=0.1",
    )
    assert first.options == {"epochs": 2, "threshold": {"rating": 4}, "learning_rate": 0.1}
    assert cells[2].options["multi_cls"] == 5 and cells[2].variant.startswith("smooth")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"variants": {"a": {"seed": 5}}}, r"Option 'seed' \(variant 'a'\): expected under 'grid'"),
        ({"variants": {"a": {"model": "NFM"}}}, r"Option 'model' \(variant 'a'\)"),
        ({"options": {"dataset": "toy"}}, r"Option 'dataset' \('options'\).*got 'toy'"),
    ],
)
def test_what_tells_runs_apart_stands_in_the_grid(grid, changed, message):
    with pytest.raises(ConfigError, match=message):
        replace(grid, **changed).cells()


def test_the_seed_of_a_run_without_an_axis_of_seeds(grid, tmp_path):
    axes = {name: values for name, values in grid.axes.items() if name != "seed"}
    plain = replace(grid, axes=axes)
    assert {cell.seed for cell in plain.cells()} == {2020}
    (tmp_path / "a.yaml").write_text("seed: 7")
    (tmp_path / "NFM.yaml").write_text("seed: 8")
    (tmp_path / "WideDeep.yaml").write_text("epochs: 1")
    filed = plain.with_config_files([str(tmp_path / name) for name in ("a.yaml", "{model}.yaml")])
    assert {(cell.model, cell.seed) for cell in filed.cells()} == {("WideDeep", 7), ("NFM", 8)}
    assert {cell.config()["seed"] for cell in filed.cells()} == {7, 8}
    optioned = replace(filed, options={**filed.options, "seed": 9})
    assert {cell.seed for cell in optioned.cells()} == {9}
    assert {cell.seed for cell in filed.with_command_line(["--seed=1"]).cells()} == {1}
    with pytest.raises(ConfigError, match=r"Option 'seed': expected a whole number"):
        (tmp_path / "a.yaml").write_text("seed: x")
        filed.cells()


def test_messages_name_the_source_of_an_option(grid, tmp_path):
    path = str(tmp_path / "grid.yaml")

    def source_of(name, cell):
        return cell.config().sources[name]

    cell = grid.cells()[-1]
    assert source_of("learning_rate", cell) == path and source_of("epochs", cell) == path
    assert source_of("multi_cls", cell) == f"{path}, 'smooth'"
    given = grid.with_command_line(["--learning_rate=0.5,0.6", "--epochs=3"]).cells()[-1]
    assert source_of("learning_rate", given) == source_of("epochs", given) == "command line"
    assert source_of("multi_cls", given) == f"{path}, 'smooth'"
    wrong = replace(grid, variants={"smooth": {"multi_clss": 5}}).cells()[0]
    with pytest.raises(ConfigError, match=r"'multi_clss' \(.*grid.yaml, 'smooth'\)"):
        wrong.config()


def test_the_command_line_wins(grid):
    changed = grid.with_command_line(
        ["--model=NFM", "--learning_rate=0.5", "--multi_ratio=0.1,0.3", "--epochs=1"]
    ).only(["smooth"])
    cells = changed.cells()
    assert [cell.options["multi_ratio"] for cell in cells] == [0.1, 0.3, 0.1, 0.3]
    assert {cell.model for cell in cells} == {"NFM"}
    for cell in cells:
        assert cell.options["learning_rate"] == 0.5
        assert cell.options["epochs"] == 1
    assert cells[0].variant == "smooth multi_ratio=0.1"


def test_without_a_file():
    grid = Grid().with_command_line(["--model=DCNV2", "--dataset=a,b", "--seed=7"])
    assert [str(cell) for cell in grid.cells()] == ["a DCNV2 seed 7", "b DCNV2 seed 7"]


def test_paths_are_filled(grid):
    files = grid.with_config_files(["x/{dataset}-{model}.yaml"])
    assert files.cells()[0].config_files == ("x/toy-WideDeep.yaml",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grids: {}", "unknown key 'grids'; expected grid, .* Did you mean 'grid'"),
        ("grid: [1]", r"Option 'grid' \(.*bad.yaml\)"),
        ("variants: {a: 3}", r"Option 'variants\[a\]'"),
        ("grid: {model: 3, dataset: x}", "Option 'model': expected a name, got 3"),
        ("grid: {model: A, dataset: x, seed: -1}", "Option 'seed': expected a whole number"),
        (f"grid: {{model: A, dataset: x, seed: {2**32}}}", "number from 0 to 4294967295, got 4294"),
        ("grid: {model: A, dataset: x, seed: true}", "Option 'seed': .*got True"),
        ("grid: {model: A}", "Option 'dataset' is required"),
        (
            "grid: {model: A, dataset: x, lr: []}",
            r"Option 'lr': expected at least one value, got \[\]",
        ),
        ("grid: {model: A, dataset: x, seed: []}", "Option 'seed': expected at least one value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        Grid.read(tmp_path / "bad.yaml").cells()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed"], "expected --key=value, got '--seed'"),
        (["--a=1", "--a=2"], "Option 'a' stands twice"),
    ],
)
def test_arguments_of_another_form(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Grid().with_command_line(arguments)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--job=2", "Unknown option 'job' (command line). Did you mean 'jobs'?"),
        ("--jbos=2", "Did you mean 'jobs'?"),
        ("--reslts=x", "Did you mean 'results'?"),
        ("--models=NFM", "Did you mean 'model'?"),
        ("--epoch=2", "Did you mean 'epochs'?"),
        ("--dryrun", "expected --key=value, got '--dryrun'. Did you mean '--dry_run'?"),
        ("--num_heads=2", "Option 'num_heads' (command line) belongs to AutoInt, FiGNN, not to"),
    ],
)
def test_mistyped_flags_and_options_name_the_nearest(grid, capsys, argument, message):
    assert main(["sweep", "grid.yaml", "--dry_run", argument]) == 2
    assert message in capsys.readouterr().err


def test_seeds_are_an_axis(grid, tmp_path, capsys):
    (tmp_path / "seeds.yaml").write_text("seeds: [1, 2]")
    for argument in ("--seeds=1,2", "--seeds=1", "--config_files=seeds.yaml"):
        assert main(["sweep", "grid.yaml", "--dry_run", argument]) == 2
        said = capsys.readouterr().err
        source = "seeds.yaml" if "yaml" in argument else "command line"
        assert f"Option 'seeds' ({source}): each run here has one seed" in said
        assert "--seed=1,2" in said


def test_an_unknown_variant(grid):
    with pytest.raises(ConfigError, match=r"got 'smoth'\. Did you mean 'smooth'"):
        grid.only(["smoth"])


def test_an_unknown_baseline(grid):
    one_rate = grid.with_command_line(["--learning_rate=0.1"])
    assert one_rate.with_baseline("smooth").cells() == one_rate.cells()
    with pytest.raises(
        ConfigError,
        match=r"'baseline': expected one of the variants 'original', 'smooth', got 'smoth'\."
        " Did you mean 'smooth'",
    ):
        one_rate.with_baseline("smoth").cells()


def test_a_baseline_goes_with_its_variant(grid):
    compared = grid.with_baseline("smooth learning_rate=0.1")
    assert compared.only(["smooth"]).baseline == "smooth learning_rate=0.1"
    assert compared.only(["original"]).baseline is None
    with pytest.raises(ConfigError, match="Option 'baseline'"):  # of no variant at all
        grid.with_baseline("smoth").only(["original"]).cells()


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--search=hyper.test", "--baseline=original"], "baseline"),
        (["--search=hyper.test", "--retry"], "retry"),
        (["--search=hyper.test", "--measures"], "measures"),
        (["--search=hyper.test", "--measures", "ranking"], "measures"),
        (["--trials=5"], "trials"),
        (["--storage=sqlite:///study.db"], "storage"),
        (["--study=first"], "study"),
    ],
)
def test_what_a_sweep_or_a_search_would_not_read(flags, name, tmp_path, capsys):
    results = tmp_path / "results"
    assert main(["sweep", "--model=NFM", "--dataset=toy", f"--results={results}", *flags]) == 2
    assert f"Option '{name}': " in capsys.readouterr().err
    assert not results.exists()


def test_an_unknown_measure():
    with pytest.raises(ConfigError, match=r"Unknown measure 'rankin'.* Did you mean 'ranking'"):
        find_measure("rankin")


# --- keys --------------------------------------------------------------------------------------


def key(seed=1, **options):
    config = Cell("WideDeep", "toy", seed, options={"threshold": {"rating": 4}, **options}).config()
    return cell_key(config, data_fingerprint(config))


def test_a_key_names_what_the_result_depends_on(toy, tmp_path):
    plain = key()
    assert key() == plain
    assert key(show_progress=False, checkpoint_dir="x", log_tensorboard=False) == plain
    assert key(learning_rate=1e-3) == plain  # the default
    assert key(learning_rate=2e-3) != plain
    assert key(multi_cls=5) != plain
    assert key(seed=2020) != plain
    config = Cell("NFM", "toy", 1, options={"threshold": {"rating": 4}}).config()
    assert cell_key(config, data_fingerprint(config)) != plain
    users = tmp_path / "dataset" / "toy" / "toy.user"
    users.write_text(users.read_text().replace("150", "151"))
    assert key() != plain


def test_an_option_that_is_new_leaves_finished_cells_finished(toy):
    class Later(EnvironmentOptions):
        new_option: int = 3

    config = Cell("WideDeep", "toy", 1, options={"threshold": {"rating": 4}}).config()
    before = cell_key(config, {})
    config.environment = Later(**config.environment.model_dump())
    assert cell_key(config, {}) == before
    config.environment = Later(
        **config.environment.model_dump(exclude={"new_option"}), new_option=4
    )
    assert cell_key(config, {}) != before


def test_cells_that_come_to_the_same_are_one(toy, tmp_path):
    options = {"threshold": {"rating": 4}}
    cells = [
        Cell("WideDeep", "toy", 1, "a", options, measures=("ranking",)),
        Cell("WideDeep", "toy", 1, "b", {**options, "learning_rate": 1e-3}, measures=("norms",)),
    ]
    plan = make_plan(cells, ResultsTable(tmp_path / "results"))
    (found,) = plan.cells.values()
    assert found.variant == "a" and found.measures == ("ranking", "norms")


def test_a_mistake_is_found_before_anything_runs(toy, tmp_path):
    cells = [Cell("WideDeep", "toy", 1), Cell("WideDeep", "toy", 2, options={"epoch": 1})]
    with pytest.raises(ConfigError, match=r"toy WideDeep seed 2:\n.*Did you mean 'epochs'"):
        make_plan(cells, ResultsTable(tmp_path / "results"))


@pytest.mark.parametrize("values", ["2020-01-01", "0.1,2020-01-01"])
def test_a_date_is_no_number(toy, tmp_path, values):
    words = ["--model=NFM", "--dataset=toy", f"--learning_rate={values}", "--threshold={rating: 4}"]
    grid = Grid().with_command_line(words)
    with pytest.raises(ConfigError, match=r"'learning_rate' .*expected a number, got '2020-01-01'"):
        make_plan(grid.cells(), ResultsTable(tmp_path))


def test_data_that_is_not_there_is_told(toy, tmp_path):
    plan = make_plan([Cell("WideDeep", "gone", 1)], ResultsTable(tmp_path / "results"))
    assert not plan.cells
    ((cell, reason),) = plan.without_data.items()
    assert cell.dataset == "gone" and "gone" in reason


def test_a_dry_run_prints_commands_that_are_valid(grid, capsys):
    assert main(["sweep", "grid.yaml", "--dry_run", "--measures"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16
    for line in lines:
        words = shlex.split(line)
        assert words[:2] == ["python", "run_recbole.py"]
        assert main([*words[2:], "--show_config"]) == 0
    shown = capsys.readouterr().out
    assert "{'rating': 4.0}" in shown


def test_a_dry_run_prints_what_would_be_run(grid, capsys):
    assert (
        main(["sweep", "grid.yaml", "--dry_run", "--multi_ratio=0.5,5e-1", "--learning_rate=1"])
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines)) == 2 * 2 * 2
    assert main(["sweep", "grid.yaml", "--dry_run", "--measures", "rankin"]) == 2
    assert "Unknown measure 'rankin'" in capsys.readouterr().err
