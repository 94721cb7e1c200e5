# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sentence vectors: how the vectors of tokens become one, as in Sentence-BERT (arXiv:1908.10084, section 3)."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from zoo.errors import ConfigError

PoolingMode = Literal["cls", "max", "mean", "mean_sqrt_len", "weightedmean", "lasttoken"]
DenseActivation = Literal["tanh", "identity", "relu", "gelu"]

_ACTIVATIONS: Mapping[DenseActivation, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "identity": lambda x: x,
    "relu": jax.nn.relu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
}
_LEAST = 1e-12  # of a norm, as torch.nn.functional.normalize


@dataclasses.dataclass(frozen=True, eq=False)
class Dense:
    """A layer on the pooled vector; its values are constants, which are not trained.

    Attributes:
      kernel: float `[in, out]`. bias: float `[out]`, or None. activation: what follows.
    """

    kernel: np.ndarray
    bias: np.ndarray | None = None
    activation: DenseActivation = "tanh"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pooling:
    """How a model makes the vector of a sentence.

    Attributes:
      modes: poolings whose vectors are concatenated, in this order of `PoolingMode`.
      dense: layers on the pooled vector. normalize: whether the last step divides by the Euclidean norm.
      max_length: tokens that a text is cut to, special ones included; None is what the positions allow.
      lower_case: whether texts are lower-cased before they are tokenized, prompts with them.
      include_prompt: whether the tokens of a prompt are pooled.
      prompts: texts put before a text, by name. default_prompt: the name of the one used unless another is chosen.
      similarity: by which function the vectors are to be compared (`cosine`), where the folder declares it.
    """

    modes: tuple[PoolingMode, ...] = ("mean",)
    dense: tuple[Dense, ...] = ()
    normalize: bool = False
    max_length: int | None = None
    lower_case: bool = False
    include_prompt: bool = True
    prompts: tuple[tuple[str, str], ...] = ()
    default_prompt: str | None = None
    similarity: str | None = None

    def __post_init__(self):
        if not self.modes or any(mode not in get_args(PoolingMode) for mode in self.modes):
            raise ConfigError(f"modes must be some of {', '.join(get_args(PoolingMode))}; found {self.modes!r:.80}.")
        if self.default_prompt is not None and self.default_prompt not in dict(self.prompts):
            raise ConfigError(f"No prompt {self.default_prompt!r}; the prompts are {', '.join(dict(self.prompts))}.")

    def __call__(
        self, hidden: Float[Array, "B T D"], segments: Int[Array, "B T"], skipped: int = 0
    ) -> Float[Array, "B E"]:
        """The sentences' vectors, float32.

        Args:
          segments: 0 for padding, on whichever side. skipped: how many of the first tokens are not pooled.
        """
        hidden, real = hidden.astype(jnp.float32), segments != 0
        ranks = jnp.where(real, jnp.cumsum(real, axis=1), 0)  # 1 for a row's first token
        ranks = jnp.where(ranks > skipped, ranks, 0)
        vectors = jnp.concatenate([_pool(mode, hidden, ranks) for mode in self.modes], axis=-1)
        for layer in self.dense:
            vectors = vectors @ jnp.asarray(layer.kernel)
            vectors = vectors if layer.bias is None else vectors + jnp.asarray(layer.bias)[None]
            vectors = _ACTIVATIONS[layer.activation](vectors)
        if not self.normalize:
            return vectors
        return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), _LEAST)


def _pool(mode: PoolingMode, hidden: Float[Array, "B T D"], ranks: Int[Array, "B T"]) -> Float[Array, "B D"]:
    """One vector a row; `ranks` counts its tokens from 1, and is 0 where nothing is pooled."""
    pooled = ranks > 0
    if mode == "max":
        return jnp.max(jnp.where(pooled[..., None], hidden, -1e9), axis=1)
    if mode in ("cls", "lasttoken"):
        place = jnp.argmax(pooled if mode == "cls" else ranks, axis=1)
        hidden = jnp.where(pooled[..., None], hidden, 0.0)  # a row whose tokens are all skipped gives zeros
        return jnp.take_along_axis(hidden, place[:, None, None], axis=1)[:, 0]
    weights = (ranks if mode == "weightedmean" else pooled).astype(hidden.dtype)
    total = jnp.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return jnp.einsum("btd,bt->bd", hidden, weights) / (jnp.sqrt(total) if mode == "mean_sqrt_len" else total)
