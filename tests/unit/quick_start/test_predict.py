"""Scoring new rows gives the evaluator's scores, in whatever form they come, and whole files."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from recbole.commands.command_line import main
from recbole.errors import DataError
from recbole.quick_start import predict
from recbole.quick_start.scoring import Scorer
from recbole.trainer import checkpoint as checkpoints
from tests.unit.quick_start.shop import evaluated, train, write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with the data, a binary and a rating model, and what the evaluator says of both."""
    folder = tmp_path_factory.mktemp("shop")
    data = write_shop(folder / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        binary = train(folder, "binary", "WideDeep")
        graded = train(folder, "graded", "DCNV2", multi_cls=5)
        expected = {path: evaluated(path) for path in (binary, graded)}
    # From here on, nothing may need the data: only the rows to be scored are kept.
    shutil.copy(data / "shop.inter", folder / "rows.inter")
    shutil.rmtree(data)
    return folder, binary, graded, expected


@pytest.fixture
def said(caplog):
    """What was logged, whether or not an earlier test has set the project's logger up."""
    project = logging.getLogger("recbole")
    project.addHandler(caplog.handler)
    project.setLevel(logging.INFO)
    yield caplog
    project.removeHandler(caplog.handler)


def frame_of(folder):
    """The rows as pandas reads them: numeric ids, text sequences."""
    frame = pd.read_csv(folder / "rows.inter", sep="\t")
    return frame.rename(columns=lambda name: name.partition(":")[0])


def assert_scores(scored, expected, atol=1e-6):
    for name, values in expected.items():
        np.testing.assert_allclose(np.asarray(scored[name]), values, rtol=0, atol=atol)


@pytest.mark.parametrize("head", ["binary", "graded"])
def test_predict_equals_the_evaluator_without_the_data(shop, head):
    folder, binary, graded, expected = shop
    path = binary if head == "binary" else graded
    scored = predict(path, folder / "rows.inter")
    inputs = ["user_id", "item_id", "rating", "hour", "dwell", "tags", "vector"]
    assert list(scored.columns) == [*inputs, *expected[path]]
    assert len(expected[path]) == (1 if head == "binary" else 7)
    assert_scores(scored, expected[path])
    assert np.std(expected[path]["click_probability"]) > 0.01


def test_probabilities_belong_together(shop):
    folder, _, graded, _ = shop
    scored = predict(graded, frame_of(folder))
    classes = scored[[f"probability_{level}" for level in range(1, 6)]].to_numpy()
    np.testing.assert_allclose(classes.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(classes[:, 3:].sum(axis=1), scored["click_probability"], atol=1e-6)
    np.testing.assert_allclose(classes @ np.arange(1, 6), scored["expected_rating"], atol=1e-5)


def test_every_form_of_the_rows_gives_the_same(shop, tmp_path):
    folder, _, graded, expected = shop
    frame = frame_of(folder)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "rows.parquet")
    lists = pa.table(
        {
            "vector": [[float(n) for n in cell.split()] for cell in frame["vector"]],
            "tags": pa.array([cell.split() for cell in frame["tags"]]),
            "dwell": frame["dwell"].astype(str),
            "hour": frame["hour"].astype(float),
            "item_id": pa.array(frame["item_id"].astype(str)).dictionary_encode(),
            "user_id": pa.array(frame["user_id"], pa.int16()),
        }
    )
    forms = [
        tmp_path / "rows.csv",
        str(tmp_path / "rows.parquet"),
        frame,
        frame.astype({"user_id": "category", "item_id": float, "hour": str}),
        lists,
        lists.to_pydict(),
    ]
    first = predict(graded, forms[0], chunk_rows=64)
    for form in forms:
        scored = predict(graded, form, chunk_rows=64)
        assert_scores(scored, expected[graded])
        # The same rows make the same batches, and so the very same numbers.
        np.testing.assert_array_equal(scored["click_probability"], first["click_probability"])


def test_a_frame_stays_the_frame_it_is(shop):
    folder, binary, _, expected = shop
    frame = frame_of(folder).sample(frac=1, random_state=1)
    frame["object"] = [object() for _ in range(len(frame))]
    scored = predict(binary, frame)
    assert list(scored.columns) == [*frame.columns, "click_probability"]
    assert scored.index.equals(frame.index)
    pd.testing.assert_frame_equal(scored[frame.columns.tolist()], frame)
    assert "click_probability" not in frame
    assert_scores(scored.sort_index(), expected[binary])


@pytest.mark.parametrize(("chunk_rows", "batch_size"), [(1, 7), (7, 3), (100, 1), (10**6, 10**6)])
def test_chunks_and_batches_do_not_matter(shop, tmp_path, chunk_rows, batch_size):
    folder, _, graded, expected = shop
    for output in ("scores.csv", "scores.parquet"):
        path = tmp_path / output
        assert predict(graded, folder / "rows.inter", path, chunk_rows=chunk_rows,
                       batch_size=batch_size) is None  # fmt: skip
        read = pyarrow.csv.read_csv if output.endswith("csv") else pq.read_table
        assert_scores(read(path), expected[graded])
    assert {path.name for path in tmp_path.iterdir()} == {"scores.csv", "scores.parquet"}


def test_cells_of_text_come_through_unchanged(shop, tmp_path):
    _, binary, _, _ = shop
    text = (
        'user_id,item_id,hour,dwell,tags,vector,"a ""note"""\n'
        '1,2,3,0.50,t1 t2,0.1 0.2,"x, ""y"""\n'
        '007,2,3,1e-1,,,"two\nlines"\n'
        "2,3,4,,t1,0.3,é☃\n"
    )
    rows = tmp_path / "rows.csv"
    rows.write_text(text, encoding="utf-8")
    predict(binary, rows, tmp_path / "scores.csv", chunk_rows=2)
    scores = predict(binary, rows)["click_probability"].tolist()
    marks = iter(["click_probability", *(f"{np.float32(score)!s}" for score in scores)])
    ends = ('"a ""note"""', '"x, ""y"""', 'lines"', "é☃")
    expected = "".join(
        f"{line},{next(marks)}\n" if line.endswith(ends) else f"{line}\n"
        for line in text.splitlines()
    )
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == expected
    back = pyarrow.csv.read_csv(
        tmp_path / "scores.csv", parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)
    )
    np.testing.assert_array_equal(np.float32(back["click_probability"]), np.float32(scores))


def by_hand(path, **columns):
    """The model's click probability of encoded rows, features looked up here."""
    saved = checkpoints.load(path)
    batch = {name: torch.tensor(values) for name, values in columns.items()}
    for features, key in ((saved.user_features, "user_id"), (saved.item_features, "item_id")):
        for name in features:
            batch.setdefault(name, features[batch[key]][name])
    with torch.no_grad():
        return saved.build_model().predict(batch).numpy()


ROW = {"hour": ["3"] * 2, "dwell": [0.5] * 2, "tags": ["t1"] * 2, "vector": ["0.1"] * 2}


def test_unknown_tokens_are_scored_as_id_0_and_counted(shop, said):
    _, binary, _, _ = shop
    rows = {**ROW, "user_id": ["nobody", "1"], "item_id": ["2", None], "tags": ["t1", "new t1 x"]}
    scored = predict(binary, rows)
    saved = checkpoints.load(binary)
    encoded = saved.encoder.transform(saved.encoder.table({**ROW, "tags": [["t1"]] * 2,
                                                           "vector": [[0.1]] * 2}))  # fmt: skip
    item, user = saved.encoder.ids("item_id", ["2"]), saved.encoder.ids("user_id", ["1"])
    padded = torch.zeros_like(encoded["tags"][1])
    padded[1] = encoded["tags"][0, 0]  # the known tag stands where it stood, after an unknown one
    tags = torch.stack([encoded["tags"][0], padded])
    expected = by_hand(
        binary,
        **{name: column.tolist() for name, column in encoded.items() if name != "tags"},
        tags=tags.tolist(),
        user_id=[0, int(user)],
        item_id=[int(item), 0],
    )
    assert_scores(scored, {"click_probability": expected})
    (line,) = [record.message for record in said.records if record.levelname == "WARNING"]
    assert line == ("Scored as unknown, in 2 rows: 1 of user_id, 2 of tags, 1 without item_id")


def test_rows_that_are_all_unknown_raise_a_question(shop, said):
    _, binary, _, _ = shop
    predict(binary, {**ROW, "user_id": ["a", "b"], "item_id": [1, 2]})
    assert "No row has a known user_id; are these the data set's own?" in said.text


def test_a_feature_in_the_rows_wins_over_the_checkpoint(shop, said):
    _, binary, _, _ = shop
    ids = {"user_id": [1, 1], "item_id": [2, 2]}
    scored = predict(binary, {**ROW, **ids, "height": [151.0, 180.0], "age": ["21", "26"]})
    as_known = predict(binary, {**ROW, **ids})["click_probability"].tolist()
    assert scored["click_probability"][0] == pytest.approx(as_known[0], abs=1e-6)
    assert abs(scored["click_probability"][1] - as_known[1]) > 1e-4
    assert "Taken from the rows, not from the checkpoint: age, height" in said.text


def test_a_rating_changes_nothing(shop, said):
    folder, _, graded, expected = shop
    frame = frame_of(folder)
    frame["rating"] = frame["rating"].to_numpy()[::-1]
    frame["label"] = "whatever"
    scored = predict(graded, frame)
    assert_scores(scored, expected[graded])
    assert (scored["rating"] == frame["rating"]).all()
    assert "not read by the model: rating, label" not in said.text  # a frame keeps them anyway
    predict(graded, pa.Table.from_pandas(frame))
    assert "Kept in the output, not read by the model: rating, label" in said.text


def test_a_scorer_is_read_once_and_counts_anew(shop, said):
    _, binary, _, _ = shop
    scorer = Scorer.load(binary, batch_size=2)
    for _ in range(2):
        predict(scorer, {**ROW, "user_id": ["a", "1"], "item_id": [1, 2]})
    assert said.text.count("Scored as unknown, in 2 rows: 1 of user_id") == 2


GOOD = "user_id,item_id,hour,dwell,tags,vector\n1,2,3,0.5,t1,0.1\n2,3,4,0.5,t1,0.2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("user_id", "userid"), "expected the column 'user_id', which the model reads,"
         " got userid, item_id, hour, dwell, tags, vector. Did you mean 'userid'?"),
        (GOOD.replace("dwell", "time"), "expected the column 'dwell', which the model reads"),
        (GOOD.replace("4,0.5", "4,long"), "row 2: column 'dwell': expected a number, got 'long'"),
        (GOOD.replace("0.2", "0.2 x"), "row 2: column 'vector': expected a number, got 'x'"),
        (GOOD + "3,4\n", "line 4: expected 6 columns, got 2: '3,4'"),
        (GOOD.splitlines()[0] + "\n", "expected at least one row, got none"),
        ("", "the file is empty"),
        ("\n1,2\n", "line 1: expected the names of the columns"),
        (GOOD.replace("hour", "dwell"), "the column 'dwell' stands twice"),
        (GOOD.replace("\n", ",click_probability\n"),
         "the column 'click_probability' is there already"),
        (GOOD.replace("t1,0.2", "\xff,0.2"), "line 3: expected text in utf-8, got the byte 0xff"),
    ],
)  # fmt: skip
def test_malformed_rows_are_refused(shop, tmp_path, capsys, text, message):
    _, binary, _, _ = shop
    rows, output = tmp_path / "rows.csv", tmp_path / "scores.csv"
    rows.write_bytes(text.encode("latin-1"))
    output.write_text("what was there\n")
    assert main(["predict", f"--checkpoint={binary}", f"--input={rows}", f"--output={output}",
                 "--use_gpu=False"]) == 2  # fmt: skip
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert output.read_text() == "what was there\n"
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "scores.csv"}


def test_the_row_at_fault_is_counted_over_all_chunks(shop, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text(GOOD.replace("4,0.5", "4,long"))
    with pytest.raises(DataError, match=r"rows.csv, row 2: column 'dwell'"):
        predict(shop[1], rows, chunk_rows=1)


@pytest.mark.parametrize("block_bytes", range(100, 140, 3))
def test_a_line_feed_within_quotes_may_lie_between_two_blocks(
    shop, tmp_path, monkeypatch, block_bytes
):
    monkeypatch.setattr("recbole.data.row_files._BLOCK_BYTES", block_bytes)
    rows = tmp_path / "rows.csv"
    lines = [f'{n},2,3,0.5,t1,0.1,"one\n\n\ntwo"' for n in range(1, 21)]
    rows.write_text("\n".join([GOOD.splitlines()[0] + ",note", *lines]) + "\n")
    scored = predict(shop[1], rows)
    assert scored["user_id"].tolist() == [str(n) for n in range(1, 21)]
    assert scored["note"].tolist() == ["one\n\n\ntwo"] * 20


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": "rows.txt"}, "expected a file that ends in .csv, .parquet, .inter, got '.txt'"),
        ({"input": "no.csv"}, "no.csv: no such file"),
        ({"input": "fake.parquet"}, "fake.parquet: expected a Parquet file"),
        (
            {"output": "scores.inter"},
            "an output that ends in .csv, .parquet, got '.inter'",
        ),
        ({"output": "rows.csv"}, "rows.csv: expected an output other than the input"),
        ({"output": "./rows.csv"}, "expected an output other than the input"),
        ({"checkpoint": "no.pth"}, "Checkpoint no.pth does not exist"),
        ({"device": "tpu"}, "Option 'device': expected cpu, cuda or cuda:<number>, got 'tpu'"),
        ({"batch_size": "0"}, "expected a whole number from 1, got '0'"),
        ({"use_gpu": "perhaps"}, "expected True or False, got 'perhaps'"),
        ({"bach_size": "9"}, "unknown argument '--bach_size'. Did you mean '--batch_size'?"),
    ],
)
def test_bad_arguments_exit_2(shop, tmp_path, monkeypatch, capsys, given, message):
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(GOOD)
    Path("fake.parquet").write_text(GOOD)
    arguments = {"checkpoint": shop[1], "input": "rows.csv", "output": "scores.csv", **given}
    assert main(["predict", *(f"--{name}={value}" for name, value in arguments.items())]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert Path("rows.csv").read_text() == GOOD
    assert not Path("scores.csv").exists()


def test_rows_of_other_kinds_are_refused(shop):
    with pytest.raises(DataError, match=r"expected a path, a data frame, .* got int"):
        predict(shop[1], 3)
    with pytest.raises(DataError, match="column 'user_id': expected text or numbers, got struct"):
        predict(shop[1], {**ROW, "user_id": [{"a": 1}, {"a": 2}], "item_id": [1, 2]})


def test_a_column_that_has_no_form_in_csv(shop, tmp_path):
    rows = pa.table({**ROW, "user_id": [1, 2], "item_id": [1, 2], "s": [{"a": 1}, {"a": 2}]})
    with pytest.raises(DataError, match=r"the column 's' of type struct<.*> has no form in CSV"):
        predict(shop[1], rows, tmp_path / "scores.csv")
    predict(shop[1], rows, tmp_path / "scores.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


def test_lists_of_parquet_become_text_in_csv(shop, tmp_path):
    rows = pa.table({**ROW, "user_id": [1, 2], "item_id": [1, 2], "tags": [["t1", "t2"], ["t3"]]})
    predict(shop[1], rows, tmp_path / "scores.csv")
    back = pyarrow.csv.read_csv(tmp_path / "scores.csv")
    assert back["tags"].to_pylist() == ["t1 t2", "t3"]
    # Text has as many digits as float32 needs, read as float64.
    assert_scores(back, {"click_probability": predict(shop[1], rows)["click_probability"]}, 2**-24)


def test_a_cell_is_no_column(shop):
    _, binary, *_ = shop
    for rows in ({"user_id": "12", "item_id": "34"}, {"user_id": [1], "item_id": 34}):
        message = r"rows: expected a list of cells in the column '(user|item)_id', got '?(12|34)"
        with pytest.raises(DataError, match=message):
            predict(binary, rows)


def test_a_repeated_column_of_a_frame_is_named_once(shop):
    _, binary, *_ = shop
    rows = pd.DataFrame([["1", "2", "3"]], columns=["user_id", "item_id", "item_id"])
    for output in (None, "scores.csv"):
        with pytest.raises(DataError, match=r"^rows: the column 'item_id' stands twice$"):
            predict(binary, rows, output)
