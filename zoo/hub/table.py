# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The two-way weight table: which Hub tensor holds which parameter, and how their axes correspond.

Rows are read in both directions, so that what loads is what is saved. `zoo.hub.match` finds them in a checkpoint.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Literal

import numpy as np

from zoo.hub.config_fields import Field
from zoo.nn.config import TransformerConfig

Shape = tuple[int, ...]
When = Literal["tied", "untied", "plain", "gated", "always"]

LAYER = re.compile(r"\d+(?=[./])")  # the layer's number: the first in a name that ends a component


@dataclasses.dataclass(frozen=True)
class Row:
    """One Hub tensor and the parameter, or the fused parameters, that it holds.

    Attributes:
      hub: its name in a model with a head; `{layer}` numbers the slices of parameters stacked `[L, ...]`.
      params: paths of the parameters; more than one if the tensor fuses them.
      axes: `"NH D -> D N H"`: the Hub's first axis is N and H merged and its second D, while the parameter has them
        separate and in another order; a digit is the axis that counts fused parameters, and an underscore one of size 1
        that the parameter lacks. None: the same axes.
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
        """Whether there is one tensor per layer."""
        return "{layer}" in self.hub

    def names(self, shape: Shape) -> tuple[str, ...]:
        """The tensors that make up a parameter of the given shape."""
        return tuple(self.hub.format(layer=layer) for layer in range(shape[0])) if self.stacked else (self.hub,)

    def hub_shape(self, shape: Shape) -> Shape:
        """Shape of one tensor, from that of the (unstacked) parameter."""
        merged, sizes = self._layout(shape)
        return tuple(math.prod(sizes[axis] for axis in group) for group in merged)

    def split(self, tensor: np.ndarray, shape: Shape, index: int) -> np.ndarray:
        """The parameter of that index in the tensor, as a view: nothing is read until the view is."""
        merged, sizes = self._layout(shape)
        flat = "".join(merged).replace("_", "")
        tensor = tensor.reshape([sizes[axis] for axis in flat])
        counter = next((axis for axis in flat if axis.isdigit()), None)
        if counter is not None:
            tensor = tensor[(slice(None),) * flat.index(counter) + (index,)]
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
        counters = {axis: len(self.paths) for group in merged for axis in group if axis.isdigit()}
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
    """A tensor that is not a parameter, since the config determines its values; one that differs is an error."""

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
      num_labels: the value that its config.json must have, or None for the model's C.
      bare_names: whether the body's tensors lack the table's prefix, as they do without a head.
      tied_names: of tied tensors that this class alone saves under their other name: the table's name, and that one.
      lacks: prefixes of the names of body parameters that its models do not have.
    """

    hub_class: str
    parts: tuple[tuple[Row, ...], ...] = ()
    fields: tuple[Field, ...] = ()
    num_labels: int | None = None
    bare_names: bool = False
    tied_names: tuple[tuple[str, str], ...] = ()
    lacks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """The weight table of a family.

    Attributes:
      prefix: of the body's names in a model with a head, absent in a bare one.
      untied_by: a tensor whose presence unties embeddings where logits are not scaled, whatever config.json has (T5).
      body: rows of the parameters that every head shares. heads: by the names of the public API.
      constants: tensors of known values. ties: tensors that repeat others.
      buffers: saved tensors that are not parameters, and are ignored.
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
        return self.prefix + name if pattern(self.prefix + name) in self._known else name

    def is_passed_over(self, name: str) -> bool:
        """Whether a tensor is a buffer, a tied copy, or belongs to a head that was not requested."""
        return pattern(name) in self._known

    @functools.cached_property
    def _known(self) -> frozenset[str]:
        rows = [row for head in self.heads.values() for part in head.parts for row in part]
        ties = [name for tie in self.ties for name in (tie.copy, tie.original)]
        names = [*(row.hub for row in (*self.body, *rows, *self.constants)), *ties, *self.buffers]
        return frozenset(name if "{layer}" in name else pattern(name) for name in names)


def conditions(config: TransformerConfig) -> frozenset[When]:
    """The conditions of rows that a model meets."""
    return frozenset(("tied" if config.tie_embeddings else "untied", config.mlp, "always"))


def pattern(name: str) -> str:
    """The name with `{layer}` in place of a layer's number."""
    return re.sub(LAYER, "{layer}", name, count=1)
