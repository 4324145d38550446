"""Tables, figures and pages of made-up results: every number is where it belongs."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from recbole.errors import ConfigError
from recbole.report.entries import three_digits
from recbole.report.figures import all_figures
from recbole.report.paper import PaperFigures
from recbole.report.report import write_report
from recbole.report.reproduction import LOGIT, ORIGINAL, SMOOTH, Reproduction, ratio_name
from recbole.report.results import Results
from recbole.report.tables import ablations, aggregation, cost, prediction, ranking, steepness
from recbole.sweep.table import ResultsTable
from tests.unit.report.made_up import fill, reproduction, write_settings

NO_PAPER = PaperFigures({}, {})


@pytest.fixture
def table(toy, tmp_path):
    write_settings(tmp_path)
    return ResultsTable(tmp_path / "results")


@pytest.fixture
def results(table):
    wanted = reproduction()
    fill(table, wanted)
    return Results.read(wanted, table)


def lines(table):
    return [dict(zip(table.columns, [e.text for e in row], strict=True)) for row in table.rows]


def line_of(table, **wanted):
    (found,) = [x for x in lines(table) if all(x[name] == value for name, value in wanted.items())]
    return found


# --- which runs --------------------------------------------------------------------------------


def test_the_runs_of_a_reproduction(table):
    cells = reproduction().cells()
    variants = {c.variant for c in cells if c.model == "WideDeep"}
    assert variants == {ORIGINAL, SMOOTH, LOGIT, "smooth, λ = 0.1", "smooth, λ = 0.7"}
    assert {c.variant for c in cells if c.model == "NFM"} == {ORIGINAL, SMOOTH, LOGIT}
    by_variant = {c.variant: c for c in cells if c.model == "WideDeep"}
    assert "multi_cls" not in by_variant[ORIGINAL].options
    smooth = by_variant[SMOOTH].options
    assert (smooth["multi_cls"], smooth["multi_ratio"]) == (5, 0.7)
    assert by_variant[LOGIT].options["multi_agg"] == "logit"
    assert by_variant["smooth, λ = 0.1"].options["multi_ratio"] == 0.1
    assert "ranking" in by_variant[SMOOTH].measures and not by_variant[LOGIT].measures
    assert by_variant[SMOOTH].config_files == ("configs/toy/WideDeep.yaml",)


def test_the_papers_settings_come_first():
    cell = Reproduction("ml-1m", models=("DCNV2",), seeds=(1,)).cells()[0]
    names = [Path(path).name for path in cell.config_files]
    assert names == ["shared.yaml", "ml-1m-DCNV2.yaml"]


def test_ablations_come_from_their_file(table, tmp_path):
    (tmp_path / "configs/ablations").mkdir()
    (tmp_path / "configs/ablations/toy-NFM.yaml").write_text(
        "variants: {binary: {}, multi: {multi_cls: 5, multi_ratio: 0.7}, odd: {multi_cls: 5}}"
    )
    wanted = reproduction(ablated=("NFM",))
    assert wanted.of("NFM", "ablation: odd")[0].options["multi_cls"] == 5
    fill(table, wanted)
    shown = ablations(Results.read(wanted, table))
    assert [x["variant"] for x in lines(shown)] == [ORIGINAL, SMOOTH, "odd"]
    assert line_of(shown, variant="odd")["AUC %"] == "72.10 ± 1.56"
    assert line_of(shown, variant=ORIGINAL)["Δ%"] == "–"
    changed = next(row for row in shown.rows if row[1].text == "odd")[3]
    assert len(changed.runs) == 4  # of both variants, two seeds each


def test_an_ablation_is_shown_without_the_binary_model(table, tmp_path):
    (tmp_path / "configs/ablations").mkdir()
    (tmp_path / "configs/ablations/toy-NFM.yaml").write_text("variants: {odd: {multi_cls: 5}}")
    wanted = reproduction(ablated=("NFM",))
    fill(table, wanted, leave_out=lambda cell: cell.variant == ORIGINAL)
    shown = ablations(Results.read(wanted, table))
    line = line_of(shown, variant="odd")
    assert line["AUC %"] == "72.10 ± 1.56"
    assert (line["Δ%"], line["p"], line["seeds"]) == ("–", "–", "2")
    assert line_of(shown, variant=ORIGINAL)["AUC %"] == "not run"


@pytest.mark.parametrize(
    "name", ["multi_head", "label_smoothing", "shuffle_levels", "penalty_weight", "model"]
)
def test_what_is_compared_is_no_option_of_every_run(name):
    with pytest.raises(ConfigError, match=f"Option '{name}'"):
        reproduction(options={name: None})


def test_an_ablation_wins_over_the_options_of_every_run(table, tmp_path):
    (tmp_path / "configs/ablations").mkdir()
    (tmp_path / "configs/ablations/toy-NFM.yaml").write_text("variants: {long: {epochs: 9}}")
    wanted = reproduction(ablated=("NFM",))
    assert wanted.of("NFM", "ablation: long")[0].options["epochs"] == 9
    assert wanted.of("NFM", ORIGINAL)[0].options["epochs"] == 1


def test_an_unknown_model():
    with pytest.raises(ConfigError, match=r"got 'DCN'\. Did you mean 'DCNV2'"):
        Reproduction("toy", models=("DCN",))


def test_a_data_set_without_settings(table):
    with pytest.raises(ConfigError, match=r"no settings for DCNV2 on toy: expected configs/paper"):
        reproduction(models=("DCNV2",)).cells()


# --- tables ------------------------------------------------------------------------------------


def test_table_1(results):
    paper = PaperFigures({"WideDeep": {"auc": (82.10, 82.46)}}, {})
    shown = prediction(results, paper)
    line = line_of(shown, metric="AUC %", model="WideDeep")
    assert line[ORIGINAL] == "71.00 ± 1.00"
    assert line[SMOOTH] == "72.30 ± 1.15"  # 71.0, 73.2, 72.7
    assert line["Δ%"] == "+1.83" and line["p"] == "0.025" and line["seeds"] == "3"
    assert (line["paper: original"], line["paper: smooth"]) == ("82.10", "82.46")
    assert line["paper: Δ%"] == "+0.44"
    other = line_of(shown, metric="AUC %", model="NFM")  # its seed 3 has failed
    assert other["seeds"] == "2" and other[ORIGINAL] == "71.00 ± 1.41"
    assert other["paper: original"] == "–"
    loss = line_of(shown, metric="LogLoss × 100", model="WideDeep")
    assert loss[ORIGINAL] == "52.90 ± 0.10" and loss["Δ%"] == "-0.25"


def test_table_2(results):
    line = line_of(ranking(results, NO_PAPER), metric="NDCG@10 %", model="WideDeep")
    assert (line[ORIGINAL], line[SMOOTH], line["Δ%"]) == (
        "10.00 ± 0.00",
        "20.00 ± 0.00",
        "+100.00",
    )
    assert line["p"] == "–"  # no spread


def test_table_3(results):
    shown = cost(results, PaperFigures({}, {"epoch": (1.78, 2.64)}))
    line = line_of(shown, seconds="training epoch")
    assert (line[ORIGINAL], line[SMOOTH], line["Δ%"]) == ("1", "1.5", "+50.00")
    assert (line["paper: original"], line["paper: smooth"]) == ("1.78", "2.64")
    assert line_of(shown, seconds="evaluation")[ORIGINAL] == "0.25"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (73.68, "73.7"), (999.4, "999"), (1301.2, "1,301"), (-2e5, "-200,000")],
)
def test_numbers_are_written_without_powers_of_ten(value, text):
    assert three_digits(value) == text


def test_theorem_1(results):
    shown = steepness(results)
    assert {x["model"] for x in lines(shown)} == {"WideDeep"}
    line = line_of(shown, quantity="‖∂p̂/∂x‖, mean")
    assert (line[ORIGINAL], line[SMOOTH], line["Δ%"]) == ("2 ± 1", "1 ± 0.5", "-50.00")
    softmax = line_of(shown, quantity="softmax ‖J‖F, maximum")
    assert (softmax[ORIGINAL], softmax[SMOOTH]) == ("not run", "0.44 ± 0")
    assert line_of(shown, quantity="bound 1/√N")[SMOOTH] == "0.447 ± 0"


def test_both_aggregations(results):
    line = line_of(aggregation(results), model="WideDeep", metric="AUC %")
    assert line["prob: Eq. 11"] == line["logit: released code"] == "72.30 ± 1.15"


def test_every_number_names_its_runs(results):
    keys = {row.key for row in results.every_row()}
    tables = [prediction(results, NO_PAPER), ranking(results, NO_PAPER), cost(results, NO_PAPER)]
    for shown in [*tables, steepness(results), aggregation(results)]:
        for row in shown.rows:
            for name, entry in zip(shown.columns, row, strict=True):
                assert set(entry.runs) <= keys
                measured = name in (ORIGINAL, SMOOTH, "Δ%", "p") and entry.value is not None
                assert bool(entry.runs) == measured or name.endswith(("11", "code")), (name, entry)
    first = prediction(results, NO_PAPER).rows[0]
    assert set(first[2].runs) == set(results.keys("WideDeep", ORIGINAL))
    assert set(first[3].runs) == set(results.keys("WideDeep", SMOOTH))


def test_time_is_compared_over_the_same_runs(table):
    """A seed that only one of the two has would shift its mean."""
    wanted = reproduction(models=("WideDeep",), ratios=(0.1,))
    fill(table, wanted, leave_out=lambda cell: cell.variant == SMOOTH and cell.seed == 1)
    (key,) = [r.key for r in table.rows() if (r.variant, r.seed) == (ORIGINAL, 1)]
    table.put(replace(table.row(key), seconds_per_epoch=1000.0))
    line = line_of(cost(Results.read(wanted, table), NO_PAPER), seconds="training epoch")
    assert (line[ORIGINAL], line["Δ%"]) == ("1", "+50.00")


def test_what_was_not_run_is_said_and_not_invented(table):
    wanted = reproduction()
    fill(table, wanted, leave_out=lambda cell: cell.variant != ORIGINAL)
    results = Results.read(wanted, table)
    line = line_of(prediction(results, NO_PAPER), metric="AUC %", model="WideDeep")
    assert (line[ORIGINAL], line[SMOOTH], line["Δ%"], line["p"], line["seeds"]) == (
        "71.00 ± 1.00",
        "not run",
        "–",
        "–",
        "0",
    )
    assert set(results.unfinished.values()) == {"not run", "failed: <b>no luck</b>"}
    pictures = [picture for figure in all_figures(results) for picture in figure.pictures]
    assert {picture.svg for picture in pictures} == {None}


def test_an_aggregation_that_was_not_run_leaves_the_other(table):
    wanted = reproduction()
    fill(table, wanted, leave_out=lambda cell: cell.variant == LOGIT)
    shown = aggregation(Results.read(wanted, table))
    line = line_of(shown, metric="AUC %", model="WideDeep")
    assert (line["prob: Eq. 11"], line["logit: released code"]) == ("72.30 ± 1.15", "not run")


def test_a_run_that_two_variants_share_is_missed_once(table):
    """The point λ = 0.7 of Figure 4 is the smooth run."""
    wanted = reproduction(models=("WideDeep",), seeds=(1,), ratios=(0.1, 0.7))
    fill(table, wanted, leave_out=lambda cell: cell.variant != ORIGINAL)
    missing = Results.read(wanted, table).unfinished
    assert [cell.variant for cell in missing] == [SMOOTH, LOGIT, ratio_name(0.1)]


# --- figures -----------------------------------------------------------------------------------


def test_the_figures_are_drawn_and_described(results):
    norms, noise, ratios = all_figures(results)
    assert [len(f.pictures) for f in (norms, noise, ratios)] == [1, 2, 1]
    for figure in (norms, noise, ratios):
        for picture in figure.pictures:
            assert picture.svg.startswith("<?xml") and "</svg>" in picture.svg
            assert picture.runs
    assert "original, weights of users and items: 3, 4" in norms.pictures[0].description
    assert "smooth, gradients of users and items: 0.2, 0.4" in norms.pictures[0].description
    assert "0.6500 at σ = 0.05" in noise.pictures[0].description
    assert "smooth: 0.5000 at σ = 0" in noise.pictures[1].description
    words = ratios.pictures[0].description
    assert words == "original: 0.7100; smooth: 0.7230 at λ = 0.1, 0.7230 at λ = 0.7"


def test_a_drawing_is_the_same_for_the_same_numbers(results):
    first, second = (all_figures(results)[2].pictures[0].svg for _ in range(2))
    assert first == second


# --- files -------------------------------------------------------------------------------------


def test_the_files_of_a_report(table, tmp_path):
    wanted = reproduction()
    fill(table, wanted, leave_out=lambda c: c.variant == "smooth, λ = 0.1" and c.seed == 2)
    page = write_report(wanted, table, tmp_path / "out").read_text()
    assert "smooth, λ = 0.1 seed 2: not run" in page
    assert "<b>no luck" not in page and "&lt;b&gt;no luck" in page
    assert "cpu &lt;one thread&gt;</td>" in page and "<one" not in page
    assert re.search(r'<td class="number" data-value="72\.3\d*"><a href="#run-\w+"', page)
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    names = {"table-1", "table-2", "table-3", "theorem-1", "aggregation", "ablations", "runs"}
    assert {path.stem for path in (tmp_path / "out").glob("*.csv")} == names
    with (tmp_path / "out" / "table-1.csv").open() as file:
        first = next(csv.DictReader(file))
    assert first["model"] == "WideDeep" and first["smooth"] == "72.30 ± 1.15"
    assert len(first["runs"].split()) == 6
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| AUC % | WideDeep | 71.00 ± 1.00 | 72.30 ± 1.15 | +1.83 | 0.025 | 3 |" in text
    assert "AUC rises for 2 of 2 models" in text
    _, _, missing = text.partition("## What was not run")
    assert "- toy WideDeep smooth, λ = 0.1 seed 2: not run" in missing
    linked = re.findall(r"!\[[^]]+\]\((.+?)\)", text)
    assert sorted(linked) == sorted(path.name for path in (tmp_path / "out").glob("*.svg"))
    assert {name.rsplit("-", 1)[0] for name in linked} == {"figure-2", "figure-3", "figure-4"}
    assert all("<svg" in (tmp_path / "out" / name).read_text() for name in linked)
    runs = list(csv.DictReader((tmp_path / "out" / "runs.csv").open()))
    assert all(run["command"].startswith("python run_recbole.py --model=") for run in runs)


def test_the_command_reports_without_running(table, tmp_path, capsys):
    arguments = ["reproduce", "--dataset=toy", "--models=WideDeep,NFM", "--seeds=1,2"]
    assert main([*arguments, "--report_only", "--results=results", "--ratios=0.5"]) == 0
    assert "results/report.html" in capsys.readouterr().out
    text = (tmp_path / "results" / "report.md").read_text()
    assert "No model has been run with both heads yet." in text


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--seeds=a", "Option 'seeds': expected whole numbers, with commas, got 'a'"),
        ("--ratios=x", "Option 'ratios': expected numbers"),
        ("--models=WideDep", "Did you mean 'WideDeep'"),
        ("--detail=NFM,WideDep", "Option 'detail': expected some of"),
        ("--epoch=3", "Did you mean 'epochs'"),
        ("--model=NFM", "Unknown option 'model' (command line). Did you mean 'models'?"),
        ("--seed=4", "Option 'seed': a reproduction goes through several. Did you mean 'seeds'?"),
        ("--multi_ratio=0.3", "Did you mean 'ratios'?"),
        ("--multi_cls=5", "Option 'multi_cls' is one that the tables compare"),
        ("--multi_agg=logit", "recbole sweep runs other values"),
        ("--track_norms=False", "Option 'track_norms' is one that the tables compare"),
        (
            f"--seeds={2**32}",
            "Option 'seed' (command line): expected a value of at most 4294967295",
        ),
        ("--job=2", "Did you mean 'jobs'?"),
        ("--reportonly", "expected --key=value, got '--reportonly'. Did you mean '--report_only'?"),
    ],
)
def test_mistakes_are_named(table, capsys, argument, message):
    models = [] if argument.startswith("--models") else ["--models=NFM"]
    assert main(["reproduce", "--dataset=toy", *models, "--quick", argument]) == 2
    assert message in capsys.readouterr().err


# --- the paper ---------------------------------------------------------------------------------


def test_the_papers_figures():
    paper = PaperFigures.of("ml-1m")
    assert paper.metrics["WideDeep"]["auc"] == (82.10, 82.46)
    assert paper.metrics["EulerNet"]["logloss"] == (51.39, 51.62)
    assert paper.metrics["DCNV2"]["ndcg@10"] == (11.54, 13.16)
    assert paper.seconds == {
        "epoch": (1.78, 2.64),
        "training": (73.68, 77.47),
        "evaluation": (0.12, 0.13),
    }
    keys = {"auc", "logloss", "ndcg@10", "ndcg@20", "recall@10", "recall@20"}
    for dataset in ("ml-1m", "yelp2018", "amazon-books"):
        found = PaperFigures.of(dataset).metrics
        assert len(found) == 7 and all(set(values) == keys for values in found.values())
    assert PaperFigures.of("ml-100k").metrics == {}
    gains = [100 * (m["auc"][1] / m["auc"][0] - 1) for m in paper.metrics.values()]
    assert sum(gains) / 7 == pytest.approx(0.454, abs=0.01)
