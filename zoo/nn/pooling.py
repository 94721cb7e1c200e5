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
      lower_case: whether texts are lower-cased before they are tokenized.
      include_prompt: whether the tokens of a prompt are pooled.
      prompts: texts put before a text, by name. default_prompt: the name of the one used unless another is chosen.
    """

    modes: tuple[PoolingMode, ...] = ("mean",)
    dense: tuple[Dense, ...] = ()
    normalize: bool = False
    max_length: int | None = None
    lower_case: bool = False
    include_prompt: bool = True
    prompts: tuple[tuple[str, str], ...] = ()
    default_prompt: str | None = None

    def __post_init__(self):
        if not self.modes or any(mode not in get_args(PoolingMode) for mode in self.modes):
            raise ConfigError(f"modes must be some of {', '.join(get_args(PoolingMode))}; found {self.modes!r:.80}.")
        if self.default_prompt is not None and self.default_prompt not in dict(self.prompts):
            raise ConfigError(f"No prompt {self.default_prompt!r}; the prompts are {', '.join(dict(self.prompts))}.")

    def __call__(self, hidden: Float[Array, "B T D"], mask: Int[Array, "B T"]) -> Float[Array, "B E"]:
        """The sentences' vectors, float32; `mask` is 1 for each token that is pooled."""
        hidden, weights = hidden.astype(jnp.float32), mask.astype(jnp.float32)
        vectors = jnp.concatenate([_pool(mode, hidden, weights) for mode in self.modes], axis=-1)
        for layer in self.dense:
            vectors = vectors @ jnp.asarray(layer.kernel)
            vectors = vectors if layer.bias is None else vectors + jnp.asarray(layer.bias)[None]
            vectors = _ACTIVATIONS[layer.activation](vectors)
        if not self.normalize:
            return vectors
        return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), _LEAST)


def _pool(mode: PoolingMode, hidden: Float[Array, "B T D"], mask: Float[Array, "B T"]) -> Float[Array, "B D"]:
    if mode == "cls":  # the first token, padding on the left aside, whether or not it is pooled
        return hidden[:, 0]
    if mode == "max":
        return jnp.max(jnp.where(mask[..., None] > 0, hidden, -1e9), axis=1)
    if mode == "lasttoken":
        last = hidden.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
        return jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]
    if mode == "weightedmean":
        mask = mask * jnp.arange(1, mask.shape[1] + 1, dtype=mask.dtype)[None]
    total = jnp.maximum(mask.sum(axis=1, keepdims=True), 1e-9)
    return jnp.einsum("btd,bt->bd", hidden, mask) / (jnp.sqrt(total) if mode == "mean_sqrt_len" else total)
