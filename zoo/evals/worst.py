# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The rows with the worst predictions, as JSON lines that say where each row stands and what its texts are."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.rows import Rows
from zoo.files import write_lines

_FILE, _MOST = "errors.jsonl", 1000  # rows


def write_worst(
    folder: Path,
    rows: Rows | None,
    texts: Sequence[str],
    values: Mapping[str, Sequence[Any] | np.ndarray],
    *,
    chosen: np.ndarray,
    badness: np.ndarray,
) -> str:
    """Writes the chosen rows, the worst first, and at most 1000; returns a sentence of Markdown about them.

    Args:
      rows: of the split; it may have more than there are values. None writes nothing.
      texts: the columns of `rows` that are written, where there are any of the name.
      values: what is written beside them, one value a row, by name.
      chosen: bool [n]. badness: float [n]; NaN comes last, and of equal values the file's order stays.
    """
    if rows is None:
        return "The texts of this split are not kept, so that there is no list of errors.\n"
    order = np.argsort(-badness, kind="stable")
    order = order[chosen[order]]
    write_lines(folder / _FILE, _described(rows, texts, values, order[:_MOST]))
    count = f"{_MOST} of {len(order)}" if len(order) > _MOST else str(len(order))
    return f"The worst predictions ({count}): [{_FILE}]({folder.name}/{_FILE})\n"


def _described(rows: Rows, texts: Sequence[str], values: Mapping[str, Any], order: np.ndarray) -> Iterator[dict]:
    columns = {name: column for name in texts if (column := rows.get(name)) is not None}
    for index in order:
        found = {name: column[index] for name, column in columns.items()}
        found |= {name: _plain(column[index]) for name, column in values.items()}
        yield {"where": rows.where(int(index)), **found}


def _plain(value: Any) -> Any:
    """A number with six digits, and all else as it is."""
    return float(f"{value:.6g}") if isinstance(value, float | np.floating) else value
