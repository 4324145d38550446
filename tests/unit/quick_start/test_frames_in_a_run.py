"""A run on data frames ends as one on the files of the same content, and its checkpoint works."""

from pathlib import Path

import pandas as pd
import pytest

from recbole.config import Config
from recbole.data import create_dataset, from_pandas
from recbole.errors import CheckpointError, ConfigError, DataError
from recbole.quick_start import load_data_and_model, predict, recommend, run, run_recbole

RUN = {
    "epochs": 2,
    "train_batch_size": 128,
    "embedding_size": 4,
    "mlp_hidden_size": [8],
    "multi_cls": 5,
    "log_tensorboard": False,
    "show_progress": False,
    "use_gpu": False,
}
DATA = {"threshold": {"rating": 4}}


def frames():
    """The files of `toy` as data frames, typed as their headers say."""
    tables = []
    for suffix in ("inter", "user", "item"):
        frame = pd.read_csv(f"dataset/toy/toy.{suffix}", sep="\t", dtype=str)
        for title in frame.columns:
            name, _, kind = title.partition(":")
            if kind == "float":
                frame[title] = frame[title].astype(float)
            elif kind == "token_seq":
                frame[title] = frame[title].str.split(" ")
            frame = frame.rename(columns={title: name})
        tables.append(frame)
    return tables


@pytest.fixture
def trained(toy):
    """A Dataset of frames, and the result and the checkpoint of a run on it."""
    dataset = from_pandas(*frames(), config=DATA)
    result = run_recbole("WideDeep", dataset, config_dict={**RUN, "checkpoint_dir": "frames"})
    (path,) = Path("frames").glob("*.pth")
    return dataset, result, path


def test_a_run_ends_as_on_files(trained):
    dataset, result, _ = trained
    assert result == run_recbole("WideDeep", "toy", config_dict={**RUN, **DATA})
    assert result == run("WideDeep", dataset, config_dict=RUN, saved=True)
    assert result == run_recbole("WideDeep", "toy", config_dict={**RUN, **DATA})
    from_files = create_dataset(Config("WideDeep", "toy", config_dict={**RUN, **DATA}))
    assert result == run_recbole("WideDeep", from_files, config_dict=RUN)


def test_the_seed_of_the_run_is_that_of_the_split(trained):
    dataset, result, _ = trained
    other = run_recbole("WideDeep", dataset, config_dict={**RUN, "seed": 1})
    assert other != result
    assert other == run_recbole("WideDeep", "toy", config_dict={**RUN, **DATA, "seed": 1})


def test_the_checkpoint_scores_ranks_and_is_loaded(trained):
    dataset, _, path = trained
    scores = predict(path, {"user_id": ["u1"], "item_id": ["i1"]})
    assert isinstance(scores, pd.DataFrame)
    lists = recommend(path, ["u1"], 3, dataset=dataset)
    assert isinstance(lists, pd.DataFrame)
    _, _, loaded, *_ = load_data_and_model(path, dataset=dataset)
    assert len(loaded) == len(dataset)
    seen = loaded.inter_feat[loaded.inter_feat["user_id"] == loaded.token2id("user_id", "u1")]
    touched = set(loaded.id2token("item_id", seen["item_id"]))
    assert len(touched) and not touched & set(lists["item_id"])


def test_other_data_is_refused(trained):
    *_, path = trained
    for use in (
        lambda **kw: recommend(path, ["u1"], **kw),
        lambda **kw: load_data_and_model(path, **kw),
    ):
        with pytest.raises(CheckpointError, match=r"trained on data frames.*from_pandas"):
            use()
        inter, users, items = frames()
        with pytest.raises(CheckpointError, match="changed since training: interactions"):
            use(dataset=from_pandas(inter[1:], users, items, config=DATA))
    assert len(recommend(path, ["u1"], include_seen=True)) == 10


def test_an_option_of_the_preparation_cannot_be_changed_any_more(trained):
    dataset, *_ = trained
    with pytest.raises(ConfigError, match="'threshold': the Dataset was prepared with"):
        run_recbole("WideDeep", dataset, config_dict={**RUN, "threshold": {"rating": 3}})


def test_a_run_on_parquet_files(toy):
    """The same run, its lists with titles, and what is said where the files are gone."""
    expected = run_recbole("WideDeep", "toy", config_dict={**RUN, **DATA})
    folder = Path("dataset/toy")
    for suffix, frame in zip(("inter", "user", "item"), frames(), strict=True):
        frame.to_parquet(folder / f"toy.{suffix}.parquet", index=False)
        (folder / f"toy.{suffix}").unlink()
    settings = {**RUN, **DATA, "checkpoint_dir": "parquet"}
    assert run_recbole("WideDeep", "toy", config_dict=settings) == expected
    (path,) = Path("parquet").glob("*.pth")
    lists = recommend(path, ["u1"], 3, titles="year")
    years = pd.read_parquet(folder / "toy.item.parquet").set_index("item_id")["year"]
    assert lists["year"].tolist() == years[lists["item_id"]].tolist()
    (folder / "toy.inter.parquet").unlink()
    with pytest.raises(DataError, match=r"toy\.inter is not there"):
        recommend(path, ["u1"], 3)
