# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows of a table, held column by column, and which of them are held out for validation."""

import dataclasses
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.data.formats import Row
from zoo.data.source import held_out
from zoo.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a table.

    Attributes:
      lines: where each stands in the table. columns: lists or arrays of one value a row, by what they hold (`text`).
      labelled: whether they have labels, which those of a test split may lack.
    """

    table: Table
    lines: Sequence[int]
    columns: Mapping[str, Any]
    labelled: bool = True

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def get(self, name: str) -> Any:
        """A column, or None if there is none of this name."""
        return self.columns.get(name)

    def where(self, index: int, column: str = "") -> str:
        """Where a row's value stands in its file, for messages."""
        return self.table.location(self.lines[index], column)

    def replace(self, **columns: Any) -> "Rows":
        """The rows with other columns, or more of them."""
        return dataclasses.replace(self, columns={**self.columns, **columns})

    def unlabelled(self, **placeholders: Any) -> "Rows":
        """The rows as ones without labels, with what stands for the labels."""
        return dataclasses.replace(self.replace(**placeholders), labelled=False)

    def take(self, chosen: np.ndarray) -> "Rows":
        """The rows at which `chosen`, Boolean [N], is true."""

        def part(values: Any) -> Any:
            return values[chosen] if isinstance(values, np.ndarray) else [*itertools.compress(values, chosen)]

        columns = {name: part(values) for name, values in self.columns.items()}
        return dataclasses.replace(self, lines=part(self.lines), columns=columns)


def read_rows(table: Table, columns: Mapping[str, str], *, texts: Sequence[str]) -> Rows:
    """All rows; see `collect`.

    Raises:
      InputError: no rows, or a text that is empty or not text. FormatError: a file that is not a table.
    """
    rows = collect(table, table, columns, texts=texts)
    if not len(rows):
        raise InputError(f"{table} has no rows; expected labelled rows. Is it the right file?")
    return rows


def collect(table: Table, rows: Iterable[Row], columns: Mapping[str, str], *, texts: Sequence[str]) -> Rows:
    """Some rows of a table.

    Args:
      columns: names of the table's columns by what they hold. texts: those of them that must be text.
    """
    lines, found = [], {role: [] for role in columns}
    for row in rows:
        lines.append(row.line)
        for role, name in columns.items():
            found[role].append(table.text(row, name) if role in texts else row.values.get(name))
    return Rows(table, lines, found)


def without_labels(split: str, rows: Rows, role: str, classes: Collection[str] = ()) -> bool:
    """Whether this is a split that may lack labels, and no row of it has one.

    A label is missing where the column is, where it is empty, or where it is -1 and no class is called so, as the
    labels that a benchmark keeps secret are in its files.
    """
    if split in ("train", "validation"):
        return False
    missing = (None, "") if "-1" in classes else (None, "", -1, "-1")
    return all(type(value) is not bool and value in missing for value in rows[role])


def hold_out(labels: np.ndarray, fraction: float, *, classes: bool) -> np.ndarray:
    """Boolean [N], the rows for validation: evenly spread over the sorted labels, and so over the classes.

    Args:
      classes: whether labels are classes, each of which then keeps a row to train on.
    """
    chosen = np.zeros(len(labels), bool)
    order = np.argsort(labels, kind="stable")
    chosen[order] = [held_out(index, fraction) for index in range(len(labels))]
    for label in np.unique(labels) if classes else ():
        members = np.flatnonzero(labels == label)
        if chosen[members].all():
            chosen[members[0]] = False
    return chosen
