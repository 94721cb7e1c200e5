# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The inputs of one call of a model: checked and made into arrays once, then handed down as one object."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from zoo.errors import InputError
from zoo.nn.cache import Cache
from zoo.nn.check import check_inputs, check_packed, check_prefix
from zoo.nn.config import TransformerConfig
from zoo.nn.field_names import suggest

SomeInputs = TypeVar("SomeInputs", bound="Inputs")
Ids = Int[Array | np.ndarray, "..."]  # shapes are checked by `check_inputs`, whose message tells how to fix them
Batch = Mapping[str, Any] | tuple[Any, ...]  # arguments by name: a dict, or a named tuple of `Tokenizer.encode_batch`

_DROPOUT = "dropout_key, which turns dropout on; without it there is none"
_ALIASES = {
    "input_ids": "tokens",
    "inputs": "tokens",
    "attention_mask": "segments, which a 0/1 attention mask fits",
    "mask": "segments, which a 0/1 attention mask fits",
    "token_type_ids": "token_types",
    "position_ids": "positions",
    "labels": "targets",
    "train": _DROPOUT,
    "training": _DROPOUT,
    "deterministic": _DROPOUT,
    "rngs": _DROPOUT,
    "output_hidden_states": "return_hidden_states",
    "past_key_values": "cache",
    "use_cache": "cache",
    "decoder_input_ids": "decoder_tokens",
    "decoder_attention_mask": "decoder_segments",
    "perm_mask": "permutation_mask",
    "mems": "memory",
}


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, kw_only=True)
class LossOptions:
    """What a loss at a target is besides the negative log-likelihood.

    Attributes:
      label_smoothing, z_loss: see `zoo.kernels.softmax_xent.softmax_xent`.
    """

    label_smoothing: float = 0.0
    z_loss: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a stack and its head read; ids are int32 arrays `[B, T]`.

    Attributes:
      tokens, token_types, segments, positions, prefix, dropout_key, cache, return_hidden_states: see `Transformer`.
      logits_at, targets, loss_options: what a head with a vocabulary computes, see `Transformer`.
      source: what a decoder attends to besides its own tokens.
      choices: C, where tokens were `[B, C, T]` and are `[B * C, T]` here.
      num_segments: K, the most texts in a row; None is one text a row, or packed text that is read as a whole.
    """

    tokens: Int[Array, "B T"]
    token_types: Int[Array, "B T"] | None = None
    segments: Int[Array, "B T"] | None = None
    positions: Int[Array, "B T"] | None = None
    prefix: Int[Array, "B T"] | None = None
    dropout_key: Array | None = None
    source: Any = None
    cache: Cache | None = None
    logits_at: Int[Array, "B M"] | None = None
    targets: Int[Array, "B M"] | None = None
    loss_options: LossOptions = LossOptions()
    return_hidden_states: bool = False
    choices: int | None = None
    num_segments: int | None = None

    @classmethod
    def create(
        cls: type[SomeInputs],
        config: TransformerConfig,
        tokens,
        token_types=None,
        segments=None,
        positions=None,
        *,
        prefix=None,
        of: str = "",
        **rest: Any,
    ) -> SomeInputs:
        """The inputs as arrays of rows; `of` is `decoder_` for the messages about a decoder's.

        Raises:
          InputError: ids out of range, sequence too long, shapes that differ, a sequence that is all padding; segments
            or positions that are missing beside `num_segments`.
        """
        check_inputs(config, tokens, token_types, segments, positions, of=of, logits_at=rest.get("logits_at"))
        check_packed(rest.get("num_segments"), segments, positions, rest.get("cache"))
        check_prefix(config, prefix, tokens)
        return cls(
            tokens=flat(tokens),
            token_types=None if token_types is None or not config.num_token_types else flat(token_types),
            segments=None if segments is None else flat(segments),
            positions=None if positions is None else flat(positions),
            prefix=None if prefix is None else flat(prefix),
            choices=tokens.shape[1] if tokens.ndim == 3 else None,
            **rest,
        )

    def replace(self: SomeInputs, **changes: Any) -> SomeInputs:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def flat(ids: Ids) -> Int[Array, "B T"]:
    """Ids as int32 rows."""
    return jnp.asarray(ids, jnp.int32).reshape(-1, ids.shape[-1])


def is_batch(tokens: Any) -> bool:
    """Whether a model was given all of its arguments as one object."""
    return isinstance(tokens, Mapping) or hasattr(tokens, "_asdict")


def arguments(batch: Any, **others: Any) -> dict[str, Any]:
    """The arguments in `batch` and those given in addition, which are None or False where they were not given.

    Raises:
      InputError: an argument that was given twice.
    """
    fields = dict(batch) if isinstance(batch, Mapping) else batch._asdict()
    others = {name: value for name, value in others.items() if value is not None and value is not False}
    if twice := sorted(fields.keys() & others.keys()):
        raise InputError(f"{twice[0]} is both in the batch and an argument of its own; leave one of them out.")
    return fields | others


def refuse(unknown: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """InputError for arguments that a model does not have, with the names of those that were probably meant."""
    for name in unknown:
        if name in _ALIASES:
            raise InputError(f"A model has no argument {name!r}; use {_ALIASES[name]}.")
        raise InputError(f"A model has no argument {name!r}; {suggest(name, known, {})}")
