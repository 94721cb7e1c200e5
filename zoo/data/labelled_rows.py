# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The labelled rows of a table, held column by column, and which of them are held out for validation."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.columns import Table
from zoo.data.source import held_out
from zoo.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows of a table; `labels` are at first the values of the file, and then an array of numbers."""

    table: Table
    lines: Sequence[int]
    texts: Sequence[str]
    pairs: Sequence[str] | None
    labels: Any

    def labelled(self, labels: np.ndarray) -> "LabelledRows":
        """The rows with other labels, [N]."""
        return dataclasses.replace(self, labels=labels)

    def take(self, chosen: np.ndarray) -> "LabelledRows":
        """The rows at which `chosen`, Boolean [N], is true."""
        lines, texts = [*itertools.compress(self.lines, chosen)], [*itertools.compress(self.texts, chosen)]
        pairs = None if self.pairs is None else [*itertools.compress(self.pairs, chosen)]
        return LabelledRows(self.table, lines, texts, pairs, self.labels[chosen])


def read_rows(table: Table, columns: Mapping[str, str]) -> LabelledRows:
    """All rows.

    Args:
      columns: names of the columns that hold `text`, `text_pair` (if there are pairs) and `label`.

    Raises:
      InputError: no rows, or a text that is empty or not text. FormatError: a file that is not a table.
    """
    lines, texts, pairs, labels = [], [], [], []
    for row in table:
        lines.append(row.line)
        texts.append(table.text(row, columns["text"]))
        if "text_pair" in columns:
            pairs.append(table.text(row, columns["text_pair"]))
        labels.append(row.values.get(columns["label"]))
    if not lines:
        raise InputError(f"{table.path} has a header and no rows; expected labelled texts. Is it the right file?")
    return LabelledRows(table, lines, texts, pairs if "text_pair" in columns else None, labels)


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
