# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The model of every family: embeddings, a stack of blocks, and a head."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, Int

from zoo.errors import InputError
from zoo.kernels.attention import AttentionMask
from zoo.kernels.platform import platform
from zoo.nn.block import Block, Layer
from zoo.nn.cache import Cache
from zoo.nn.check import check_targets
from zoo.nn.config import TransformerConfig
from zoo.nn.dropout import dropout
from zoo.nn.embed import Embedder, Embedding
from zoo.nn.heads import Features, Head, VocabularyHead, at_first
from zoo.nn.inputs import Batch, Ids, Inputs, LossOptions, arguments, flat, is_batch, refuse
from zoo.nn.linear import Linear
from zoo.nn.norm import Norm
from zoo.nn.positions import consecutive, past_padding
from zoo.nn.stack import Stack
from zoo.nn.summary import summary

ARGUMENTS = (
    *("tokens", "token_types", "segments", "positions", "dropout_key", "prefix"),
    *("logits_at", "targets", "loss_options", "cache"),
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """The output of a model; a field is None if the head or the call does not give it.

    Attributes:
      hidden: the stack's output; `[B * C, T, D]` for a `multiple_choice` head.
      pooled: the first token's vector through the pooler; `[B, K, D]` with `num_segments`.
      logits: `[B, T, V]` (or `[B, M, V]` at `logits_at`), `[B, C]`, `[B, T, C]` or `[B, T, 2]`, by head; `[B, K, C]` in
        place of `[B, C]` with `num_segments`.
      losses: nats at each position that has vocabulary logits, in place of them when targets were given; NaN where the
        target is outside the vocabulary. predicted: the most likely id there. nll: the negative log-likelihoods, which
        the losses are too without `loss_options`; without gradient.
      pair_logits: of the sentence pair; `[B, K, 2]` with `num_segments`.
      lm_logits: vocabulary logits where `logits` are a choice's.
      hidden_states: the embeddings and each layer's output. cache: for the next call.
      memory: the input of each layer, for the next call (XLNet).
      encoder_hidden, encoder_hidden_states: of an encoder-decoder, whose other fields are the decoder's.
    """

    hidden: Float[Array, "B T D"]
    pooled: Float[Array, "*B D"] | None = None
    logits: Float[Array, "..."] | None = None
    losses: Float[Array, "B M"] | None = None
    predicted: Int[Array, "B M"] | None = None
    nll: Float[Array, "B M"] | None = None
    pair_logits: Float[Array, "*B 2"] | None = None
    lm_logits: Float[Array, "..."] | None = None
    hidden_states: tuple[Float[Array, "B _ D"], ...] | None = None
    cache: Cache | None = None
    memory: tuple[Float[Array, "S B D"], ...] | None = None
    encoder_hidden: Float[Array, "B S D"] | None = None
    encoder_hidden_states: tuple[Float[Array, "B S D"], ...] | None = None


class Layers(NamedTuple):
    """The output of a stack, from embeddings to final norm, and all hidden states if requested."""

    hidden: Float[Array, "B T D"]
    hidden_states: tuple[Float[Array, "B T D"], ...] | None
    cache: Cache | None


class Transformer(nnx.Module):
    """One stack with a head, as `zoo.create` and `zoo.load` make it; its state is only parameters.

    Attributes:
      config: architecture and execution. head_name: the name under which `zoo.create` made the head, or None.
      pooling: how a sentence's vector is made (`zoo.nn.pooling.Pooling`), or None.
      unread: tensors of the checkpoint that no computation uses, kept to be saved again (`zoo.hub.tensors.Unread`).
      generation_config: the checkpoint's settings (`zoo.hub.generation_config.GenerationConfig`), or None.
      carried: JSON text of the checkpoint's config.json, whose other keys are saved again.
    """

    block_type: ClassVar[type[Layer]] = Block
    pooling: Any = None
    unread: Any = None
    generation_config: Any = None
    carried: str = ""

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
        tokens: Ids | Batch | None = None,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        prefix: Ids | None = None,
        logits_at: Int[Array, "B M"] | None = None,
        targets: Ids | None = None,
        loss_options: LossOptions | None = None,
        cache: Cache | None = None,
        return_hidden_states: bool = False,
        num_segments: int | None = None,
        **unknown: Any,
    ) -> Output:
        """Runs the model.

        Args:
          tokens: ids [B, T], `[B, C, T]` for a `multiple_choice` head; or these arguments in one batch, by name.
          token_types: sentence A (0) or B (1) of each token; None is all 0.
          segments: the document of a packed sequence that each token is of, 0 for padding; a 0/1 attention mask works.
          positions: 0-based position of each token; None counts from the first token that is not padding by `segments`,
            or as the config's `pad_positions` determines.
          dropout_key: turns dropout on.
          prefix: 1 for the tokens that all tokens of their segment see, also those before them; it makes of a causal
            model one with a bidirectional prefix (prefix LM, arXiv:1910.10683, section 3.2.1).
          logits_at: positions at which vocabulary logits are computed; None is all.
          targets: the id to be predicted at each of these positions, or one below 0 where there is none; gives
            `losses`, `predicted` and `nll` in place of logits.
          loss_options: what these losses are besides the negative log-likelihood; None is nothing.
          cache: keys and values of the tokens before these.
          num_segments: K, where a row is several texts, segments 1 to K, of which some may have no token: what a head
            gives of a sequence it then gives of each of them, `[B, K, ...]`. It needs `positions` that begin at 0 in
            each; what belongs to a segment without a token means nothing.

        Raises:
          InputError: ids out of range, sequence too long, shapes that differ, a sequence of padding alone, an argument
            that does not exist.
        """
        options: dict[str, Any] = dict(
            prefix=prefix,
            logits_at=logits_at,
            cache=cache,
            return_hidden_states=return_hidden_states,
            num_segments=num_segments,
        )
        if is_batch(tokens):
            ids = dict(token_types=token_types, segments=segments, positions=positions)
            losses = dict(targets=targets, loss_options=loss_options)
            return self(**arguments(tokens, **ids, **losses, **options, dropout_key=dropout_key, **unknown))
        refuse(unknown, (*ARGUMENTS, "return_hidden_states", "num_segments"))
        inputs = Inputs.create(
            self.config, tokens, token_types, segments, positions, dropout_key=dropout_key, **options
        )
        losses = self._losses(targets, loss_options, logits_at, inputs.tokens.shape)
        return self._run(inputs.replace(**losses))

    def __repr__(self) -> str:
        return summary(self.config, type(self).__name__, self.head_name, jax.tree.leaves(nnx.state(self)))

    def __str__(self) -> str:
        return repr(self)

    def for_inference(self) -> "Transformer":
        """The same model in a layout that is faster at inference; save and train the original.

        Each layer has arrays of its own: a slice of a stacked one is a copy at every call. On a CPU the
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
        """Whether this is a result of `for_inference`."""
        return self.stack.is_unstacked

    def _run(self, inputs: Inputs) -> Output:
        body_key, head_key = (None, None) if inputs.dropout_key is None else jax.random.split(inputs.dropout_key)
        layers = self._through(self.stack, self.final_norm, inputs.replace(dropout_key=body_key))
        pooled = None
        if self.pooler is not None:
            pooled = jnp.tanh(self.pooler(at_first(layers.hidden, inputs.segments, inputs.num_segments)))
        out = Output(hidden=layers.hidden, pooled=pooled, hidden_states=layers.hidden_states, cache=layers.cache)
        return self._read(out, inputs.replace(dropout_key=head_key))

    def _through(self, stack: Stack, norm: Norm | None, inputs: Inputs) -> Layers:
        key, cache, segments = inputs.dropout_key, inputs.cache, inputs.segments
        embed_key, stack_key, out_key = (None,) * 3 if key is None else jax.random.split(key, 3)
        if cache is not None and segments is None:
            segments = jnp.ones_like(inputs.tokens)
        positions = inputs.positions
        if positions is None:
            positions = self._positions(inputs.tokens, segments, cache)
        if cache is not None and segments is not None:
            cache = cache.admit(segments)
        embedded = self.embed(inputs.tokens, inputs.token_types, positions, dropout_key=embed_key)
        embedded = embedded.astype(self.config.residual_dtype)
        mask = AttentionMask(causal=stack.config.attention.causal, query_segments=segments, key_segments=segments)
        if inputs.prefix is not None:
            mask = dataclasses.replace(mask, causal=False, **_order(inputs.prefix, cache))
        keep = inputs.return_hidden_states
        x, cache, layers = stack(
            embedded, mask, source=inputs.source, dropout_key=stack_key, cache=cache, return_hidden_states=keep
        )
        hidden = dropout(x if norm is None else norm(x), self.config.output_dropout, out_key)
        # The last of them is what the head reads, as in Hugging Face Transformers.
        return Layers(hidden, (embedded, *layers[:-1], hidden) if keep else None, cache)

    def _losses(
        self, targets: Any, options: LossOptions | None, logits_at: Any, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """The fields of `Inputs` that ask for losses, one for each position with vocabulary logits.

        Args:
          shape: of these positions where `logits_at` is None.

        Raises:
          InputError: targets of another shape, or for a head without a vocabulary; options without targets.
        """
        if targets is None:
            if options is not None:
                raise InputError("loss_options are those of losses at targets; give targets too, or leave them out.")
            return {}
        if not isinstance(self.head, VocabularyHead):
            raise InputError(
                f"targets need a head with a vocabulary, such as causal_lm or masked_lm; this model's is "
                f"{self.head_name!r}. Load it with such a head, or leave targets out."
            )
        check_targets(self.config, targets, shape if logits_at is None else logits_at.shape)
        return dict(targets=flat(targets), loss_options=options or LossOptions())

    def _read(self, out: Output, inputs: Inputs) -> Output:
        """Adds what the head computes from the output."""
        if self.head is None:
            return out
        features = Features(hidden=out.hidden, pooled=out.pooled, token=self.embed.token, inputs=inputs)
        out = dataclasses.replace(out, **self.head(features))
        if inputs.choices is None or out.logits is None:
            return out
        if inputs.num_segments is None:
            return dataclasses.replace(out, logits=out.logits.reshape(-1, inputs.choices))
        logits = out.logits.reshape(-1, inputs.choices, inputs.num_segments)
        return dataclasses.replace(out, logits=jnp.swapaxes(logits, 1, 2))

    def _positions(
        self, tokens: Int[Array, "B T"], segments: Int[Array, "B T"] | None, cache: Cache | None
    ) -> Int[Array, "B T"]:
        if self.config.pad_positions == "skipped" and self.config.pad_id is not None:
            held = 0 if cache is None else jnp.sum(cache.segments != 0, axis=1, keepdims=True, dtype=jnp.int32)
            return past_padding(tokens, self.config.pad_id, held)
        if cache is None or segments is None:
            return consecutive(*tokens.shape, segments=segments)
        return consecutive(*tokens.shape, start=cache.length, segments=cache.admit(segments).segments)


def _platform(model: Transformer) -> str:
    """The platform that the parameters are on, or inside `jax.jit` will be on."""
    param = jax.tree.leaves(nnx.state(model))[0]
    if isinstance(param, Tracer) or not isinstance(param, jax.Array):
        return platform()
    return next(iter(param.devices())).platform


def _order(prefix: Int[Array, "B T"], cache: Cache | None) -> dict[str, Int[Array, "B _"]]:
    """The order of a mask in which every token of a segment sees those before it, itself, and the segment's prefix.

    A cache, which has admitted these tokens, holds keys of earlier ones as well.
    """
    batch, length = prefix.shape
    start = jnp.int32(0) if cache is None else cache.length - length
    query_order = jnp.broadcast_to(start + jnp.arange(length, dtype=jnp.int32), prefix.shape)
    key_order = jnp.where(prefix > 0, 0, query_order)
    if cache is not None:
        whole = jnp.broadcast_to(jnp.arange(cache.capacity, dtype=jnp.int32), (batch, cache.capacity))
        key_order = jax.lax.dynamic_update_slice(whole, key_order, (jnp.int32(0), start))
        return {"query_order": query_order, "key_order": key_order, "key_segments": cache.segments}
    return {"query_order": query_order, "key_order": key_order}
