# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The model that every family is: embeddings, a stack of blocks, and a head."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from zoo.errors import InputError
from zoo.kernels.attention import AttentionMask
from zoo.kernels.platform import platform
from zoo.nn.block import Block
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.embed import Embedder, Embedding
from zoo.nn.heads import Features, Head, VocabularyHead
from zoo.nn.inputs import check_inputs, check_targets
from zoo.nn.linear import Linear, dropout
from zoo.nn.norm import Norm
from zoo.nn.positions import consecutive, past_padding
from zoo.nn.stack import Stack

Ids = Int[Array | np.ndarray, "..."]  # shapes are checked by `check_inputs`, which says what to mend


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """What a model computed; a field is None if the head or the call does not give it.

    Attributes:
      hidden: the stack's output; `[B * C, T, D]` for a `multiple_choice` head.
      pooled: the first token's vector through the pooler.
      logits: `[B, T, V]` (or `[B, M, V]` at `logits_at`), `[B, C]`, `[B, T, C]` or `[B, T, 2]`, by head.
      losses: nats at each position that has vocabulary logits, in their place when targets were given; NaN where the
        target is outside the vocabulary. predicted: the likeliest id there.
      pair_logits: of the sentence pair. lm_logits: vocabulary logits where `logits` are a choice's.
      hidden_states: the embeddings and each layer's output. cache: for the next call.
      memory: what each layer read, for the next call (XLNet).
      encoder_hidden, encoder_hidden_states: of an encoder-decoder, whose other fields are the decoder's.
    """

    hidden: Float[Array, "B T D"]
    pooled: Float[Array, "B D"] | None = None
    logits: Float[Array, "..."] | None = None
    losses: Float[Array, "B M"] | None = None
    predicted: Int[Array, "B M"] | None = None
    pair_logits: Float[Array, "B 2"] | None = None
    lm_logits: Float[Array, "..."] | None = None
    hidden_states: tuple[Float[Array, "B _ D"], ...] | None = None
    cache: Cache | None = None
    memory: tuple[Float[Array, "S B D"], ...] | None = None
    encoder_hidden: Float[Array, "B S D"] | None = None
    encoder_hidden_states: tuple[Float[Array, "B S D"], ...] | None = None


class Layers(NamedTuple):
    """What a stack made of its tokens, from embedding to final norm, and all that lies between if it was asked for."""

    hidden: Float[Array, "B T D"]
    hidden_states: tuple[Float[Array, "B T D"], ...] | None
    cache: Cache | None


class Transformer(nnx.Module):
    """One stack with a head. Made by `zoo.create` and `zoo.load`; holds nothing but parameters.

    Attributes:
      config: sizes and flavours. head_name: the name under which `zoo.create` made the head, or None.
      pooling: how a sentence's vector is made (`zoo.nn.pooling.Pooling`), or None.
      unread: tensors of the checkpoint that no computation uses, kept to be saved again (`zoo.hub.tensors.Unread`).
    """

    block_type: ClassVar[type[Block]] = Block
    pooling: Any = None
    unread: Any = None

    def __init__(
        self,
        config: TransformerConfig,
        *,
        head_name: str | None = None,
        head_type: type[Head] | None = None,
        pooler: bool = False,
        rngs: nnx.Rngs,
    ):
        self.config = config
        self.head_name = head_name
        self.embed = Embedder(config, rngs=rngs)
        self.stack = Stack(config, block_type=self.block_type, rngs=rngs)
        self.final_norm = Norm(config.width, config) if config.norm_order == "pre" else None
        self.pooler = Linear({"embed": config.width}, {"features": config.width}, config, rngs=rngs) if pooler else None
        self.head = None if head_type is None else head_type(config, rngs=rngs)

    def __call__(
        self,
        tokens: Ids,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        logits_at: Int[Array, "B M"] | None = None,
        targets: Ids | None = None,
        cache: Cache | None = None,
        return_hidden_states: bool = False,
    ) -> Output:
        """Runs the model.

        Args:
          tokens: ids; `[B, C, T]` for a `multiple_choice` head.
          token_types: sentence A (0) or B (1) of each token; None is all 0.
          segments: which document of a packed row each token belongs to, 0 for padding; a 0/1 attention mask will do.
          positions: 0-based place of each token; None counts along the row, as `pad_positions` says.
          dropout_key: turns dropout on.
          logits_at: positions at which vocabulary logits are computed; None is all.
          targets: the id that each of these positions should foretell, or one below 0 where it does not matter; gives
            `losses` and `predicted` in place of logits.
          cache: keys and values of the tokens before these.

        Raises:
          InputError: ids out of range, sequence too long, shapes that differ, a row that is all padding.
        """
        check_inputs(self.config, tokens, token_types, segments, positions, logits_at=logits_at)
        self._check_targets(targets, logits_at, tokens.shape)
        choices = tokens.shape[1] if tokens.ndim == 3 else None
        out = self._run(
            flat(tokens),
            flat(token_types),
            flat(segments),
            flat(positions),
            dropout_key,
            logits_at=logits_at,
            targets=targets,
            cache=cache,
            return_hidden_states=return_hidden_states,
        )
        if choices is None or out.logits is None:
            return out
        return dataclasses.replace(out, logits=out.logits.reshape(-1, choices))

    def for_inference(self) -> "Transformer":
        """The same model laid out for speed; save and train the model that it came from.

        Each layer has arrays of its own: a slice of a stacked one is a copy, made anew at every call. On a CPU the
        kernels are transposed as well. Parameters are then held twice if the model is kept.
        """
        model, on_cpu = nnx.merge(*nnx.split(self)), _platform(self) == "cpu"
        for _, module in nnx.iter_modules(model):
            if isinstance(module, Stack):
                module.unstack()
        for _, module in nnx.iter_modules(model):
            if on_cpu and isinstance(module, Linear | Embedding):
                module.tune_for_cpu()
        return model

    @property
    def is_for_inference(self) -> bool:
        """Whether `for_inference` made it."""
        return self.stack.is_unstacked

    def _run(
        self, tokens, token_types, segments, positions, dropout_key, *, logits_at, targets, cache, return_hidden_states
    ) -> Output:
        body_key, head_key = (None, None) if dropout_key is None else jax.random.split(dropout_key)
        layers = self._through(
            self.stack,
            self.final_norm,
            tokens,
            token_types,
            segments,
            positions,
            body_key,
            cache=cache,
            keep=return_hidden_states,
        )
        pooled = None if self.pooler is None else jnp.tanh(self.pooler(layers.hidden[:, 0]))
        out = Output(hidden=layers.hidden, pooled=pooled, hidden_states=layers.hidden_states, cache=layers.cache)
        return self._read(out, tokens, segments, head_key, logits_at, targets)

    def _through(
        self, stack, norm, tokens, token_types, segments, positions, dropout_key, *, source=None, cache=None, keep
    ) -> Layers:
        embed_key, stack_key, out_key = (None,) * 3 if dropout_key is None else jax.random.split(dropout_key, 3)
        if positions is None:
            positions = self._positions(tokens, start=0 if cache is None else cache.length)
        if cache is not None:
            segments = jnp.ones_like(tokens) if segments is None else segments
            cache = cache.admit(segments)
        embedded = self.embed(tokens, token_types, positions, dropout_key=embed_key)
        mask = AttentionMask(causal=stack.config.attention.causal, query_segments=segments, key_segments=segments)
        x, cache, layers = stack(
            embedded, mask, source=source, dropout_key=stack_key, cache=cache, return_hidden_states=keep
        )
        hidden = dropout(x if norm is None else norm(x), self.config.output_dropout, out_key)
        # The last of them is what the head reads, as in the torch library.
        return Layers(hidden, (embedded, *layers[:-1], hidden) if keep else None, cache)

    def _check_targets(self, targets, logits_at, shape: tuple[int, ...]) -> None:
        """InputError for targets that are not one for each position with vocabulary logits, `shape` if that is all."""
        if targets is None:
            return
        if not isinstance(self.head, VocabularyHead):
            raise InputError(
                f"targets need a head with a vocabulary, such as causal_lm or masked_lm; this model's is "
                f"{self.head_name!r}. Load it with such a head, or leave targets out."
            )
        check_targets(self.config, targets, shape if logits_at is None else logits_at.shape)

    def _read(self, out: Output, tokens, segments, dropout_key=None, logits_at=None, targets=None) -> Output:
        """Adds what the head makes of it."""
        if self.head is None:
            return out
        features = Features(
            hidden=out.hidden,
            pooled=out.pooled,
            tokens=tokens,
            segments=segments,
            token=self.embed.token,
            logits_at=logits_at,
            dropout_key=dropout_key,
            targets=flat(targets),
        )
        return dataclasses.replace(out, **self.head(features))

    def _positions(self, tokens: Int[Array, "B T"], start: Int[Array, ""] | int) -> Int[Array, "B T"]:
        if self.config.pad_positions == "skipped" and self.config.pad_id is not None:
            return past_padding(tokens, self.config.pad_id, start)
        return consecutive(*tokens.shape, start=start)


def flat(ids: Ids | None) -> Int[Array, "B T"] | None:
    """Ids as int32 rows."""
    return None if ids is None else jnp.asarray(ids, jnp.int32).reshape(-1, ids.shape[-1])


def _platform(model: Transformer) -> str:
    """Where the parameters lie, or inside `jax.jit` will lie."""
    param = jax.tree.leaves(nnx.state(model))[0]
    if isinstance(param, Tracer) or not isinstance(param, jax.Array):
        return platform()
    return next(iter(param.devices())).platform
