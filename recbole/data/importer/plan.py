"""What becomes of each column of the files that someone brings: its name and its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole.data.importer.inference import Evidence, infer
from recbole.data.importer.names import free_name, safe_name
from recbole.data.importer.sources import Source, TextFormat
from recbole.data.options import Suffix
from recbole.data.parquet import is_nameless_index, type_named
from recbole.data.schema import FeatureType
from recbole.errors import ConfigError, DataError, did_you_mean

#: The names that a run knows the columns of these roles by, without any option.
ROLE_NAMES = {"user": "user_id", "item": "item_id", "rating": "rating", "time": "timestamp"}
_RESERVED = {*ROLE_NAMES.values(), "label"}


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how.

    Attributes:
        interactions: the file of interactions.
        user, item: its columns of ids.
        rating, time: its columns of ratings and times, where it has them.
        users, items: files with one row per user and per item.
        users_id, items_id: their columns of ids; None: named as in the interactions.
        name: of the data set; None: from the name of the file.
        to: the folder that will hold the data set's folder.
        format: atomic or parquet.
        types: types of columns, by name, that are not to be inferred.
        drop: columns to leave out.
        text: how text files are written.
        list_separator: between the elements of a sequence in text.
        force: replace a data set that is there.
    """

    interactions: Path
    user: str
    item: str
    rating: str | None = None
    time: str | None = None
    users: Path | None = None
    items: Path | None = None
    users_id: str | None = None
    items_id: str | None = None
    name: str | None = None
    to: Path = Path("dataset")
    format: str = "atomic"
    types: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    text: TextFormat = field(default_factory=TextFormat)
    list_separator: str = "|"
    force: bool = False

    def dataset_name(self) -> str:
        """The name of the data set, and of its folder.

        Raises:
            ConfigError: it is no name of a folder.
        """
        if self.name is None:
            return safe_name(self.interactions.stem, "own")
        if not self.name or self.name.startswith(".") or Path(self.name).name != self.name:
            raise ConfigError(f"Option 'name': expected the name of a folder, got {self.name!r}")
        return self.name


@dataclass(frozen=True)
class PlannedColumn:
    """One column: its name in the file and in the data set, its type and why it is of that."""

    original: str
    name: str
    type: FeatureType
    reason: str
    role: str | None
    evidence: Evidence

    @property
    def is_moment(self) -> bool:
        """Whether it is a float of moments that are text."""
        found = self.evidence
        return (
            self.type is FeatureType.FLOAT
            and found.kinds == {"text"}
            and found.against_number is not None
            and found.against_moment is None
        )


@dataclass(frozen=True)
class TablePlan:
    """One file, the columns taken from it, and those left out with the reason."""

    suffix: Suffix
    source: Source
    columns: tuple[PlannedColumn, ...]
    left_out: Mapping[str, str]


def roles_of(request: ImportRequest, suffix: Suffix, source: Source) -> dict[str, str]:
    """The columns of a file that have a role: {column: user | item | rating | time}.

    Raises:
        ConfigError: one column is to have two roles, or would be dropped.
        DataError: a column is not there.
    """
    if suffix == "inter":
        wanted = {
            role: (f"--{role}", getattr(request, role))
            for role in ROLE_NAMES
            if getattr(request, role) is not None
        }
    else:
        given = request.users_id if suffix == "user" else request.items_id
        column = given or _key_of(suffix, source, getattr(request, suffix))
        wanted = {suffix: (f"--{suffix}s_id", column)}
    roles: dict[str, str] = {}
    for role, (option, column) in wanted.items():
        if column not in source.columns:
            others = ", ".join(map(repr, filter(None, source.columns)))
            hint = did_you_mean(column, source.columns)
            raise DataError(
                f"{source.path}: {option} names the column {column!r}, which is not there; it has"
                f" {others}.{hint}{_other_separator(source, hint)}"
            )
        if column in roles:
            raise ConfigError(
                f"Options '{roles[column]}' and '{role}' both name the column {column!r}; expected"
                " two columns"
            )
        if column in request.drop:
            raise ConfigError(f"Option 'drop' names {column!r}, which {option} names too")
        roles[column] = role
    return roles


def _key_of(suffix: str, source: Source, in_interactions: str) -> str:
    """The column of ids of a file of users or items, where no option names it."""
    if in_interactions not in source.columns:
        key = ROLE_NAMES[suffix]
        alike = [name for name in source.columns if safe_name(name, "").lower() == key]
        if len(alike) == 1:
            return alike[0]
        names = ", ".join(map(repr, filter(None, source.columns)))
        raise DataError(
            f"{source.path}: expected the column of {suffix} ids to be called {in_interactions!r},"
            f" as in the interactions; it has {names}. Name it with --{suffix}s_id"
        )
    return in_interactions


def _other_separator(source: Source, hint: str) -> str:
    """What to do about a header that was not cut into columns."""
    if hint or len(source.columns) != 1:
        return ""
    found = [mark for mark in ";,|\t" if mark in source.columns[0]]
    return (
        f" Are columns separated by {found[0]!r}? Then say --separator={found[0]!r}"
        if found
        else ""
    )


def left_out_of(request: ImportRequest, source: Source, roles: Mapping[str, str]) -> dict[str, str]:
    """The columns of a file that are not taken, with the reason."""
    left_out = {name: "--drop" for name in source.columns if name in request.drop}
    for name in source.columns:
        if is_nameless_index(name) and name not in (*roles, *request.drop, *request.types):
            left_out[name] = "a pandas index without a name, mostly numbers of rows"
    if "" in source.columns:
        left_out["(without a name)"] = "it has no name; often these are numbers of rows"
    return left_out


def plan_table(
    request: ImportRequest,
    suffix: Suffix,
    source: Source,
    roles: Mapping[str, str],
    evidence: Mapping[str, Evidence],
    taken: set[str],
) -> TablePlan:
    """Names and types for the columns of one file.

    Args:
        roles: see `roles_of`.
        evidence: of each column that is not left out.
        taken: the names that other files have taken; those of this one are added.
    """
    left_out = left_out_of(request, source, roles)
    fixed = {ROLE_NAMES[role] for role in roles.values()}
    names = set(taken) | fixed | (_RESERVED if suffix != "inter" else {"label", "rating"} & fixed)
    columns = []
    for position, original in enumerate(source.columns, start=1):
        if original in left_out or not original:
            continue
        role = roles.get(original)
        if role is not None:
            name = ROLE_NAMES[role]
        else:
            name = safe_name(original, f"{'column' if suffix == 'inter' else suffix}_{position}")
            if suffix != "inter" and name in names:
                name = f"{suffix}_{name}"
            name = free_name(name, names | (_RESERVED - _own(name, suffix)))
        names.add(name)
        type_, reason = _type_of(request, original, name, role, evidence[original])
        columns.append(PlannedColumn(original, name, type_, reason, role, evidence[original]))
    taken |= {column.name for column in columns}
    return TablePlan(suffix, source, tuple(columns), left_out)


def _own(name: str, suffix: Suffix) -> set[str]:
    """A reserved name that a column without a role may keep: what it says is what it is."""
    return {name} if suffix == "inter" and name == "timestamp" else set()


def _type_of(
    request: ImportRequest, original: str, name: str, role: str | None, evidence: Evidence
) -> tuple[FeatureType, str]:
    said = request.types.get(original, request.types.get(name))
    wanted = type_named(said, f"Option 'type': column {original!r}") if said is not None else None
    if role in ("user", "item"):
        if wanted not in (None, FeatureType.TOKEN):
            raise ConfigError(f"Option 'type': {original!r} holds ids, which are of type token")
        return FeatureType.TOKEN, f"--{role}"
    if role in ("rating", "time"):
        if wanted not in (None, FeatureType.FLOAT):
            raise ConfigError(f"Option 'type': {original!r} is the {role}, which is of type float")
        return FeatureType.FLOAT, f"--{role}"
    if wanted is not None:
        return wanted, "--type"
    return infer(original, evidence)


def check_columns_named(request: ImportRequest, plans: Sequence[Any]) -> None:
    """Every column that --drop or --type names is in one of the files.

    Raises:
        ConfigError: one is not; the nearest name is given.
    """
    originals = [name for source in plans for name in source.columns if name]
    known = [*originals, *(safe_name(name, "") for name in originals)]
    for option, names in (("drop", request.drop), ("type", request.types)):
        there = originals if option == "drop" else known
        for name in names:
            if name not in there:
                raise ConfigError(
                    f"Option '{option}' names the column {name!r}, which none of the files has;"
                    f" there are {', '.join(map(repr, originals))}.{did_you_mean(name, there)}"
                )
