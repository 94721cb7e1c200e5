# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Labels of a table's rows: the names of classes, or numbers, with the position of each that is neither."""

import collections
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.errors import ConfigError, InputError

_SOME = 8  # names that a message lists
_INTEGER = re.compile(r"[+-]?\d+")
_ADVICE = "Correct the label, remove its rows, or name it in data.labels and train with rows that have it."
_ALL_DIFFERENT = 20  # rows from which on a label column of as many classes is taken for another column


def class_names(table: Table, column: str, lines: Sequence[int], values: Sequence[Any]) -> list[str]:
    """The name of each row's class: text as it is, an integer by its digits, a Boolean as `true` or `false`.

    Raises:
      InputError: a label that is missing, or that is neither text nor a number.
    """
    return [_name(value, table, column, line) for line, value in zip(lines, values, strict=True)]


def distinct_classes(table: Table, column: str, lines: Sequence[int], names: Sequence[str]) -> tuple[str, ...]:
    """The sorted names of the classes: integers by their value, all else by its characters.

    Raises:
      InputError: there is one only, or they look like numbers to be predicted, or like no labels.
    """
    classes = sorted(set(names))
    numbers = [_number(name) for name in classes]
    known = [number for number in numbers if number is not None]
    if len(known) == len(classes):
        classes = [name for _, name in sorted(zip(known, classes, strict=True))]
        if len(set(known)) < len(known):
            same = next(pair for pair in itertools.pairwise(classes) if len({*map(_number, pair)}) == 1)
            location = table.location(lines[names.index(same[1])], column)
            raise InputError(
                f"{location}: the labels {same[0]!r} and {same[1]!r} are the same "
                "number, written in two ways; write one of them everywhere."
            )
        if floats := [name for name in classes if not _INTEGER.fullmatch(name)]:  # 1.0 as well as 0.5
            shown = next((name for name in floats if not float(name).is_integer()), floats[0])
            raise InputError(
                f"{table.location(lines[names.index(shown)], column)}: expected the name of a class; found the "
                f"number {shown} ({len(classes)} distinct numbers in {len(names)} rows). To predict a number "
                "set data.label_type='float'; if these are classes, list them in data.labels."
            )
    if len(classes) == len(names) > _ALL_DIFFERENT:
        raise InputError(
            f"{table}, column {column!r}: expected classes; found {len(names)} rows with as many different labels "
            f"({_list(classes)}). Name the column of labels in data.label"
            + (", or set data.label_type='float' to predict a number." if len(known) == len(classes) else ".")
        )
    _check_spaces(table, column, lines, names)
    return tuple(classes)


def check_classes(names: Sequence[str]) -> None:
    """ConfigError for `data.labels` that cannot be."""
    if repeated := [name for name, count in collections.Counter(names).items() if count > 1]:
        raise ConfigError(f"data.labels has {repeated[0]!r} twice; each class has one index.")
    if len(names) == 1 or not all(name.strip() for name in names):
        raise ConfigError(f"data.labels must be two names or more, or () for the table's; found {tuple(names)}.")


def check_varied(table: Table, column: str, names: Sequence[str]) -> None:
    """InputError if there are fewer than two classes."""
    if len(found := set(names)) < 2:
        raise InputError(
            f"{table}, column {column!r}: expected two classes or more in the training rows; found {_list(found)} "
            f"in all {len(names)} of them. Name another column in data.label, or add rows of other classes."
        )


def check_known(
    table: Table,
    column: str,
    lines: Sequence[int],
    names: Sequence[str],
    classes: Sequence[str],
    why: str,
    advice: str = _ADVICE,
) -> None:
    """InputError, with `why` and `advice`, for a name that is not in `classes`."""
    known = set(classes)
    unknown = collections.Counter(name for name in names if name not in known)
    if unknown:
        first = next(name for name in names if name in unknown)
        count = f"{unknown[first]} row" + "s" * (unknown[first] > 1)
        raise InputError(
            f"{table.location(lines[names.index(first)], column)}: {why} {first!r} (in {count}"
            + (f"; so are {_list([*unknown][1:])}" if len(unknown) > 1 else "")
            + f"); expected one of {_list(classes)}. {advice}"
        )


def by_index(names: Sequence[str], classes: Sequence[str]) -> list[str]:
    """The names of classes, where all that is given are whole numbers, none of which names a class: their indices."""
    if not classes or {*names} & {*classes} or not all(name.isdecimal() and int(name) < len(classes) for name in names):
        return [*names]
    return [classes[int(name)] for name in names]


def check_range(table: Table, column: str, lines: Sequence[int], found: np.ndarray, limits: Sequence[float]) -> None:
    """InputError for a number out of `limits`, the least and the largest."""
    if len(outside := np.flatnonzero((found < limits[0]) | (found > limits[1]))):
        first = int(outside[0])
        raise InputError(
            f"{table.location(lines[first], column)}: expected a number from {limits[0]:g} to {limits[1]:g} "
            f"(data.label_range); found {found[first]:g}"
            + (f", and {len(outside) - 1} more outside" if len(outside) > 1 else "")
            + ". Correct the labels, or the range."
        )


def numbers(table: Table, column: str, lines: Sequence[int], values: Sequence[Any]) -> np.ndarray:
    """float32 [N]; InputError for a label that is missing or no finite number."""
    return np.array([_float(value, table, column, line) for line, value in zip(lines, values, strict=True)], np.float32)


def _name(value: Any, table: Table, column: str, line: int) -> str:
    _check_there(value, table, column, line)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise InputError(
        f"{table.location(line, column)}: expected the name of a class; found {type(value).__name__} {value!r:.60}. "
        "Give each row one label, as text or an integer."
    )


def _float(value: Any, table: Table, column: str, line: int) -> float:
    _check_there(value, table, column, line)
    number = None if isinstance(value, bool) else _number(value)
    if number is None:
        raise InputError(
            f"{table.location(line, column)}: expected a number; found {value!r:.60}. Correct it, or set "
            "data.label_type='class' if the labels are names."
        )
    if not abs(number) <= float(np.finfo(np.float32).max):
        raise InputError(
            f"{table.location(line, column)}: expected a finite number; found {value!r:.60}. Remove that row."
        )
    return number


def _check_there(value: Any, table: Table, column: str, line: int) -> None:
    blank = value is None or (isinstance(value, str) and not value.strip())
    if blank or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{table.location(line, column)}: the label is missing; fill it in, or remove that row.")


def _check_spaces(table: Table, column: str, lines: Sequence[int], names: Sequence[str]) -> None:
    """Labels that differ in nothing but the spaces around them are a slip, not classes."""
    for name in sorted(set(names)):
        if (bare := name.strip()) != name and bare in names:
            raise InputError(
                f"{table.location(lines[names.index(name)], column)}: the label {name!r} differs from {bare!r} only by "
                "the spaces around it; remove them."
            )


def _number(value: Any) -> float | None:
    if isinstance(value, str) and "_" in value:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _list(names) -> str:
    names = [*names]
    return ", ".join(f"{name!r:.60}" for name in names[:_SOME]) + (
        f" and {len(names) - _SOME} more" if len(names) > _SOME else ""
    )
