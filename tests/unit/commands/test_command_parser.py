"""What the parsers of all commands do with spaces, repetitions and others' options."""

from pathlib import Path

import pytest

from recbole.commands.command_line import main
from recbole.commands.command_parser import CommandParser, paths_in
from recbole.errors import ConfigError


@pytest.fixture
def parser():
    parser = CommandParser("recbole some", "", "")
    parser.add_argument("grid", nargs="?")
    parser.add_argument("--files", nargs="+")
    parser.add_argument("--name", "-n")
    parser.add_argument("--many", nargs="+", action="extend")
    return parser


@pytest.mark.parametrize(
    "option", ["--a=[64, 64]", "--a={b: 4}", "--a=x", "--a b=c d", "--a=b=c d"]
)
@pytest.mark.parametrize(
    ("before", "after", "grid", "files"),
    [
        ([], [], None, None),
        ([], ["g.yaml"], "g.yaml", None),
        (["--files", "1", "2"], [], None, ["1", "2"]),
        (["--files", "1"], ["g.yaml"], "g.yaml", ["1"]),
        (["g.yaml"], ["--files", "a b"], "g.yaml", ["a b"]),
    ],
)
def test_an_option_of_others_is_never_taken_for_a_value(parser, option, before, after, grid, files):
    flags, rest = parser.parse_known_args([*before, option, *after])
    assert rest == [option]
    assert (flags.grid, flags.files) == (grid, files)


def test_its_own_options_keep_their_spaces(parser):
    flags, rest = parser.parse_known_args(["--name=a b", "--files=c d", "--", "--e=f g"])
    assert (flags.name, flags.files, flags.grid, rest) == ("a b", ["c d"], "--e=f g", [])


def test_an_unknown_argument_with_a_space_is_named(parser):
    with pytest.raises(ConfigError, match=r"unknown argument '--naem'. Did you mean '--name'\?"):
        parser.parse_args(["--files", "1", "--naem=a b"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name=a", "--name=a"], "recbole some: --name stands twice"),
        (["--name=a", "-n", "b"], "recbole some: --name stands twice"),
        (["--files", "a", "--files", "b"], "--files stands twice; give all its values after one"),
    ],
)
def test_an_option_is_given_once(parser, arguments, message):
    with pytest.raises(ConfigError, match=message):
        parser.parse_args(arguments)
    parser.parse_args(["--name=a", "--files", "b"])  # the next call begins anew


def test_an_option_that_collects_may_be_repeated(parser):
    assert parser.parse_args(["--many", "a", "--many", "b", "c"]).many == ["a", "b", "c"]


def test_a_path_may_have_spaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c 2.yaml").write_text("")
    assert paths_in(["c 2.yaml", "a.yaml b.yaml", "c"]) == ["c 2.yaml", "a.yaml", "b.yaml", "c"]
    assert paths_in(["", "a.yaml " * 999]) == ["a.yaml"] * 999


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "DCNV2", "-d", "toy", "--show_config"],
        ["data", "describe", "toy"],
        ["sweep", "--model=DCNV2", "--dataset=toy", "--dry_run"],
    ],
)
def test_a_configuration_file_may_have_spaces(toy, command):
    Path("c 2.yaml").write_text("threshold: {rating: 4}\n")
    assert main([*command, "--config_files", "c 2.yaml"]) == 0
    assert main([*command, "--config_files", "c 3.yaml"]) == 2


def test_options_with_spaces_reach_a_sweep(toy, capsys):
    sweep = ["sweep", "--threshold={rating: 4}", "--model=DCNV2", "--dataset=toy", "--measures",
             "ranking", "--mlp_hidden_size=[64, 64]", "--dry_run"]  # fmt: skip
    assert main(sweep) == 0
    command = capsys.readouterr().out
    assert "'--threshold={\"rating\":4}' '--mlp_hidden_size=[64,64]'" in command


def test_a_run_refuses_an_option_given_twice(toy, capsys):
    assert main(["--model=DCNV2", "--dataset=toy", "--dataset=toy"]) == 2
    assert "--dataset stands twice" in capsys.readouterr().err
