"""Rows that stream from disk: the same rows, numbers and results as in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from pyarrow import csv

from recbole.config import Config
from recbole.data import DataOptions, FeatureType, create_dataset, data_preparation
from recbole.data import stream_preparation as preparation
from recbole.data.header import read_header
from recbole.errors import ConfigError, DataError
from recbole.quick_start import load_data_and_model, run_recbole
from tests.conftest import TOY_OPTIONS, write_toy_dataset

LARGE = {"stream_rows": 64, "train_batch_size": 50, "eval_batch_size": 33}


def loaders(options, **more):
    config = Config("WideDeep", "toy", config_dict={**options, **LARGE, **more})
    dataset = create_dataset(config)
    return dataset, data_preparation(config, dataset)


def both(options, **more):
    """The same data in memory and streamed."""
    return loaders(options, **more), loaders(options, **more, stream=True)


def rows_of(loader):
    batches = list(loader.batches())
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        assert torch.equal(one[name].nan_to_num(-9), other[name].nan_to_num(-9)), name


@pytest.fixture
def wide(tmp_path, monkeypatch):
    """Interactions with features of every type of their own, holes and filters' prey in them."""
    random = np.random.default_rng(3)
    path = write_toy_dataset(tmp_path / "dataset")
    lines = (path / "toy.inter").read_text().splitlines()
    with (path / "toy.inter").open("w") as file:
        file.write(f"{lines[0]}\tshop:token\tprice:float\twords:token_seq\tsizes:float_seq\n")
        for line in lines[1:]:
            shop = random.choice(["a", "b", "", "c"])
            price = random.choice(["", f"{random.random() * 90:.3f}"])
            words = " ".join(random.choice(list("xyzuvw"), random.integers(0, 4)))
            sizes = " ".join(f"{v:.2f}" for v in random.random(random.integers(0, 3)))
            *ids_and_rating, _ = line.split("\t")
            time = random.integers(1000, 2000)  # not in the order of the file
            file.write("\t".join([*ids_and_rating, f"{time}\t{shop}\t{price}\t{words}\t{sizes}\n"]))
    monkeypatch.chdir(tmp_path)
    return {**TOY_OPTIONS, "numerical_features": ["price", "sizes", "height"]}


VARIANTS = {
    "plain": {},
    "core": {"user_inter_num_interval": "[18,inf)", "item_inter_num_interval": "[0,18]"},
    "values": {"val_interval": {"price": "[10,80]", "shop": ["a", "c"]}},
    "buckets": {"discretization": {"price": {"method": "LD"},
                                   "sizes": {"method": "ED", "bucket": 3}}},
    "by time": {"eval_args": {"order": "TO", "group_by": "user"}},
    "leave one out": {"eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO"}},
    "last duplicates": {"rm_dup_inter": "last"},
    "another seed": {"seed": 5},
    "few columns": {"load_col": {"inter": ["user_id", "item_id", "rating", "words"], "item": "*"},
                    "numerical_features": []},
    "unloaded": {"unload_col": {"inter": ["words", "timestamp"], "user": ["age"]}},
    "time as a number": {"numerical_features": ["timestamp"], "normalize_all": False},
    "multi": {"multi_cls": 5},
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unshuffled_pass_is_that_in_memory(wide, variant):
    more = VARIANTS[variant]
    (plain, in_memory), (streamed, on_disk) = both(wide, shuffle=False, **more)
    assert streamed.schema == plain.schema
    assert streamed.statistics == plain.statistics
    assert str(streamed) == str(plain)
    assert streamed.fingerprint == plain.fingerprint
    for one, other in zip(in_memory, on_disk, strict=True):
        assert len(one) == len(other)
        assert [len(batch) for batch in one.batches()] == [len(b) for b in other.batches()]
        assert_same(rows_of(one), rows_of(other))


def test_a_shuffled_pass_has_every_row_once_in_an_order_of_its_own(wide):
    (_, (in_memory, *_)), (_, (on_disk, *_)) = both(wide)
    reference = rows_of_at(in_memory, torch.arange(in_memory.num_rows))
    orders = []
    for epoch in range(3):
        on_disk.epoch = epoch
        order = on_disk.row_order(epoch)
        assert torch.equal(order.sort().values, torch.arange(in_memory.num_rows))
        assert_same({n: c[order] for n, c in reference.items()}, rows_of(on_disk))
        assert_same(rows_of(on_disk), rows_of(on_disk))
        orders.append(tuple(order.tolist()))
    assert len(set(orders)) == 3
    assert orders[0] != tuple(range(in_memory.num_rows))


def rows_of_at(loader, rows):
    batch = loader.gather(rows)
    return {name: batch[name] for name in batch}


def test_rows_are_mixed_within_windows_and_windows_among_each_other(wide):
    _, (train, *_) = loaders(wide, stream=True)
    order = train.row_order(0).numpy()
    window = order[: LARGE["stream_rows"]]
    assert len(np.unique(window // 8)) == 8  # 8 row groups of 8 rows each
    assert np.ptp(window) > train.num_rows / 3
    neighbours = np.abs(np.diff(window)) == 1
    assert neighbours.mean() < 0.2


@pytest.mark.parametrize("skip", [0, 1, 2, 7, 13, 14])
@pytest.mark.parametrize("shuffle", [True, False])
def test_skipped_batches_are_skipped(wide, skip, shuffle):
    _, (train, *_) = loaders(wide, stream=True, shuffle=shuffle)
    train.epoch = 2
    expected = list(train.batches())[skip:]
    found = list(train.batches(skip))
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        assert_same(one.interaction, other.interaction)


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_batch_of_a_pass_is_a_single_row(wide, shuffle):
    _, (train, *_) = loaders(wide, stream=True, shuffle=shuffle)
    train.batch_size = size = next(n for n in range(20, 90) if train.num_rows % n == 1)
    batches = list(train.batches())
    assert [len(batch) for batch in batches[-2:]] == [size, size + 1]
    assert len(batches) == len(train) == train.num_rows // size
    (last,) = train.batches(len(train) - 1)
    assert_same(last.interaction, batches[-1].interaction)
    assert list(train.batches(len(train))) == []


def test_skipped_windows_are_not_read(wide, monkeypatch):
    _, (train, *_) = loaders(wide, stream=True)
    read, plain = [], train._read
    monkeypatch.setattr(train, "_read", lambda *window: read.append(window) or plain(*window))
    list(train.batches(len(train) - 1))
    assert 1 <= len(read) <= 2


def test_a_run_is_like_that_in_memory(wide):
    options = {**wide, **LARGE, "shuffle": False, "metric_decimal_place": 9}
    for model in ("WideDeep", "DCNV2"):
        one = run_recbole(model, "toy", config_dict=options)
        other = run_recbole(model, "toy", config_dict={**options, "stream": True})
        assert one == other


def test_ranking_streams_where_rows_hold_ids_only(toy):
    options = {**toy, **LARGE, "shuffle": False, "metrics": ["NDCG"], "valid_metric": "NDCG@10"}
    options["eval_args"] = {"mode": "uni5"}
    one = run_recbole("WideDeep", "toy", config_dict=options)
    assert one == run_recbole("WideDeep", "toy", config_dict={**options, "stream": True})


def test_ranking_of_rows_with_features_is_refused(wide):
    options = {**wide, **LARGE, "metrics": ["NDCG"], "valid_metric": "NDCG@10", "stream": True}
    with pytest.raises(DataError, match=r"ranking needs single rows of shop, price, words, sizes"):
        run_recbole("WideDeep", "toy", config_dict={**options, "eval_args": {"mode": "uni5"}})


def test_a_checkpoint_of_a_streamed_run(wide):
    run_recbole("WideDeep", "toy", config_dict={**wide, **LARGE, "stream": True})
    (path,) = Path("saved").glob("*.pth")
    _, model, dataset, *_, test = load_data_and_model(path)
    assert dataset.stream is not None
    assert len(torch.cat([model.predict(batch) for batch in test])) == test.num_rows


def prepared_folders():
    """Those beside which hashes of files lie, too, where the files are older than two seconds."""
    return [path for path in Path("dataset/toy/.stream").iterdir() if path.is_dir()]


def test_several_seeds_split_anew(wide):
    options = {**wide, **LARGE, "stream": True, "seeds": [1, 2], "seeds_together": True}
    result = run_recbole("WideDeep", "toy", config_dict=options)
    for seed, run in zip([1, 2], result["runs"], strict=True):
        assert (
            run == run_recbole("WideDeep", "toy", config_dict={**options, "seeds": seed})["runs"][0]
        )
    assert result["runs"][0]["test_result"] != result["runs"][1]["test_result"]
    assert len(prepared_folders()) == 2


def test_what_is_prepared_is_used_again_until_something_changes(wide, monkeypatch):
    prepared, plain = [], preparation._prepare
    monkeypatch.setattr(
        preparation, "_prepare", lambda *given: prepared.append(given) or plain(*given)
    )
    loaders(wide, stream=True)
    loaders(wide, stream=True, train_batch_size=7, shuffle=False)
    assert len(prepared) == 1
    loaders(wide, stream=True, seed=9)
    loaders(wide, stream=True, threshold={"rating": 3})
    assert len(prepared) == 3
    with Path("dataset/toy/toy.inter").open("a") as file:
        file.write("u1\ti1\t5\t9999\ta\t1\t\t\n")
    loaders(wide, stream=True)
    assert len(prepared) == 4
    monkeypatch.setattr(preparation, "code_digest", lambda: "a later release")
    loaders(wide, stream=True)
    assert len(prepared) == 5


def test_a_preparation_that_fails_leaves_nothing(wide, monkeypatch):
    def full(*_given, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preparation, "write_part", full)
    with pytest.raises(OSError, match="No space left"):
        loaders(wide, stream=True)
    assert not prepared_folders()


def test_a_damaged_file_says_what_to_do(wide):
    _, (train, *_) = loaders(wide, stream=True)
    path = train._file.path
    content = path.read_bytes()
    train._file.group_rows  # noqa: B018 - as a run that is under way has them
    path.write_bytes(b"PAR1" + b"x" * (len(content) - 8) + b"PAR1")
    with pytest.raises(DataError, match=r"train.parquet: the file is damaged .*remove the folder"):
        next(train.batches())


@pytest.mark.parametrize(
    "more", [{"benchmark_filename": ["a", "b", "c"]}, {"train_neg_sample_args": {"sample_num": 1}}]
)
def test_what_does_not_stream(toy, more):
    with pytest.raises(ConfigError, match=f"'stream' and '{next(iter(more))}' are at odds"):
        Config("NFM", "toy", config_dict={**toy, "stream": True, **more})


def test_faults_are_those_in_memory(toy):
    for more, message in (
        ({"load_col": {"inter": ["user_id", "item_id", "ratin"]}}, "ratin"),
        ({"val_interval": {"prise": "[1,2]"}}, "val_interval names 'prise'"),
        ({"numerical_features": ["heigt"]}, "Did you mean 'height'"),
        ({"user_inter_num_interval": "[999,inf)"}, "No row of .inter is left"),
    ):
        messages = []
        for stream in (False, True):
            with pytest.raises(DataError, match=message) as caught:
                loaders(toy, stream=stream, **more)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_rows_stream_from_parquet_as_from_text(toy):
    """The same rows in the same order, whichever kind of file they come from."""
    text = create_dataset(Config("WideDeep", "toy", config_dict={**toy, "stream": True}))
    for path in sorted(Path("dataset/toy").glob("toy.*")):
        options = DataOptions(threshold={"rating": 4})
        columns = read_header(path, options).types
        table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t"))
        table = table.rename_columns(list(columns))
        kinds = {FeatureType.FLOAT: pa.float64()}
        fields = [(name, kinds.get(kind, pa.string())) for name, kind in columns.items()]
        table = table.cast(pa.schema(fields))
        if "genre" in columns:
            genres = pc.split_pattern(table["genre"], " ")
            table = table.set_column(table.column_names.index("genre"), "genre", genres)
        pq.write_table(table, f"{path}.parquet")
        path.unlink()
    binary = create_dataset(Config("WideDeep", "toy", config_dict={**toy, "stream": True}))
    assert binary.fingerprint.keys() == {f"{name}.parquet" for name in text.fingerprint}
    assert [f.name for f in binary.schema.fields] == [f.name for f in text.schema.fields]
    for one, other in zip(binary.build(), text.build(), strict=True):
        for name in one.inter_feat:
            assert torch.equal(one.inter_feat[name], other.inter_feat[name])
