# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Matches a checkpoint with a weight table, strictly.

Every missing, unexpected or mis-shaped tensor is listed in one error.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from zoo.errors import FormatError
from zoo.hub.table import LAYER, Constant, Row, Shape, Table, Tie, conditions, pattern
from zoo.hub.tensors import aligned, fetch
from zoo.nn.config import TransformerConfig

NewHead = Literal["allowed", "refused", "drawn"]

_MAX_LISTED = 200  # of each kind of mismatch


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one parameter is in a checkpoint: its row, its index among the fused, its tensors (one per layer)."""

    row: Row
    index: int
    tensors: tuple[str, ...]

    def read(self, weights: Mapping[str, np.ndarray], shape: Shape, index: tuple[slice, ...], dtype) -> np.ndarray:
        """A slice of the parameter; only its own bytes are read."""
        if not self.row.stacked:
            shape, index = (1, *shape), (slice(None), *index)
        sizes = [len(range(*part.indices(size))) for part, size in zip(index, shape, strict=True)]
        out = aligned(sizes, dtype)
        for layer, name in enumerate(self.tensors[index[0]]):
            fetch(self.row.split(weights[name], shape[1:], self.index)[index[1:]], out[layer, ...])
        return out if self.row.stacked else out[0]

    def not_finite(self, array: np.ndarray, index: tuple[slice, ...]) -> list[str]:
        """The tensors that gave NaN or infinity in the slice that `read` returned."""
        layers, names = (array, self.tensors[index[0]]) if self.row.stacked else (array[None], self.tensors)
        return [name for name, layer in zip(names, layers, strict=True) if not np.isfinite(layer).all()]


@dataclasses.dataclass
class Match:
    """Which tensor holds which parameter, and what does not match.

    Attributes:
      sources: of each parameter that the file holds. new: parameters of a requested head that it lacks.
      passed_over: tensors that are ignored because they belong to other heads, or are not parameters.
      lacks_part: whether the head, or the pooler, is absent as a whole.
      misshaped_head: whether a tensor of the head has another shape, as that of a classifier of other labels has.
      unread: tensors, by the table's name, that Transformers saves as copies but does not use, and that differ.
    """

    sources: dict[str, Source] = dataclasses.field(default_factory=dict)
    new: list[str] = dataclasses.field(default_factory=list)
    passed_over: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    unexpected: list[str] = dataclasses.field(default_factory=list)
    misshaped: list[str] = dataclasses.field(default_factory=list)
    lacks_part: bool = False
    misshaped_head: bool = False
    unread: dict[str, str] = dataclasses.field(default_factory=dict)

    def check(self, where: str, hint: str) -> None:
        """One FormatError that lists all that does not fit."""
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "not as expected": self.misshaped}
        lines = [line for kind, found in kinds.items() for line in _listing(kind, found)]
        if lines:
            raise FormatError(f"{where}: the tensors do not fit its config.json.\n  " + "\n  ".join([*lines, hint]))


def _listing(kind: str, lines: list[str]) -> Iterable[str]:
    yield from (f"{kind}: {line}" for line in lines[:_MAX_LISTED])
    if len(lines) > _MAX_LISTED:
        yield f"{kind}: and {len(lines) - _MAX_LISTED} more"


def match(
    table: Table,
    *,
    config: TransformerConfig,
    head: str | None,
    params: Mapping[str, Shape],
    weights: Mapping[str, np.ndarray],
    new_head: NewHead,
    where: str,
) -> Match:
    """Finds every parameter of a model in a checkpoint.

    Args:
      params: shapes by path. weights: tensors by the names in the file.
      new_head: whether a group of a head's tensors may be absent as a whole, or the head is always `drawn`.
      where: the checkpoint, for messages.

    Raises:
      FormatError: two spellings of one tensor, or a tied copy that differs; see `Match.check` for the rest.
    """
    found, when = _spellings(table, weights, where), conditions(config)
    for constant in table.constants:
        if constant.hub in found:
            _check_constant(constant, config, found[constant.hub], weights, where)
    result, used = Match(), set()
    parts = list(table.parts(head, when, params))
    needed = {row.hub for part in parts for row in part}
    lacks = table.heads[head].lacks
    lacking = {row.hub for row in table.body if not row.hub.startswith(lacks)} - needed
    for tie in table.ties:
        if tie.when in when and tie.original in needed and tie.copy in found:
            result.unread |= _follow_tie(tie, found, weights, where)
    for number, part in enumerate(parts):
        names = [name for row in part for name in row.names(params[row.paths[0]])]
        if new_head == "drawn" and number and all(is_of_head(path) for row in part for path in row.paths):
            result.new += [path for row in part for path in row.paths]
            continue
        if number and names and not any(name in found for name in names):
            result.lacks_part = True
            if new_head != "refused":
                result.new += [path for row in part for path in row.paths]
                continue
        used.update(names)
        for row in part:
            _match_row(table, row, params, found, weights, result)
    for name in sorted(set(found) - used):
        passed = table.is_passed_over(name) and pattern(name) not in lacking and not _is_layer_of(name, used)
        kind = result.passed_over if passed else result.unexpected
        kind.append(f"{found[name]} {list(weights[found[name]].shape)}")
    return result


def _match_row(table: Table, row: Row, params: Mapping[str, Shape], found, weights, result: Match) -> None:
    shape = params[row.paths[0]]
    expected = row.hub_shape(shape[1:] if row.stacked else shape)
    names = [found[name] for name in row.names(shape) if name in found]
    result.missing += [
        f"{_as_in_file(table, name, found)} {list(expected)}" for name in row.names(shape) if name not in found
    ]
    for name in names:
        tensor = weights[name]
        if tensor.shape != expected:
            result.misshaped.append(f"{name}: expected {list(expected)}, found {list(tensor.shape)}")
            result.misshaped_head |= is_of_head(row.paths[0])
        elif tensor.dtype.kind not in "fV":  # ml_dtypes are of kind V
            result.misshaped.append(f"{name}: expected floating-point numbers, found {tensor.dtype}")
    for index, path in enumerate(row.paths):
        result.sources[path] = Source(row, index, tuple(names))


def _spellings(table: Table, weights: Iterable[str], where: str) -> dict[str, str]:
    """The table's name of each tensor -> its name in the file."""
    found: dict[str, str] = {}
    for name in weights:
        canonical = table.canonical(name)
        if canonical in found:
            raise FormatError(f"{where}: {found[canonical]!r} and {name!r} are one tensor under two names; remove one.")
        found[canonical] = name
    return found


def is_of_head(path: str) -> bool:
    """Whether a parameter belongs to the head, and not to the body or the pooler."""
    return path.startswith("head.")


def _follow_tie(tie: Tie, found: dict[str, str], weights: Mapping[str, np.ndarray], where: str) -> dict[str, str]:
    """Takes the copy where the original is absent; the copy, if both are there, may differ and is saved as such."""
    if tie.original not in found:
        found[tie.original] = found.pop(tie.copy)
        return {}
    copy, original = found[tie.copy], found[tie.original]
    if np.array_equal(fetch(weights[copy]), fetch(weights[original])):
        return {}
    if tie.when != "untied":
        raise FormatError(
            f"{where}: config.json ties {copy!r} to {original!r}, but they differ. "
            'To keep both, set "tie_word_embeddings": false in config.json; to keep one, delete the other.'
        )
    return {tie.copy: copy} if tie.saved is not None else {}


def _check_constant(constant: Constant, config: TransformerConfig, name: str, weights, where: str) -> None:
    tensor = weights[name]
    fits = tensor.shape == constant.shape(config)  # before an absurd config makes an absurd table
    if not fits or not np.allclose(fetch(tensor).astype(np.float32), constant.make(config), rtol=0, atol=1e-2):
        raise FormatError(f"{where}: {name!r} is not what its config.json makes of it; fetch the folder again.")


def _as_in_file(table: Table, name: str, found: Mapping[str, str]) -> str:
    """A missing name, with the prefix if the file uses it."""
    prefixed = any(other.startswith(table.prefix) for other in found.values())
    return name if prefixed else name.removeprefix(table.prefix)


def _is_layer_of(name: str, used: set[str]) -> bool:
    """Whether a tensor is of a layer beyond those of the config: its name is used with other numbers."""
    return re.sub(LAYER, "0", name, count=1) in used
