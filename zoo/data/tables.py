# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Tables by the name that a config or a command gives: a file, or a split of TensorFlow Datasets."""

from collections.abc import Sequence
from pathlib import Path

from zoo.data.columns import Table, open_file
from zoo.data.tfds_table import PREFIX, open_split
from zoo.errors import ConfigError


def open_table(
    source: str | Path, *, required: Sequence[str] = (), names: Sequence[str] = (), field: str = ""
) -> Table:
    """Opens a table and reads what columns it has.

    Args:
      source: a file of a format of `zoo.data.formats`, or `tfds:NAME#SPLIT` (`zoo.data.tfds_table.open_split`).
      required: columns that it must have.
      names: of the columns, for a .csv or .tsv file whose first line does not name the required ones.
      field: of the config that names the source, for messages.

    Raises:
      ConfigError: nothing there, or a table without the columns `required`. FormatError: no header.
    """
    if not is_tfds(source):
        return open_file(source, required=required, names=names, field=field)
    if names:
        raise ConfigError(f"{source} names its columns itself; leave out data.column_names.")
    return open_split(str(source), required=required)


def is_tfds(source: str | Path) -> bool:
    """Whether a source is a split of TensorFlow Datasets."""
    return str(source).startswith(PREFIX)
