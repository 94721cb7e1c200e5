# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What every objective offers: how a batch is corrupted, what is trained, its loss, and what is saved at the end."""

import abc
import dataclasses
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeVar

import jax
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from jaxtyping import Array, Float

import zoo
from zoo.checks import hidden
from zoo.data.random import Key
from zoo.data.schema import BACKWARD, DataInfo
from zoo.errors import ConfigError
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import LABEL_HEADS
from zoo.nn.transformer import Transformer

Batch = Mapping[str, Any]
Sums = dict[str, Float[Array, ""]]
Bound = TypeVar("Bound", bound="Objective")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective(abc.ABC):
    """An objective: its own group of a config. It holds no parameters and knows no family.

    Its fields are what the user chooses; `bind` adds what only the data determine.

    Attributes:
      head: the head of the model that is trained, where it is one model (see `zoo.create`).
      needs: the fields of an example that it reads.
      sums: the names of what `loss` gives.
      reads_packed: whether it takes batches with several examples a row (`zoo.data.packing`).
      reads_rearranged: whether it takes text that is not in the order in which it was written: backwards, or joined
        from two places.
      info: of the data; None until it is bound.
    """

    head: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    sums: ClassVar[tuple[str, ...]] = ("loss", "weight", "correct")
    reads_packed: ClassVar[bool] = False
    reads_rearranged: ClassVar[bool] = False
    info: DataInfo | None = dataclasses.field(default=None, compare=False, repr=False, metadata=hidden())

    def bind(self: Bound, info: DataInfo) -> Bound:
        """The objective for these data.

        Raises:
          ConfigError: the data lack a field that it reads, or do not suit it.
        """
        info.require(self.needs, f"The objective {type(self).__name__}")
        if info.packing and not self.reads_packed:
            raise ConfigError(
                f"data.packing is {info.packing}, and the objective {type(self).__name__} reads one example a row; set "
                "data.packing=0."
            )
        if (info.segments == "pair" or BACKWARD in info.schema) and not self.reads_rearranged:
            raise ConfigError(
                f"The objective {type(self).__name__} reads text in the order in which it was written; set "
                f"data.segments to 'documents' or 'sequence' (it is {info.segments!r}), and data.directions to "
                "'forward'."
            )
        return dataclasses.replace(self, info=info)

    @property
    def data(self) -> DataInfo:
        """What it was bound to."""
        if self.info is None:
            raise ConfigError(f"{type(self).__name__} knows no data yet; call bind(dataset.info) first.")
        return self.info

    @property
    def predictions(self) -> int | None:
        """Positions of a sequence at which a vocabulary is predicted; None is all."""
        return None

    @property
    def sequence_lengths(self) -> Mapping[str, int]:
        """The tokens of the sequences that the model reads, by the fields of the config that decide them."""
        return {"data.seq_len": self.data.seq_len}

    @property
    def arrangements(self) -> int:
        """In how many ways each example is arranged, which later passes repeat; 0 is a new way at every visit."""
        return 0

    @property
    def trainable(self) -> Any:
        """The filter (`nnx.filterlib.Filter`) of the parameters that train; all others stay as they are."""
        return nnx.Param

    def arrange(self, batch: dict[str, np.ndarray], key: Key) -> dict[str, np.ndarray]:
        """A whole batch of examples as the model is to read it. NumPy only, and a function of its arguments alone."""
        del key
        return batch

    def configure(self, config: TransformerConfig) -> TransformerConfig:
        """The config of the model that is trained.

        Raises:
          ConfigError: its family has no such head.
        """
        family = registry.family_of(config)
        if self.head not in family.heads:
            raise ConfigError(
                f"{type(self).__name__} needs a {self.head} head, which {config.family} lacks; it has "
                f"{', '.join(family.heads)}."
            )
        return family.suit(config, self.head)

    def build(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> nnx.Module:
        """What is trained, with random parameters: one model by default."""
        return registry.family_of(config).build(config, head=self.head, rngs=rngs)

    def load(
        self,
        source: str | os.PathLike,
        config: TransformerConfig,
        *,
        mesh: Mesh | None,
        rules: str,
        seed: int,
        head_init: Literal["checkpoint", "required"] = "checkpoint",
    ) -> nnx.Module:
        """What is trained, from a checkpoint; a head that it lacks is drawn from `seed`, and logged.

        Args:
          config: of the model to make; its labels decide whether a classifier of the checkpoint is kept.
          head_init: `required` refuses a checkpoint whose head would be drawn, for a model that is only evaluated.

        Raises:
          ConfigError: a checkpoint that cannot be loaded, or whose head is required and absent or of other labels.
        """
        has_labels = self.head in LABEL_HEADS
        keeps_labels = not has_labels or _same_labels(there := zoo.config(source), config)
        if head_init == "required" and not keeps_labels:
            raise ConfigError(
                f"{source} classifies as {_labels(there)} and the data as {_labels(config)}; give a model that was "
                "trained on these labels."
            )
        return zoo.load(
            source,
            head=self.head,
            head_init=head_init if keeps_labels else "random",
            num_labels=config.num_labels if has_labels else None,
            dtype=config.execution.dtype,
            param_dtype=config.execution.param_dtype,
            mesh=mesh,
            rules=None if mesh is None else rules,
            seed=seed,
        )

    def scales(self, batch: Batch) -> Mapping[str, Array]:
        """Factors that bring several means under one denominator, by the whole batch; {} for a loss of one mean.

        A batch may be split into micro-batches before `loss` sees it, which then takes these as `scales`.
        """
        del batch
        return {}

    @abc.abstractmethod
    def loss(self, module: Any, batch: Batch, *, dropout_key: jax.Array | None = None) -> Sums:
        """Sums over a batch that add up over micro-batches and devices, by the names of `sums`.

        `sums["loss"] / sums["weight"]` is the mean that training minimizes, so that micro-batches which hold different
        numbers of predictions still weigh every prediction alike.
        """

    def carry(self, config: TransformerConfig, rows: int) -> Mapping[str, jax.ShapeDtypeStruct]:
        """The shapes of what each batch of so many rows hands to the next one, [B, ...] each; {} is nothing.

        It is part of a run's state, so that a checkpoint holds it. Before the first batch all of it is zero.
        """
        del config, rows
        return {}

    def loss_and_carry(
        self, module: Any, batch: Batch, carry: Mapping[str, Array], *, dropout_key: jax.Array | None = None, **options
    ) -> tuple[Sums, Mapping[str, Array]]:
        """The loss of a batch, and what it hands to the next, from what the one before has handed to it."""
        return self.loss(module, batch, dropout_key=dropout_key, **options), carry

    def metrics(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """What the sums of one or more batches mean; `loss` (the mean) at least."""
        weight = float(sums["weight"]) or 1.0
        return {"loss": float(sums["loss"]) / weight, "accuracy": float(sums["correct"]) / weight}

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return tuple(self.metrics(dict.fromkeys(self.sums, 0.0)))

    def export(self, module: Any) -> Transformer:
        """The model that is saved as a Hub folder."""
        return module

    def companions(self, module: Any) -> Mapping[str, Transformer]:
        """Further models that are saved, each as a Hub folder of this name in the workdir."""
        del module
        return {}


def _labels(config: TransformerConfig) -> str:
    return ", ".join(map(repr, config.label_names)) or f"{config.num_labels} labels without names"


def _same_labels(there: TransformerConfig, here: TransformerConfig) -> bool:
    """Whether a classifier of one config classifies as the other's, as far as its config tells."""
    named = there.label_names and here.label_names
    return there.label_names == here.label_names if named else there.num_labels == here.num_labels
