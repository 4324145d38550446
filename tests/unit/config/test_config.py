"""Options: precedence, sources, and an error that names the place for everything else."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import Field, ValidationError

from recbole.config import Config
from recbole.config.compatibility import NOT_SUPPORTED, WITHOUT_MEANING
from recbole.config.options import ModelOptions
from recbole.config.plain_values import plain
from recbole.config.yaml_values import read_file
from recbole.data.sources.registry import SOURCES, find_source
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.registry import MODEL_NAMES

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_precedence_and_sources(folder):
    (folder / "configs/dataset").mkdir(parents=True)
    (folder / "configs/dataset/shop.yaml").write_text(
        "epochs: 1\nlearning_rate: 0.1\nseed: 1\nstopping_step: 1\nweight_decay: 0.1\n"
    )
    (folder / "a.yaml").write_text(
        "learning_rate: 0.2\nseed: 2\nstopping_step: 2\nweight_decay: 0.2\n"
    )
    (folder / "b.yaml").write_text("seed: 3\nstopping_step: 3\nweight_decay: 0.3\n")
    config = Config(
        "DCNV2",
        "shop",
        ["a.yaml", "b.yaml"],
        {"stopping_step": 4, "weight_decay": 0.4},
        {"weight_decay": 0.5},
    )
    names = ["eval_step", "epochs", "learning_rate", "seed", "stopping_step", "weight_decay"]
    assert [config[name] for name in names] == [1, 1, 0.2, 3, 4, 0.5]
    assert [config.sources[name] for name in names] == [
        "default",
        "configs/dataset/shop.yaml",
        "a.yaml",
        "b.yaml",
        "config_dict",
        "command line",
    ]


def test_model_and_data_set_may_stand_in_a_file(folder):
    (folder / "a.yaml").write_text("model: NFM\ndataset: ml-100k\n")
    config = Config(config_file_list=["a.yaml"])
    assert (config.model, config["model"], config.dataset) == ("NFM", "NFM", "ml-100k")
    assert Config("DCNV2", config_file_list=["a.yaml"]).model == "DCNV2"


def test_groups_and_flat_names_agree():
    config = Config("DCNV2", "ml-100k", config_dict={"multi_cls": 5, "cross_layer_num": 7})
    assert config.supervision.multi_cls == config["multi_cls"] == 5
    assert config.model_options.cross_layer_num == config["cross_layer_num"] == 7
    assert config.data.threshold == config["threshold"] == {"rating": 4.0}
    assert "cross_layer_num" in config
    assert "order_list" not in config
    names = list(config)
    assert len(names) == len(set(names)), "two groups share an option's name"


def test_values_travel():
    config = Config(
        "DCNV2", "ml-100k", config_dict={"multi_cls": 5, "clip_grad_norm": {"max_norm": 1}}
    )
    again = Config.from_values("DCNV2", "ml-100k", config.values(), "checkpoint", use_gpu=False)
    assert again.values() == {**config.values(), "use_gpu": False}
    assert again.sources["multi_cls"] == "checkpoint"
    assert again.sources["use_gpu"] == "override"


def test_eval_args_keep_what_is_left_out():
    config = Config("DCNV2", "ml-100k", config_dict={"eval_args": {"split": {"RS": [7, 2, 1]}}},
                    command_line={"eval_args": {"order": "TO"}})  # fmt: skip
    args = config["eval_args"]
    assert (args.split, args.order, args.group_by) == ({"RS": [7, 2, 1]}, "TO", None)


def test_a_mistyped_option_names_the_nearest():
    with pytest.raises(ConfigError) as error:
        Config("DCNV2", "ml-100k", command_line={"multi_rato": 0.7})
    assert str(error.value) == (
        "Unknown option 'multi_rato' (command line). Did you mean 'multi_ratio'?"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "abc"}, "Option 'epochs' (config_dict): expected a whole number, got 'abc'"),
        ({"epochs": 1.5}, "Option 'epochs' (config_dict): expected a whole number, got 1.5"),
        ({"epochs": True}, "Option 'epochs' (config_dict): expected a whole number, got True"),
        ({"epochs": -1}, "Option 'epochs' (config_dict): expected a value of at least 0, got -1"),
        ({"seed": 2**32}, "Option 'seed' (config_dict): expected a value of at most 4294967295"),
        ({"seeds": [1, 2**32]}, "expected a value of at most 4294967295, got 4294967296"),
        (
            {"learning_rate": 0},
            "Option 'learning_rate' (config_dict): expected a value above 0, got 0",
        ),
        ({"use_gpu": 1}, "Option 'use_gpu' (config_dict): expected True or False, got 1"),
        (
            {"multi_ratio": 1.2},
            "Option 'multi_ratio' (config_dict): expected a value of at most 1, got 1.2",
        ),
        (
            {"multi_cls": 1},
            "Option 'multi_cls' (config_dict): expected a value of at least 2, got 1",
        ),
        (
            {"mlp_hidden_size": []},
            "Option 'mlp_hidden_size' (config_dict): expected at least 1 element, got []",
        ),
        (
            {"multi_agg": "sum"},
            "Option 'multi_agg' (config_dict): expected 'prob' or 'logit', got 'sum'",
        ),
        (
            {"eval_args": {"oder": "RO"}},
            "Option 'eval_args[oder]' (config_dict): there is no such key",
        ),
        (
            {"learner": "adm"},
            "Option 'learner' (config_dict): expected one of adam, adamw, sgd, adagrad, rmsprop,"
            " sparse_adam, got 'adm'. Did you mean 'adam'?",
        ),
        (
            {"clip_grad_norm": {"norm_type": 2}},
            "Option 'clip_grad_norm[max_norm]' (config_dict): this key is required",
        ),
        (
            {"order_list": [8]},
            "Option 'order_list' (config_dict) belongs to EulerNet, not to DCNV2.",
        ),
        ({"state": "LOUD"}, "expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, got 'LOUD'"),
        ({"gpu_id": "0,1"}, "expected the number of one device, such as 0, got '0,1'"),
        (
            {"train_neg_sample_args": {"distribution": "uniform", "dynamic": True}},
            "expected no dynamic sampling, which is not supported",
        ),
        (
            {"preload_weight": {"item_id": "vectors"}},
            "Option 'preload_weight' (config_dict) is not supported: embeddings are learned from"
            " scratch; got {'item_id': 'vectors'}",
        ),
    ],
)
def test_refused(options, message):
    with pytest.raises(ConfigError) as error:
        Config("DCNV2", "ml-100k", config_dict=options)
    assert message in str(error.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ConfigError) as error:
        Config("DCNV2", "ml-100k", config_dict={"epochs": -1}, command_line={"sed": 3})
    assert len(str(error.value).splitlines()) == 2


def test_reading_an_option_that_is_not_there():
    config = Config("DCNV2", "ml-100k")
    with pytest.raises(ConfigError, match="Did you mean 'dropout_prob'"):
        config["dropout_rob"]


@pytest.mark.parametrize("option", WITHOUT_MEANING)
def test_recbole_options_without_meaning_are_noted(option):
    config = Config("DCNV2", "ml-100k", config_dict={option: "x"})
    config[option]
    assert config.notes == [
        f"Option '{option}' (config_dict) has no effect: {WITHOUT_MEANING[option]}"
    ]


@pytest.mark.parametrize(
    ("option", "value", "instead"),
    [
        ("eval_setting", "RO_RS,full", "eval_args: {split: {RS: [0.8,0.1,0.1]}"),
        ("neg_sampling", {"uniform": 1}, "train_neg_sample_args: {sample_num: 1}"),
        ("training_neg_sample_num", 1, "train_neg_sample_args: {sample_num: 1}"),
    ],
)
def test_options_of_older_versions_name_what_replaces_them(option, value, instead):
    with pytest.raises(ConfigError) as caught:
        Config("DCNV2", "ml-100k", config_dict={option: value})
    assert str(caught.value).startswith(f"Option '{option}' (config_dict) is not supported: ")
    assert instead in str(caught.value)


def test_no_negatives_as_older_versions_say_it():
    assert Config("DCNV2", "ml-100k", config_dict={"training_neg_sample_num": 0}).notes == []


def test_the_input_type_is_the_models():
    config = Config("DCNV2", "ml-100k", config_dict={"MODEL_INPUT_TYPE": "x"})
    assert config["MODEL_INPUT_TYPE"] is config.model_class.input_type


@pytest.mark.parametrize(("option", "value"), [("multi_ratio", 0.3), ("multi_agg", "logit")])
def test_what_only_a_rating_head_reads_is_noted_without_one(option, value):
    given = {option: value}
    (note,) = Config("DCNV2", "ml-100k", config_dict=given).notes
    assert note == (
        f"Option '{option}' (config_dict) has no effect: there is no rating head without multi_cls"
    )
    assert Config("DCNV2", "ml-100k", config_dict={**given, "multi_cls": 5}).notes == []


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("rm_dup_inter", "first", "rows of benchmark_filename are not filtered"),
        ("val_interval", {"rating": "[3,5]"}, "rows of benchmark_filename are not filtered"),
        ("filter_inter_by_user_or_item", False, "rows of benchmark_filename are not filtered"),
        ("user_inter_num_interval", "[5,inf)", "rows of benchmark_filename are not filtered"),
        ("item_inter_num_interval", "[5,inf)", "rows of benchmark_filename are not filtered"),
        (
            "eval_args",
            {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "uni9"},
            "benchmark_filename says what the parts are, in place of its split and order",
        ),
        (
            "eval_args",
            {"group_by": "user"},
            "benchmark_filename says what the parts are, in place of its group_by",
        ),
    ],
)
def test_what_benchmark_files_leave_nothing_to_is_noted(option, value, reason):
    given = {option: value, "benchmark_filename": ["train", "valid", "test"]}
    notes = Config("DCNV2", "unheard-of", config_dict=given).notes
    assert notes == [f"Option '{option}' (config_dict) has no effect: {reason}"]
    assert Config("DCNV2", "unheard-of", config_dict={option: value}).notes == []


def test_what_asks_for_nothing_is_not_noted():
    nothing = {"eval_args": {"mode": "uni9"}, "user_inter_num_interval": None, "val_interval": None}
    given = {**nothing, "benchmark_filename": ["train", "valid", "test"]}
    assert Config("DCNV2", "unheard-of", config_dict=given).notes == []


def test_one_configuration_file_needs_no_list(folder):
    (folder / "a.yaml").write_text("epochs: 7\n")
    for file in ("a.yaml", Path("a.yaml"), ["a.yaml"], ("a.yaml",)):
        assert Config("DCNV2", "ml-100k", file)["epochs"] == 7


def test_options_that_are_no_dictionary():
    message = "config_dict: expected a dictionary of options, got list"
    with pytest.raises(ConfigError, match=message):
        Config("DCNV2", "ml-100k", config_dict=[1])


@pytest.mark.parametrize("option", NOT_SUPPORTED)
def test_unsupported_options_may_say_nothing(option):
    assert Config("DCNV2", "ml-100k", config_dict={option: None})[option] is None


def test_a_model_that_declares_no_options_may_read_any():
    class Mine(ContextRecommender):
        pass

    config = Config(Mine, "ml-100k", config_dict={"my_size": 3, "epochs": 2})
    assert (config.model, config["my_size"], config["epochs"]) == ("Mine", 3, 2)
    assert config.notes == ["Option 'my_size' (config_dict) is taken as one of Mine's own"]
    assert config.values()["my_size"] == 3
    given = {"weights": (np.float32(0.5), np.linspace(0, 1, 3)), "own": {"a": np.int64(3)}}
    read = Config(Mine, "ml-100k", config_dict=given)
    assert read["weights"] == [0.5, [0.0, 0.5, 1.0]] and type(read["own"]["a"]) is int
    message = r"Option 'activation' \(config_dict\): expected numbers, .* got <class 'list'>"
    with pytest.raises(ConfigError, match=message):
        Config(Mine, "ml-100k", config_dict={"activation": list})


def test_numpys_numbers_are_numbers():
    shares = list(np.array([0.8, 0.1, 0.1]))
    given = {"eval_args": {"split": {"RS": shares}}, "learning_rate": np.float64(0.5)}
    values = Config("DCNV2", "ml-100k", config_dict=given).values()
    assert values["eval_args"]["split"] == {"RS": [0.8, 0.1, 0.1]}
    numbers = [*values["eval_args"]["split"]["RS"], values["learning_rate"]]
    assert {type(number) for number in numbers} == {float}


@pytest.mark.parametrize(
    "text",
    [
        "base: &base {epochs: 3, seed: 4}\nmine: {<<: *base, seed: 5}\n",
        "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nboth: {<<: [*a, *b], w: 5}\n",
        # c is put together before b, deeper down, is.
        "a: &a {x: 1}\ninner: {b: &b {<<: *a, x: 2}}\nc: {<<: *b, x: 3}\n",
    ],
)
def test_merged_mappings_are_those_of_any_yaml(folder, text):
    (folder / "anchors.yaml").write_text(text)
    assert read_file(folder / "anchors.yaml") == yaml.safe_load(text)


def test_options_may_be_merged(folder):
    text = "eval_args: {order: TO}\n<<: {epochs: 7, seed: 1}\nseed: 2\n"
    (folder / "a.yaml").write_text(text)
    config = Config("DCNV2", "ml-100k", "a.yaml")
    assert (config["epochs"], config["seed"], config["eval_args"].order) == (7, 2, "TO")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: [1", "bad.yaml, line 1: "),
        ("epochs: 1\nseed: 2\nepochs: 3\n", "bad.yaml, line 3: the key 'epochs' stands twice"),
        ("epochs: 1\nseed: 0x_\n", "bad.yaml, line 2: '0x_' is no int"),
        (
            "learning_rate: 2024-02-30\n",
            "Option 'learning_rate' (bad.yaml): expected a number, got '2024-02-30'",
        ),
        (
            "a: &a {x: 1}\nb:\n  <<: *a\n  y: 1\n  y: 2\n",
            "bad.yaml, line 5: the key 'y' stands twice",
        ),
        ("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n", "bad.yaml, line 2: the key '<<' stands twice"),
        ("a: {[1, 2]: 3}\n", "bad.yaml, line 1: expected text or a number as a key"),
        ("<<: 1\n", "bad.yaml, line 1: expected a mapping or list of mappings for merging"),
        ("- epochs\n", "bad.yaml: expected options as 'name: value', got list"),
        ("epochs: !!python/object/apply:os.getcwd []", "bad.yaml, line 1: could not determine"),
    ],
)
def test_malformed_files(folder, text, message):
    (folder / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(message)):
        Config("DCNV2", "ml-100k", ["bad.yaml"])


#: A grid and figures, which tests/e2e/test_commands_sh.py and tests/unit/report/ read.
NO_SETTINGS = {"sweep.yaml", "figures.yaml"}
GRIDS = ("ablations", "sweeps")  # folders of files for many runs; see test_grids.py
SETTINGS = [
    path
    for path in sorted((ROOT / "configs").glob("*/*.yaml"))
    if path.name not in NO_SETTINGS and path.parent.name not in GRIDS
]
OF_DATA_SETS = [path for path in SETTINGS if path.parent.name == "dataset"]
OTHER_THRESHOLDS = {
    "anime": {"rating": 8},
    "book-crossing": {"rating": 8},
    "frappe": {"cnt": 2},
    "lastfm": {"listen_count": 260},
    "lastfm-hetrec": {"listen_count": 260},
}


def test_there_are_settings():
    folders = {path.parent.name for path in SETTINGS}
    assert folders == {"dataset", "paper", "ml-100k"}
    assert len(SETTINGS) == 16 + 1 + 3 * 7 + 7


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_of_settings_is_valid(path):
    if path.parent.name == "dataset":
        models, dataset, files = MODEL_NAMES, path.stem, []
    elif path.stem == "shared":
        models, dataset, files = MODEL_NAMES, "ml-1m", [path]
    else:
        dataset, _, model = f"ml-100k-{path.stem}".rpartition("-")
        if path.parent.name == "paper":
            dataset, _, model = path.stem.rpartition("-")
        models, files = [model], [path]
    for model in models:
        config = Config(model, dataset, files)
        assert config.notes == []
        assert config["threshold"] == OTHER_THRESHOLDS.get(path.stem, {"rating": 4})


def columns_named(config):
    """The columns that the settings of a data set name, by the suffix of their file."""
    for named in (config["load_col"], config["unload_col"]):
        for suffix, names in (named or {}).items():
            yield from ((suffix, name) for name in names)


@pytest.mark.parametrize("path", OF_DATA_SETS, ids=lambda path: path.stem)
def test_settings_name_columns_that_the_converter_makes(path):
    source = find_source("amazon-books-2018" if path.stem == "amazon" else path.stem)
    columns = {
        suffix: dict(title.split(":") for title in titles)
        for suffix, titles in source.columns.items()
    }
    config = Config("DCNV2", path.stem)
    for suffix, name in columns_named(config):
        assert name in columns[suffix]
    floats = {name for kinds in columns.values() for name, kind in kinds.items() if kind == "float"}
    assert {*config["numerical_features"], *(config["normalize_field"] or [])} <= floats
    assert set(config["threshold"]) <= floats
    assert config["RATING_FIELD"] in config["threshold"]


def test_every_known_data_set_has_settings():
    names = {path.stem for path in OF_DATA_SETS}
    assert names == {*SOURCES, "amazon", "amazon-book", "amazon-books"}


def test_amazons_categories_share_settings(folder):
    config = Config("DCNV2", "amazon-all-beauty-2018")
    assert config.sources["threshold"] == "configs/dataset/amazon.yaml"
    assert config["user_inter_num_interval"] == "[5,inf)"
    assert Config("DCNV2", "amazon-books").sources["threshold"].endswith("/amazon-books.yaml")
    for own in ("amazon-mine", "amazon-books-2018-mine"):
        assert Config("DCNV2", own)["threshold"] is None
    (folder / "configs/dataset").mkdir(parents=True)
    (folder / "configs/dataset/amazon-all-beauty-2018.yaml").write_text("threshold: {rating: 3}")
    assert Config("DCNV2", "amazon-all-beauty-2018")["threshold"] == {"rating": 3}


class OptionsWithTuples(ModelOptions):
    sizes: tuple[int, ...] = (64, 64)
    bounds: tuple[float, float] | None = None
    either: list[int] | tuple[int, ...] = (1,)
    layers: list[int] = Field([8])


def test_a_tuple_may_be_given_as_a_list_and_a_list_as_a_tuple():
    """Files know lists alone, and a checkpoint gives back what it was given."""
    given = plain({"sizes": (3, 4), "bounds": (0.0, 1.0), "either": (2,), "layers": (5,)})
    found = OptionsWithTuples(**given)
    assert (found.sizes, found.bounds) == ((3, 4), (0.0, 1.0))
    assert (found.either, found.layers) == ([2], [5])
    assert OptionsWithTuples(**plain(found.model_dump())) == found
    with pytest.raises(ValidationError, match="valid integer"):
        OptionsWithTuples(sizes=["a"])
