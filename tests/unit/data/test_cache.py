"""The cache of prepared data: the same as fresh, never stale, damaged or in the way."""

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from pydantic_core import PydanticUndefined

from recbole.data import DataOptions, cache, create_dataset, source_files
from recbole.data.archive import DamagedArchiveError, read_archive, write_archive
from recbole.data.files import read_atomic_files
from recbole.data.source_files import Sources
from tests.conftest import PROJECT
from tests.unit.data.data_files import INTER, ITEM, USER, StandIn, write

FILES = {"inter": INTER, "user": USER, "item": ITEM}
EVERYTHING = {
    "threshold": {"rating": 3},
    "numerical_features": ["income", "vector"],
    "discretization": {"income": {"method": "LD"}},
}


@pytest.fixture
def preparations(monkeypatch):
    """The number of times that files have been read, as a list of their names."""
    names = []

    def counted(folder, name, *rest):
        names.append(name)
        return read_atomic_files(folder, name, *rest)

    monkeypatch.setattr("recbole.data.preparation.read_atomic_files", counted)
    return names


def load(folder, **options):
    return create_dataset(StandIn(folder, **{**EVERYTHING, **options}))


def entries(folder):
    return sorted((folder / "toy" / ".cache").glob("[!.]*.npz"))


def columns_of(table):
    return {} if table is None else {n: (c.dtype, c.tolist()) for n, c in table.interaction.items()}


def assert_same(one, other):
    """Two Datasets are equal in everything that anyone can ask of them."""
    assert one.schema == other.schema and str(one) == str(other)
    assert one.statistics == other.statistics and one.fingerprint == other.fingerprint
    plain, theirs = one.encoder.to_dict(), other.encoder.to_dict()
    assert repr(plain) == repr(theirs) and one.encoder.fields == other.encoder.fields
    for name in ("inter_feat", "user_feat", "item_feat"):
        mine, its = columns_of(getattr(one, name)), columns_of(getattr(other, name))
        assert repr(mine) == repr(its)  # NaN is not equal to itself
    for part, its in zip(one.build(), other.build(), strict=True):
        assert repr(columns_of(part.inter_feat)) == repr(columns_of(its.inter_feat))
    for name in ("times", "ratings"):
        mine, its = getattr(one._encoded, name), getattr(other._encoded, name)
        assert (mine is None and its is None) or (
            np.array_equal(mine, its) and mine.dtype == its.dtype
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"eval_args": {"order": "TO"}},
        {"rating_bins": [4], "threshold": {"rating": "level 2"}},
        {"discretization": {"income": {"method": "ED", "bucket": 3}}},
        {"load_col": {"inter": ["user_id", "item_id", "rating"]}, "numerical_features": [],
         "discretization": None},
    ],
)  # fmt: skip
def test_a_cached_dataset_is_as_a_fresh_one(tmp_path, preparations, monkeypatch, options):
    monkeypatch.setattr(StandIn, "__getitem__", lambda self, name: self._values.get(name))
    write(tmp_path, **FILES)
    fresh = load(tmp_path, data_cache=False, **options)
    load(tmp_path, **options)
    cached = load(tmp_path, **options)
    assert len(preparations) == 2 and len(entries(tmp_path)) == 1
    assert_same(cached, fresh)


def test_benchmark_parts_are_cached_too(tmp_path, preparations):
    write(tmp_path, train_inter=INTER, valid_inter=INTER, test_inter=INTER)
    options = {"benchmark_filename": ["train", "valid", "test"], "data_cache": True,
               "numerical_features": [], "discretization": None}  # fmt: skip
    fresh, cached = load(tmp_path, **options), load(tmp_path, **options)
    assert len(preparations) == 1
    assert_same(cached, fresh)


OTHER_VALUES = {
    "field_separator": ";",
    "seq_separator": ",",
    "stream": True,
    "stream_rows": 4096,
    "encoding": "latin-1",
    "USER_ID_FIELD": "user",
    "ITEM_ID_FIELD": "item",
    "RATING_FIELD": "stars",
    "TIME_FIELD": "time",
    "LABEL_FIELD": "click",
    "threshold": {"rating": 4},
    "rating_bins": [2, 4],
    "numerical_features": ["income"],
    "seq_len": {"genre": 1},
    "load_col": {"inter": ["user_id"]},
    "unload_col": {"user": ["age"]},
    "unused_col": {"user": ["age"]},
    "rm_dup_inter": "last",
    "val_interval": {"rating": "[1,3]"},
    "filter_inter_by_user_or_item": False,
    "user_inter_num_interval": "[2,inf)",
    "item_inter_num_interval": "[2,inf)",
    "normalize_field": ["income"],
    "normalize_all": False,
    "discretization": {"income": {"method": "LD"}},
    "benchmark_filename": ["train", "valid", "test"],
}


def test_every_option_is_part_of_the_key_unless_named(tmp_path):
    """An option added later is so too, without a thought; and it must be listed above."""
    fields = DataOptions.model_fields
    assert OTHER_VALUES.keys() | cache.WITHOUT_EFFECT == fields.keys()
    assert not OTHER_VALUES.keys() & cache.WITHOUT_EFFECT
    write(tmp_path, **FILES)
    found = Sources.of(tmp_path / "toy", "toy", tmp_path)
    keys = [cache.entry_key(found, DataOptions())]
    for name, value in OTHER_VALUES.items():
        assert fields[name].default is not PydanticUndefined
        changed = DataOptions().model_copy(update={name: DataOptions.model_validate(
            {**_needed_by(name), name: value}).__dict__[name]})  # fmt: skip
        assert getattr(changed, name) != fields[name].default, name
        keys.append(cache.entry_key(found, changed))
    assert len(set(keys)) == len(OTHER_VALUES) + 1


def _needed_by(name):
    return {"rating_bins": [2]} if name == "threshold" else {}


def test_options_without_effect_share_an_entry_and_still_have_their_effect(tmp_path, preparations):
    write(tmp_path, **FILES)
    one = load(tmp_path)
    other = load(
        tmp_path,
        eval_args={"split": {"LS": "valid_and_test"}, "order": "TO"},
        train_batch_size=1,
        eval_batch_size=1,
        shuffle=False,
    )
    assert len(preparations) == 1 and other.options.train_batch_size == 1
    assert [len(part) for part in one.build()] != [len(part) for part in other.build()]
    reseeded = create_dataset(StandIn(tmp_path, seed=7, **EVERYTHING))
    assert not torch.equal(one.rows_of_parts()[0], reseeded.rows_of_parts()[0])
    assert len(preparations) == 1


class TestNeverStale:
    def test_a_changed_byte(self, tmp_path, preparations):
        """In place, of the same size, with the old time of modification put back, and at once."""
        write(tmp_path, **FILES)
        path = tmp_path / "toy" / "toy.inter"
        before = path.stat()
        for rating in (5, 4, 1, 2):
            with path.open("r+b") as file:
                file.seek(INTER.index("5\t10"))
                file.write(str(rating).encode())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert load(tmp_path).inter_feat["rating"][0] == rating
        assert path.stat().st_mtime_ns == before.st_mtime_ns and len(preparations) == 4

    def test_a_changed_byte_long_after(self, tmp_path, monkeypatch, preparations):
        """Once hashes are remembered, too."""
        monkeypatch.setattr(source_files, "_UNTOUCHED_NS", -(10**12))
        write(tmp_path, **FILES)
        path = tmp_path / "toy" / "toy.inter"
        before = path.stat()
        load(tmp_path)
        assert (tmp_path / "toy" / ".cache" / "sha256.json").is_file()
        time.sleep(0.05)  # the next tick
        path.write_text(INTER.replace("5\t10", "1\t10"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert load(tmp_path).inter_feat["rating"][0] == 1

    def test_a_file_that_comes_or_goes(self, tmp_path):
        write(tmp_path, **FILES)
        load(tmp_path)
        (tmp_path / "toy" / "toy.item").unlink()
        without = load(tmp_path, numerical_features=["income"])
        assert without.item_feat is None
        write(tmp_path, item=ITEM)
        assert load(tmp_path).item_feat is not None

    def test_another_format_or_code(self, tmp_path, monkeypatch, preparations):
        write(tmp_path, **FILES)
        load(tmp_path)
        monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
        load(tmp_path)
        assert len(preparations) == 2
        monkeypatch.setattr(cache, "code_digest", lambda: "edited")
        load(tmp_path)
        assert len(preparations) == 3

    def test_a_file_changed_while_it_is_read_is_not_kept(self, tmp_path, monkeypatch):
        write(tmp_path, **FILES)
        monkeypatch.setattr(Sources, "unchanged", lambda self: False)
        load(tmp_path)
        assert entries(tmp_path) == []

    def test_unchanged_notices_every_touch(self, tmp_path):
        write(tmp_path, **FILES)
        found = Sources.of(tmp_path / "toy", "toy", tmp_path)
        assert found.unchanged()
        time.sleep(0.02)
        (tmp_path / "toy" / "toy.user").write_text(USER)
        assert not found.unchanged()
        (tmp_path / "toy" / "toy.user").unlink()
        assert not found.unchanged()


class TestHashes:
    def test_are_remembered_for_files_long_untouched_only(self, tmp_path, monkeypatch):
        write(tmp_path, **FILES)
        hashed = []
        plain = source_files.sha256
        monkeypatch.setattr(source_files, "sha256", lambda path: hashed.append(path) or plain(path))
        for _ in range(2):
            assert Sources.of(tmp_path / "toy", "toy", tmp_path).sha256.keys() == {
                "toy.inter", "toy.user", "toy.item"}  # fmt: skip
        assert len(hashed) == 6
        monkeypatch.setattr(source_files, "_UNTOUCHED_NS", 0)
        time.sleep(0.05)
        known = [Sources.of(tmp_path / "toy", "toy", tmp_path).sha256 for _ in range(3)]
        assert len(hashed) == 9 and known[0] == known[2]

    @pytest.mark.parametrize("text", ["", "{}", '{"files": {}, "check": "x"}', "[1]", "\x00"])
    def test_a_damaged_index_is_made_anew(self, tmp_path, monkeypatch, text):
        monkeypatch.setattr(source_files, "_UNTOUCHED_NS", -(10**12))
        write(tmp_path, **FILES)
        right = Sources.of(tmp_path / "toy", "toy", tmp_path).sha256
        index = tmp_path / "sha256.json"
        written = index.read_text()
        index.write_text(text)
        assert Sources.of(tmp_path / "toy", "toy", tmp_path).sha256 == right
        first = next(iter(right.values()))
        index.write_text(written.replace(first, first[::-1]))
        assert Sources.of(tmp_path / "toy", "toy", tmp_path).sha256 == right

    def test_only_the_files_of_the_data_set_count(self, tmp_path):
        write(tmp_path, inter=INTER, zip="x", link="x", inter_parquet="x", txt="x")
        (tmp_path / "toy" / "toyota.inter").write_text(INTER)
        (tmp_path / "toy" / "toy.item").mkdir()
        found = source_files.source_files(tmp_path / "toy", "toy")
        assert [path.name for path in found] == ["toy.inter", "toy.inter.parquet"]


class TestDamage:
    def damage(self, tmp_path, change):
        write(tmp_path, **FILES)
        fresh = load(tmp_path)
        (entry,) = entries(tmp_path)
        content = bytearray(entry.read_bytes())
        entry.write_bytes(bytes(change(content)))
        return fresh, entry

    @pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.99])
    def test_a_flipped_bit_is_noticed_or_without_effect(self, tmp_path, share):
        def flip(content):
            content[int(share * len(content))] ^= 16
            return content

        fresh, _ = self.damage(tmp_path, flip)
        assert_same(load(tmp_path), fresh)

    @pytest.mark.parametrize("field", [8, 10], ids=["encrypted", "another compression"])
    def test_a_flipped_bit_in_the_table_of_contents_is_noticed(self, tmp_path, caplog, field):
        def flip(content):
            content[content.index(b"PK\x01\x02") + field] ^= 1
            return content

        fresh, _ = self.damage(tmp_path, flip)
        caplog.clear()
        assert_same(load(tmp_path), fresh)
        assert "the data is prepared anew" in caplog.text

    @pytest.mark.parametrize("left", [0, 10, 500, -30])
    def test_a_cut_file_is_made_anew_with_one_warning(self, tmp_path, caplog, preparations, left):
        fresh, entry = self.damage(tmp_path, lambda content: content[:left])
        caplog.clear()
        assert_same(load(tmp_path), fresh)
        assert len(preparations) == 2
        (warning,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        assert str(entry) in warning and "prepared anew" in warning
        assert_same(load(tmp_path), fresh)
        assert len(preparations) == 2

    def test_a_pickle_is_not_read(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez(path, tree=np.array([{"a": 1}], object))
        with pytest.raises(DamagedArchiveError):
            read_archive(path)

    def test_archives_hold_what_was_put_in(self, tmp_path):
        tree = {"a": [1, 2.5, None, "x"], "b": {"c": torch.tensor([[1.0, float("nan")]])},
                "d": [torch.arange(3, dtype=torch.uint8), ["u", "v"]], "e": []}  # fmt: skip
        write_archive(tmp_path / "x.npz", tree)
        again = read_archive(tmp_path / "x.npz")
        assert repr(again) == repr(tree)


def test_warnings_are_given_again(tmp_path, caplog, preparations):
    write(tmp_path, inter=INTER + "u8\ta\t3\t70\n", user=USER, item=ITEM)
    texts = []
    for _ in range(2):
        caplog.clear()
        load(tmp_path)
        texts.append([r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING])
    assert len(preparations) == 1
    assert texts[0] == texts[1] and any("without a row in .user" in text for text in texts[0])


def test_warnings_are_kept_where_the_log_shows_none(tmp_path, caplog, preparations):
    """state: ERROR sets the level of the project's logger."""
    write(tmp_path, inter=INTER + "u8\ta\t3\t70\n", user=USER, item=ITEM)
    package = logging.getLogger("recbole.data")
    before = package.level, package.propagate
    with caplog.at_level(logging.ERROR, "recbole"):
        load(tmp_path)
        assert (package.level, package.propagate) == before
    assert caplog.messages == []
    load(tmp_path)
    assert len(preparations) == 1
    assert any("without a row in .user" in text for text in caplog.messages)


def test_errors_are_shown_while_warnings_are_kept(caplog):
    log = logging.getLogger("recbole.data.files")
    with caplog.at_level(logging.ERROR, "recbole"), cache.recorded_warnings() as texts:
        log.warning("kept")
        log.error("shown")
    assert caplog.messages == ["shown"] and texts == ["kept", "shown"]


def test_data_sets_loaded_at_the_same_time_leave_the_log_as_it_was(caplog):
    package = logging.getLogger("recbole.data")
    before = package.level, package.propagate
    inside, kept = threading.Event(), {}

    def prepare(name):
        with cache.recorded_warnings() as kept[name]:
            inside.set()
            time.sleep(0.05)
            logging.getLogger("recbole.data.files").warning(name)

    threads = [threading.Thread(target=prepare, args=name) for name in "ab"]
    for thread in threads:
        thread.start()
        inside.wait()
    for thread in threads:
        thread.join()
    assert (package.level, package.propagate) == before
    assert kept == {"a": ["a"], "b": ["b"]}
    assert caplog.messages == ["a", "b"]


class TestPlace:
    def test_can_be_chosen(self, tmp_path, preparations):
        write(tmp_path, **FILES)
        for _ in range(2):
            load(tmp_path, data_cache=str(tmp_path / "elsewhere"))
        assert len(preparations) == 1 and not (tmp_path / "toy" / ".cache").exists()
        assert len(list((tmp_path / "elsewhere" / "toy").glob("*.npz"))) == 1

    def test_can_be_none(self, tmp_path, preparations):
        write(tmp_path, **FILES)
        for _ in range(2):
            load(tmp_path, data_cache=False)
        assert len(preparations) == 2 and not (tmp_path / "toy" / ".cache").exists()

    def test_that_cannot_be_made_is_none(self, tmp_path, caplog, preparations):
        write(tmp_path, **FILES)
        (tmp_path / "toy" / ".cache").write_text("in the way")
        for _ in range(2):
            load(tmp_path)
        assert len(preparations) == 2
        assert not [r for r in caplog.records if r.levelno >= logging.WARNING]

    def test_that_is_full_costs_a_warning(self, tmp_path, monkeypatch, caplog):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        write(tmp_path, **FILES)
        monkeypatch.setattr(np, "savez", full)
        load(tmp_path)
        assert "not kept for the next load: [Errno 28] No space left" in caplog.text
        assert entries(tmp_path) == [] and not list((tmp_path / "toy" / ".cache").glob(".*"))

    def test_keeps_the_entries_used_last(self, tmp_path, preparations):
        write(tmp_path, **FILES)
        place = tmp_path / "toy" / ".cache"
        load(tmp_path)
        (first,) = entries(tmp_path)
        left = place / ".0123.npz.99999"
        left.write_text("half")
        os.utime(left, (0, 0))
        fresh = place / ".0123.npz.99998"
        fresh.write_text("half")
        for rating in range(2, 2 + cache.KEPT):
            for entry in entries(tmp_path):
                used = 1000 if entry == first else 2000 + rating
                os.utime(entry, (used, used))
            load(tmp_path)  # used again: it stays, though it was the oldest
            load(tmp_path, threshold={"rating": rating + 0.5})
        assert first in entries(tmp_path) and len(entries(tmp_path)) == cache.KEPT
        assert not left.exists() and fresh.exists()
        assert len(preparations) == 1 + cache.KEPT


def _load_in_a_process(folder):
    return load(folder).inter_feat["item_id"].tolist()


def test_two_processes_at_once(tmp_path):
    write(tmp_path, **FILES)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_load_in_a_process, [tmp_path] * 6)
    assert all(items == found[0] for items in found)
    assert len(entries(tmp_path)) == 1 and not list((tmp_path / "toy" / ".cache").glob(".*.npz*"))


def test_loading_imports_no_pandas(tmp_path):
    """It costs more than loading; see `recbole.data.arrow_arrays`."""
    write(tmp_path, **FILES)
    program = f"""
import sys
from recbole.config import Config
from recbole.data import create_dataset
for _ in range(2):
    create_dataset(Config("WideDeep", "toy", config_dict={{
        "data_path": {str(tmp_path)!r}, "threshold": {{"rating": 3}}, "use_gpu": False,
        "val_interval": {{"item_id": ["a", "b"]}}, "numerical_features": ["income", "vector"]}}))
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT)
