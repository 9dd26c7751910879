"""Reads the rows of a file for a model: JSON in each of its usual forms, CSV or Parquet.

Enters: a file and the tensors that the model takes. Leaves: the values of each column; or an error that names the file, the
line or row, and what to write instead. Other columns of the file, such as the label, are left aside.
"""

import csv
import json
import math
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from mlx_runtime.errors import RuntimeFailure
from mlx_specs.diagnostics import listing, nearest

TRUE, FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})
NULLS = frozenset({"", "NA", "null", "nan", "NaN"})
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
WORDS = {"BOOL": "true or false", "INT64": "a whole number", "FP32": "a number", "FP64": "a number", "BYTES": "a text"}
BEGINNING = 4096
"""Bytes in which a file that is not empty says something."""
ROWS_HINT = 'write a list of rows: [{"COLUMN": VALUE, …}, …]'

Rows = dict[str, list[Any]]
Tensors = Mapping[str, Any]
"""The tensors of the model's metadata by name, each with its ``datatype``; an endpoint that looks features up marks the columns
that rows may leave out with ``optional``, those by which it looks them up with ``key_of``, the views, and what the model itself
takes with ``model_input``: rows that carry all of that need no keys."""


class RowsError(RuntimeFailure):
    """The file cannot be read as rows of this model."""


def read_rows(file: Path, inputs: Tensors) -> Rows:
    """The columns of a file, all of one length and at least one row long; raises ``RowsError``."""
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise RowsError(f"{file}: what it holds cannot be told from its name", hint="name it .json, .csv or .parquet")
    try:
        with file.open("rb") as opened:
            empty = not opened.read(BEGINNING).strip()
    except OSError as error:
        raise RowsError(f"{file}: it cannot be read: {error.strerror}", hint="--data takes a file that you may read") from error
    if empty:
        raise RowsError(f"{file}: the file is empty", hint=reads(inputs))
    rows = reader(file, inputs)
    if not any(rows.values()):
        raise RowsError(f"{file}: it has no rows", hint=reads(inputs))
    return rows


def reads(inputs: Tensors) -> str:
    """``the model reads month, carrier and 7 more``, and by which keys its features are looked up."""
    keys = [name for name, tensor in inputs.items() if tensor.get("key_of")]
    columns = [name for name, tensor in inputs.items() if not tensor.get("optional") and name not in keys]
    looked_up = f"its features are looked up by {listing(keys, 20)}" if keys else ""
    return "; ".join(filter(None, [f"the model reads {listing(columns, 20)}" if columns or not keys else "", looked_up]))


def _read_json(file: Path, inputs: Tensors) -> Rows:
    match _parsed(file):
        case {"inputs": list() as tensors}:
            return _tensors(file, tensors)
        case {"instances": list() | dict() as instances}:
            return _rows_of(file, instances, inputs)
        case list() | dict() as value:
            return _rows_of(file, value, inputs)
        case _:
            raise RowsError(f"{file}: it holds neither rows nor columns", hint=ROWS_HINT)


def _parsed(file: Path) -> Any:
    text = _decoded(file)
    try:
        return json.loads(text, parse_constant=lambda _name: None)
    except json.JSONDecodeError as error:
        hint = ROWS_HINT if error.msg == "Extra data" else "check it with: python -m json.tool FILE"
        what = "more follows after the first value, as in JSON lines" if error.msg == "Extra data" else error.msg
        raise RowsError(f"{file}:{error.lineno}:{error.colno}: not JSON: {what}", hint=hint) from error
    except RecursionError as error:
        raise RowsError(f"{file}: not rows: it is nested too deeply", hint=ROWS_HINT) from error


def _decoded(file: Path) -> str:
    """The text, without a byte order mark."""
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        theirs = "UTF-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "WINDOWS-1252"
        hint = f"save it as UTF-8, such as: iconv -f {theirs} -t UTF-8 {file.name}"
        raise RowsError(f"{file}:{line}: not UTF-8: byte 0x{content[error.start]:02x}", hint=hint) from error


def _tensors(file: Path, tensors: Sequence[Any]) -> Rows:
    """The columns of a V2 request; its shapes and types are the endpoint's affair."""
    for place, tensor in enumerate(tensors, start=1):
        match tensor:
            case {"name": str(), "data": list()}:
                pass
            case _:
                raise RowsError(f"{file}: input {place} of the V2 request has no name or no data", hint='write {"name": "COLUMN", "data": [VALUE, …]}')
    return {tensor["name"]: _flat(tensor["data"]) for tensor in tensors}


def _flat(data: Sequence[Any]) -> list[Any]:
    return [value for item in data for value in (item if isinstance(item, list) else [item])]


def _rows_of(file: Path, value: list[Any] | dict[str, Any], inputs: Tensors) -> Rows:
    """A list of rows, an object of columns, or one row."""
    if isinstance(value, dict):
        columns = value if value and all(isinstance(values, list) for values in value.values()) else {name: [single] for name, single in value.items()}
        return _of_one_length(file, _selected(str(file), columns, inputs))
    selected = list[dict[str, Any]]()
    for place, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise RowsError(f"{file}: row {place} is no object of columns", hint=ROWS_HINT)
        selected.append(_selected(f"{file}: row {place}", row, inputs))
        if strange := selected[0].keys() ^ selected[-1].keys():
            has = "has" if min(strange) in row else "lacks"
            raise RowsError(f"{file}: row {place} {has} {min(strange)!r}, unlike row 1", hint="give all rows the same columns")
    return {name: [row[name] for row in selected] for name in (selected[0] if selected else ())}


def _of_one_length(file: Path, columns: Rows) -> Rows:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = listing(f"{name} has {length}" for name, length in lengths.items())
        raise RowsError(f"{file}: its columns differ in length: {told}", hint="give each column a value for each row, null where there is none")
    return columns


def _selected(where: str, columns: Mapping[str, Any], inputs: Tensors) -> dict[str, Any]:
    """The model's columns; a file may hold others, such as the label."""
    own = {name for name, tensor in inputs.items() if tensor.get("model_input")}
    lacking = [name for name, tensor in inputs.items() if name not in columns and not tensor.get("optional")]
    if lacking and not (own and own <= columns.keys()):
        told = " and ".join(filter(None, [_named(lacking, inputs, "column"), _named(lacking, inputs, "key")]))
        raise RowsError(f"{where}: {told} missing{_instead(lacking, columns, inputs)}", hint=reads(inputs))
    return {name: columns[name] for name in inputs if name in columns}


def _named(lacking: Sequence[str], inputs: Tensors, noun: str) -> str:
    """``keys 'origin', 'dest' (of view forecast)``, or the columns that are no keys."""
    names = [name for name in lacking if bool(inputs[name].get("key_of")) == (noun == "key")]
    views = dict.fromkeys(view for name in names for view in inputs[name].get("key_of", ()))
    of = f" (of {'view' if len(views) == 1 else 'views'} {listing(views)})" if views else ""
    return f"{noun if len(names) == 1 else noun + 's'} {listing(map(repr, names))}{of}" if names else ""


def _instead(lacking: Sequence[str], columns: Mapping[str, Any], inputs: Tensors) -> str:
    """``; is 'Month' meant for 'month'?``: the file's own columns that come nearest."""
    unknown = [name for name in columns if name not in inputs]
    pairs = [(found, name) for name in lacking if (found := nearest(name, unknown)) is not None]
    if pairs:
        return "; " + ", ".join(f"is {found!r} meant for {name!r}?" for found, name in pairs[:3])
    return f"; the file has {listing(map(repr, columns))}" if columns and len(unknown) == len(columns) else ""


def _read_csv(file: Path, inputs: Tensors) -> Rows:
    lines = csv.reader(StringIO(_decoded(file), newline=""), strict=True)
    try:
        header = next((line for line in lines if line), [])
        _check_header(file, header)
        rows = [(lines.line_num, _complete(file, lines.line_num, row, header)) for row in lines if row]
    except csv.Error as error:
        raise RowsError(f"{file}:{lines.line_num}: not CSV: {error}", hint="check the quotes of this line") from error
    columns = _selected(str(file), {name: place for place, name in enumerate(header)}, inputs)
    return {name: [_typed(f"{file}:{number}", inputs[name], row[place]) for number, row in rows] for name, place in columns.items()}


def _check_header(file: Path, header: Sequence[str]) -> None:
    if len(header) == 1:
        for letter, name in SEPARATORS.items():
            if letter in header[0]:
                raise RowsError(f"{file}:1: its columns are separated by {name}, not commas", hint="save it as CSV with commas")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RowsError(f"{file}:1: column {twice[0]!r} stands twice in the header", hint="rename or remove one of them")


def _complete(file: Path, line: int, row: list[str], header: Sequence[str]) -> list[str]:
    if len(row) != len(header):
        fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
        hint = "quote a value that holds a comma" if len(row) > len(header) else "give each column a value; nothing between two commas is null"
        raise RowsError(f"{file}:{line}: {fields}, but the header has {len(header)}", hint=hint)
    return row


def _typed(where: str, tensor: Mapping[str, Any], text: str) -> Any:
    """A CSV's text by the signature's type."""
    if text in NULLS:
        return None
    try:
        return CONVERSIONS[tensor["datatype"]](text)
    except ValueError as error:
        hint = "write numbers with a point and without separators" if tensor["datatype"] != "BOOL" else "write true or false"
        raise RowsError(f"{where}: column {tensor['name']!r}: {text!r} is not {WORDS[tensor['datatype']]}", hint=hint) from error


def _boolean(text: str) -> bool:
    if text.lower() in TRUE | FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def _whole(text: str) -> int:
    if "_" in text:  # Python's own way to write 1_000
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if "_" in text or not math.isfinite(value):
        raise ValueError(text)
    return value


CONVERSIONS: Mapping[str, Callable[[str], Any]] = {"BOOL": _boolean, "INT64": _whole, "FP32": _number, "FP64": _number, "BYTES": str}


def _read_parquet(file: Path, inputs: Tensors) -> Rows:
    try:
        table = pyarrow.parquet.read_table(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise RowsError(f"{file}: not Parquet: {str(error).splitlines()[0]}", hint="write it again, or use .json or .csv") from error
    places = {name: place for place, name in enumerate(table.column_names)}
    columns = _selected(str(file), places, inputs)
    return {name: [_plain(f"{file}: column {name!r}", value) for value in table.column(place).to_pylist()] for name, place in columns.items()}


def _plain(where: str, value: Any) -> Any:
    """As JSON has it: moments in ISO 8601, NaN as null."""
    match value:
        case float() if value != value:
            return None
        case None | bool() | int() | float() | str():
            return value
        case date() | datetime():
            return value.isoformat()
        case Decimal():
            return float(value)
        case _:
            raise RowsError(f"{where} holds values of type {type(value).__name__}", hint="a model reads numbers, texts, true or false, and moments")


READERS: Mapping[str, Callable[[Path, Tensors], Rows]] = {".json": _read_json, ".csv": _read_csv, ".parquet": _read_parquet}
"""By the end of the file's name."""
