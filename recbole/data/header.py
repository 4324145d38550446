"""The first line of an atomic file: the name and the type of every column."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recbole.data.options import DataOptions
from recbole.data.schema import FeatureType
from recbole.errors import DataError, did_you_mean

_TYPES = tuple(feature_type.value for feature_type in FeatureType)


@dataclass(frozen=True)
class Header:
    """The columns of a file in order: their titles (`field:type`) and their types by name."""

    titles: tuple[str, ...]
    types: Mapping[str, FeatureType]


def read_header(path: Path, options: DataOptions) -> Header:
    """Read and check the header of an atomic file.

    Raises:
        DataError: the file is missing, empty or in another encoding, or its header is malformed.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file. {_atomic_files(path.parent)}")
    try:
        with path.open(encoding=options.encoding) as file:
            line = file.readline()
    except UnicodeError:
        raise encoding_fault(path, options.encoding) from None
    line = line.rstrip("\n").removeprefix("\ufeff")
    if not line:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty; expected a header such as 'user_id:token'")
        raise DataError(f"{path}, line 1: expected a header such as 'user_id:token', got no text")
    titles = line.split(options.field_separator)
    types: dict[str, FeatureType] = {}
    for title in titles:
        name, feature_type = _column(path, title)
        if name in types:
            raise DataError(f"{path}, line 1: the field '{name}' stands twice in the header")
        types[name] = feature_type
    return Header(tuple(titles), types)


def _column(path: Path, title: str) -> tuple[str, FeatureType]:
    name, colon, type_name = title.rpartition(":")
    if not colon or not name:
        raise DataError(
            f"{path}, line 1: expected columns 'field:type' with a type out of"
            f" {', '.join(_TYPES)}, got {title!r}"
        )
    if type_name not in _TYPES:
        raise DataError(
            f"{path}, line 1: unknown type '{type_name}' of field '{name}'; expected one of"
            f" {', '.join(_TYPES)}.{did_you_mean(type_name, _TYPES)}"
        )
    return name, FeatureType(type_name)


def encoding_fault(path: Path, encoding: str) -> DataError:
    """The error for a file whose bytes are not text in the encoding."""
    data = path.read_bytes()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="ignore")
        line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        found = data[error.start : error.start + 1].hex()
        return DataError(
            f"{path}, line {line}: expected text in {codecs.lookup(encoding).name}, got the byte"
            f" 0x{found}; set the option 'encoding' to that of the file, such as latin-1"
        )
    except UnicodeError as error:
        return DataError(
            f"{path}: expected text in {codecs.lookup(encoding).name} ({error}); set the option"
            " 'encoding' to that of the file, such as latin-1"
        )
    return DataError(f"{path}: the text could not be decoded as {encoding}")


def _atomic_files(folder: Path) -> str:
    if not folder.is_dir():
        return f"The folder {folder} does not exist either."
    found = sorted(
        file.name
        for file in folder.iterdir()
        if Path(file.name.removesuffix(".parquet")).suffix in (".inter", ".user", ".item")
    )
    return f"The atomic files in {folder}: {', '.join(found) or 'none'}."
