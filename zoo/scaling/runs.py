# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The points of a sweep: size, tokens and loss of each training run, checked before anything is fitted to them."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ConfigError, FormatError, InputError
from zoo.files import open_regular, parse_json

FLOPS_PER_TOKEN = 6.0  # and parameter: 2 for the forward pass, 4 for the backward pass (arXiv:2001.08361, section 2.1)
_REQUIRED = ("params", "tokens", "loss")
_COLUMNS = (*_REQUIRED, "flops", "unique_tokens", "epochs", "run")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Measured points, one a run, or several of each run for `zoo.scaling.envelope`; all arrays are float64 [n].

    Whether `params` counts embeddings, and whether `loss` is the last or an average, is the caller's choice, and has to
    be the same for all points: Kaplan's law leaves embeddings out, Chinchilla's counts them.

    Attributes:
      params: number of parameters. tokens: seen in training, repeated ones included. loss: nats a token.
      flops: of training; 6 * params * tokens where it is not given.
      unique_tokens: of the data set, at most `tokens`, which they are where they are not given.
      run: integers that say which points are of the same run; where they are not given, each is of its own.

    Raises:
      InputError: arrays of different lengths, none at all, or a value that is not finite and above 0.
    """

    params: Any
    tokens: Any
    loss: Any
    flops: Any = None
    unique_tokens: Any = None
    run: Any = None

    def __post_init__(self):
        given = [field.name for field in dataclasses.fields(self) if getattr(self, field.name) is not None]
        for name in given:
            self._set(name, np.asarray(self.run) if name == "run" else _numbers(name, getattr(self, name)))
        lengths = {name: len(getattr(self, name)) for name in given}
        if len(set(lengths.values())) > 1:
            raise InputError(f"Runs must have as many values of each kind; found {lengths}.")
        if not len(self.loss):
            raise InputError("Runs must hold one point or more; found none.")
        derived = {
            "flops": FLOPS_PER_TOKEN * self.params * self.tokens,
            "unique_tokens": self.tokens,
            "run": np.arange(len(self.loss)),
        }
        for name in set(derived) - set(given):
            self._set(name, derived[name])
        for index in np.flatnonzero(self.unique_tokens > self.tokens * (1 + 1e-9))[:1]:
            raise InputError(
                f"Runs.unique_tokens must be at most tokens; found {self.unique_tokens[index]:g} of "
                f"{self.tokens[index]:g} at index {index}. A run that saw a part of its data has only that part."
            )

    def __len__(self) -> int:
        return len(self.loss)

    @classmethod
    def read(cls, path: str | Path, columns: Mapping[str, str] | None = None) -> "Runs":
        """The runs of a .csv file with a header, or of a .jsonl file, one object a line.

        Args:
          columns: what the file calls `params`, `tokens`, `loss`, `flops`, `unique_tokens`, `epochs` or `run`, where it
            has other names. Without `tokens`, they are flops / (6 * params); without `unique_tokens`, tokens / epochs.

        Raises:
          ConfigError: a suffix or a kind of column that does not exist. FormatError: what is not such a file, lacks a
            column, or has a value that is not a number above 0, with its line.
        """
        path, names = Path(path), {name: name for name in _COLUMNS}
        for name in set(columns or ()) - set(names):
            raise ConfigError(f"columns may name {', '.join(_COLUMNS)}; found {name!r}.")
        names |= columns or {}
        if path.suffix not in (".csv", ".jsonl"):
            raise ConfigError(f"{path} must end in .csv or .jsonl; convert it.")
        with open_regular(path) as file:
            rows = list((_csv_rows if path.suffix == ".csv" else _json_rows)(path, _lines(path, file)))
        if not rows:
            raise FormatError(f"{path} holds no runs; expected a row for each, with params, tokens and loss.")
        read = {name: _column(path, rows, names[name]) for name in _COLUMNS if names[name] in rows[0][1]}
        if "tokens" not in read and {"params", "flops"} <= set(read):
            read["tokens"] = read["flops"] / (FLOPS_PER_TOKEN * read["params"])
        for name in _REQUIRED:
            if name not in read:
                found = ", ".join(map(str, rows[0][1]))
                raise FormatError(
                    f"{path} must have a column {names[name]!r}; found {found}. Name the column in `columns`."
                )
        epochs = read.pop("epochs", None)
        if epochs is not None and "unique_tokens" not in read:
            read["unique_tokens"] = read["tokens"] / np.maximum(epochs, 1.0)
        return cls(**read)

    def take(self, chosen: np.ndarray) -> "Runs":
        """The points that a mask or an array of indices chooses."""
        return Runs(**{field.name: getattr(self, field.name)[chosen] for field in dataclasses.fields(self)})

    def drop_highest(self, count: int) -> "Runs":
        """Without the points of the highest losses, as many as `count`: runs that are too short to follow a law.

        Besiroglu et al. (arXiv:2404.10102) drop the five highest of Chinchilla's 245.
        """
        if not 0 <= count < len(self):
            raise ConfigError(f"drop_highest must leave a point of {len(self)}; found {count}.")
        return self.take(np.sort(np.argsort(self.loss, kind="stable")[: len(self) - count]))

    def _set(self, name: str, value: np.ndarray) -> None:
        object.__setattr__(self, name, value)


def training_flops(chip_hours: float, flops_per_second: float, utilization: float) -> float:
    """What so many hours of one chip compute, for `optimal`.

    Args:
      flops_per_second: the chip's peak, such as `zoo.cost.chips.CHIPS["v5e"].flops_per_second`.
      utilization: the share of the peak that training reaches (MFU), which a run prints and `launch.compile` predicts.

    Raises:
      ConfigError: a number that is not above 0, or a utilization above 1.
    """
    for name, value in (("chip_hours", chip_hours), ("flops_per_second", flops_per_second)):
        if not 0 < value < np.inf:
            raise ConfigError(f"{name} must be finite and above 0; found {value!r}.")
    if not 0 < utilization <= 1:
        raise ConfigError(f"utilization must be above 0 and at most 1, such as 0.4; found {utilization!r}.")
    return chip_hours * 3600 * flops_per_second * utilization


def need_points(runs: Runs, law: str, count: int) -> None:
    """InputError for fewer points than a law needs."""
    if len(runs) < count:
        raise InputError(f"{law} needs {count} runs or more; found {len(runs)}. Train more, of other sizes and tokens.")


def need_distinct(values: np.ndarray, what: str, law: str, count: int) -> None:
    """InputError for fewer distinct values of `what` than a law needs."""
    found = np.unique(values)
    if len(found) < count:
        listed = ", ".join(f"{value:g}" for value in found)
        raise InputError(
            f"{law} needs {count} or more different values of {what}; found {len(found)} ({listed}), which leave its "
            f"exponent undetermined. Add runs with other {what}."
        )


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"Runs.{name} must be an array of numbers; found {values!r:.80}.") from error
    if array.ndim != 1:
        raise InputError(f"Runs.{name} must have one dimension; found shape {array.shape}.")
    for index in np.flatnonzero(~(np.isfinite(array) & (array > 0)))[:1]:
        raise InputError(
            f"Runs.{name} must be finite and above 0; found {array[index]:g} at index {index}. Leave out runs that "
            "diverged or did not finish."
        )
    return array


def _lines(path: Path, file: io.BufferedReader) -> Iterable[str]:
    try:
        return io.StringIO(file.read().decode("utf-8-sig"), newline="")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} must be UTF-8 text; found byte {error.object[error.start]:#x}.") from error


def _csv_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    try:
        for fields in reader:
            if not fields:
                continue
            if header is None:
                header = [field.strip() for field in fields]
                continue
            if len(fields) != len(header):
                raise FormatError(
                    f"{path}, line {reader.line_num}: expected {len(header)} columns; found {len(fields)}."
                )
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise FormatError(f"{path}, line {reader.line_num}: not a CSV record ({error}).") from error


def _json_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, parse_json(line.encode(), f"{path}, line {number}")


def _column(path: Path, rows: list[tuple[int, Mapping[str, Any]]], name: str) -> np.ndarray:
    """The numbers of a column; FormatError with the line of the first that is none."""
    found = np.empty(len(rows))
    for index, (line, row) in enumerate(rows):
        try:
            found[index] = float(row[name])
        except (KeyError, TypeError, ValueError) as error:
            value = repr(row[name])[:60] if name in row else "none"
            raise FormatError(f"{path}, line {line}: {name} must be a number; found {value}.") from error
        if not (np.isfinite(found[index]) and (found[index] > 0 or name == "run")):
            raise FormatError(
                f"{path}, line {line}: {name} must be finite and above 0; found {row[name]}. Leave that run out."
            )
    return found
