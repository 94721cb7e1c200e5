# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The two-way weight table: a row says which Hub tensor is which parameter, and how the axes of one make the other's.

Rows are read in both directions, so that what loads is what is saved. Matching a checkpoint with a table is strict:
every missing, unexpected or mis-shaped tensor is listed in one error.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Literal

import numpy as np

from zoo.errors import FormatError
from zoo.hub.config_fields import Field
from zoo.hub.tensors import aligned, fetch
from zoo.nn.config import TransformerConfig

Shape = tuple[int, ...]
NewHead = Literal["allowed", "refused", "drawn"]
When = Literal["tied", "untied", "plain", "gated", "always"]

_LAYER = re.compile(r"\d+(?=[./])")  # its number in a name is the first that ends a word
_MAX_LISTED = 200  # of each kind of mismatch


@dataclasses.dataclass(frozen=True)
class Row:
    """One Hub tensor and the parameter, or the fused parameters, that it holds.

    Attributes:
      hub: its name in a model with a head; `{layer}` numbers the slices of parameters stacked `[L, ...]`.
      params: paths of the parameters; more than one if the tensor fuses them.
      axes: `"NH D -> D N H"` says that the Hub's first axis is N and H merged and its second D, and that the parameter
        has them apart and in another order; a digit is the axis that counts fused parameters, and an underscore one of
        size 1 that the parameter lacks. None changes nothing.
      when: whether the row holds only for tied or untied embeddings, or a plain or gated feed-forward network.
    """

    hub: str
    params: str | tuple[str, ...]
    axes: str | None = None
    when: When = "always"

    @property
    def paths(self) -> tuple[str, ...]:
        """The parameters as a tuple, fused or not."""
        return (self.params,) if isinstance(self.params, str) else self.params

    @property
    def stacked(self) -> bool:
        """Whether there is one tensor a layer."""
        return "{layer}" in self.hub

    def names(self, shape: Shape) -> tuple[str, ...]:
        """The tensors that make up a parameter of the given shape."""
        return tuple(self.hub.format(layer=layer) for layer in range(shape[0])) if self.stacked else (self.hub,)

    def hub_shape(self, shape: Shape) -> Shape:
        """Shape of one tensor, from that of the (unstacked) parameter."""
        merged, sizes = self._layout(shape)
        return tuple(math.prod(sizes[axis] for axis in word) for word in merged)

    def split(self, tensor: np.ndarray, shape: Shape, place: int) -> np.ndarray:
        """The parameter in the tensor, as a view: nothing is read until the view is."""
        merged, sizes = self._layout(shape)
        flat = "".join(merged).replace("_", "")
        tensor = tensor.reshape([sizes[axis] for axis in flat])
        counter = next((axis for axis in flat if axis.isdigit()), None)
        if counter is not None:
            tensor = tensor[(slice(None),) * flat.index(counter) + (place,)]
            flat = flat.replace(counter, "")
        return tensor.transpose([flat.index(axis) for axis in self._letters(shape)])

    def join(self, params: list[np.ndarray]) -> np.ndarray:
        """The tensor made of the (unstacked) parameters; the inverse of `split`."""
        merged, _ = self._layout(params[0].shape)
        flat, letters = "".join(merged).replace("_", ""), self._letters(params[0].shape)
        counter = next((axis for axis in flat if axis.isdigit()), "")
        stacked = np.stack(params) if counter else params[0]
        ordered = stacked.transpose([(counter + letters).index(axis) for axis in flat])
        return np.ascontiguousarray(ordered).reshape(self.hub_shape(params[0].shape))

    def _letters(self, shape: Shape) -> str:
        identity = "abcdefgh"[: len(shape)]
        return identity if self.axes is None else self.axes.split("->")[1].replace(" ", "")

    def _layout(self, shape: Shape) -> tuple[list[str], dict[str, int]]:
        """The Hub's axes as merged letters, and the size of each letter."""
        letters = self._letters(shape)
        merged = list(letters) if self.axes is None else self.axes.split("->")[0].split()
        counters = {axis: len(self.paths) for word in merged for axis in word if axis.isdigit()}
        return merged, dict(zip(letters, shape, strict=True)) | counters | {"_": 1}


@dataclasses.dataclass(frozen=True)
class Tie:
    """A tensor that repeats another one, and may be left out.

    Attributes:
      when: of which models. Of untied ones it may differ, since Transformers then saves but does not use it; of
        others a copy that differs is an error.
      saved: of which models Transformers wants the copy, too.
    """

    copy: str
    original: str
    when: When = "tied"
    saved: When | None = None


@dataclasses.dataclass(frozen=True)
class Constant:
    """A tensor that is no parameter, because the config says what it holds; one that differs is an error."""

    hub: str
    shape: Callable[[TransformerConfig], Shape]
    make: Callable[[TransformerConfig], np.ndarray]
    saved_by: tuple[str | None, ...]  # heads


@dataclasses.dataclass(frozen=True)
class HubHead:
    """Transformers' class for a head.

    Attributes:
      parts: groups of rows; a file has a group as a whole, or lacks it.
      fields: keys that config.json has for this head alone.
      num_labels: what its config.json must say, or None if that is the model's C.
      bare_names: whether the body's tensors lack the table's prefix, as they do without a head.
      tied_names: of tied tensors that this class alone saves under their other name: the table's name, and that one.
      lacks: what the names begin with of a part of the body that its models do without.
    """

    hub_class: str
    parts: tuple[tuple[Row, ...], ...] = ()
    fields: tuple[Field, ...] = ()
    num_labels: int | None = None
    bare_names: bool = False
    tied_names: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one parameter lies in a checkpoint: its row, its place among the fused, its tensors (one a layer)."""

    row: Row
    place: int
    tensors: tuple[str, ...]

    def read(self, weights: Mapping[str, np.ndarray], shape: Shape, index: tuple[slice, ...], dtype) -> np.ndarray:
        """A slice of the parameter; only its own bytes are read."""
        if not self.row.stacked:
            shape, index = (1, *shape), (slice(None), *index)
        sizes = [len(range(*part.indices(size))) for part, size in zip(index, shape, strict=True)]
        out = aligned(sizes, dtype)
        for layer, name in enumerate(self.tensors[index[0]]):
            fetch(self.row.split(weights[name], shape[1:], self.place)[index[1:]], out[layer, ...])
        return out if self.row.stacked else out[0]

    def not_finite(self, array: np.ndarray, index: tuple[slice, ...]) -> list[str]:
        """Which of the tensors gave what `read` made of that slice NaN or infinity."""
        layers, names = (array, self.tensors[index[0]]) if self.row.stacked else (array[None], self.tensors)
        return [name for name, layer in zip(names, layers, strict=True) if not np.isfinite(layer).all()]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """All that is special in a family's checkpoints.

    Attributes:
      prefix: what the names of the body start with in a model with a head, and in a bare one do not.
      untied_by: a tensor whose presence unties embeddings where logits are not scaled, whatever config.json says (T5).
      body: rows of the parameters that every head shares. heads: by the names of the public API.
      constants: tensors of known values. ties: tensors that repeat others.
      buffers: saved tensors that are no parameters, and are passed over.
      respell: old endings of names and today's.
    """

    prefix: str
    body: tuple[Row, ...]
    heads: Mapping[str | None, HubHead]
    ties: tuple[Tie, ...] = ()
    constants: tuple[Constant, ...] = ()
    buffers: tuple[str, ...] = ()
    respell: tuple[tuple[str, str], ...] = ()
    untied_by: str | None = None

    def head_of(self, hub_class: str) -> str | None:
        """The head that a class of Transformers carries; KeyError for a class that is not in the table."""
        return {head.hub_class: name for name, head in self.heads.items()}[hub_class]

    def parts(self, head: str | None, when: Container[When], params: Container[str]) -> Iterator[list[Row]]:
        """The groups of rows of a model, the body's first; a row whose parameter the model lacks is left out."""
        for part in (self.body, *self.heads[head].parts):
            yield [row for row in part if row.when in when and row.paths[0] in params]

    def saved_name(self, name: str, head: str | None, when: Container[When]) -> str:
        """The name as Transformers saves it."""
        if "tied" in when:
            name = dict(self.heads[head].tied_names).get(name, name)
        return name.removeprefix(self.prefix) if head is None or self.heads[head].bare_names else name

    def canonical(self, name: str) -> str:
        """The table's spelling of a name found in a file."""
        for old, new in self.respell:
            if name.endswith(old):
                name = name.removesuffix(old) + new
        return self.prefix + name if _pattern(self.prefix + name) in self._known else name

    def is_passed_over(self, name: str) -> bool:
        """Whether a tensor is a buffer, a tied copy, or belongs to a head that was not requested."""
        return _pattern(name) in self._known

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        rows = [row for head in self.heads.values() for part in head.parts for row in part]
        ties = [name for tie in self.ties for name in (tie.copy, tie.original)]
        names = [*(row.hub for row in (*self.body, *rows, *self.constants)), *ties, *self.buffers]
        return frozenset(name if "{layer}" in name else _pattern(name) for name in names)


def conditions(config: TransformerConfig) -> frozenset[When]:
    """What rows may ask of a model."""
    return frozenset(("tied" if config.tie_embeddings else "untied", config.mlp, "always"))


def _pattern(name: str) -> str:
    return re.sub(_LAYER, "{layer}", name, count=1)


@dataclasses.dataclass
class Match:
    """What was found where.

    Attributes:
      sources: of each parameter that the file holds. new: parameters of an asked-for head that it lacks.
      passed_over: tensors left alone because they belong to other heads, or are no parameters.
      lacks_part: whether the head, or the pooler, is absent as a whole.
      misshaped_head: whether a tensor of the head has another shape, as that of a classifier of other labels has.
      unread: tensors, by the table's name, that Transformers stores beside a copy but does not use, and that differ.
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
      new_head: whether a group of a head's tensors may be absent as a whole, or the head is `drawn` whatever there is.
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
            if new_head == "allowed":
                result.new += [path for row in part for path in row.paths]
                continue
        used.update(names)
        for row in part:
            _match_row(table, row, params, found, weights, result)
    for name in sorted(set(found) - used):
        passed = table.is_passed_over(name) and _pattern(name) not in lacking and not _is_layer_of(name, used)
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
    for place, path in enumerate(row.paths):
        result.sources[path] = Source(row, place, tuple(names))


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
    """Whether it is a layer beyond those of the config: its pattern is used, by other numbers."""
    return re.sub(_LAYER, "0", name, count=1) in used
