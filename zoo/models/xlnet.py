# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet (arXiv:1906.08237): an encoder that predicts words in permuted orders, with memory of what came before.

Sizes are those released at github.com/zihangdai/xlnet (section 3.1 and appendix A.4). Padding comes first in its texts,
and the classifying token last.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from zoo.errors import InputError
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.block import Block
from zoo.nn.config import AttentionConfig, TransformerConfig
from zoo.nn.init import kernel_init
from zoo.nn.inputs import check_inputs
from zoo.nn.linear import dropout
from zoo.nn.transformer import Ids, Output, Transformer, flat
from zoo.nn.two_stream import Relations, Streams, TwoStreamBlock, distance_encoding

Memory = Sequence[Float[Array, "S B D"]] | Float[Array, "L S B D"]


def config(num_layers: int, width: int, num_heads: int, **changes) -> TransformerConfig:
    """An XLNet of the given depth, width and number of heads."""
    fields: dict[str, Any] = dict(
        family="xlnet",
        vocab_size=32000,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        mlp_width=4 * width,
        max_length=512,
        positions="distances",
        embed_dropout=0.1,
        hidden_dropout=0.1,
        attention_dropout=0.1,
        mlp_dropout=0.1,
        output_dropout=0.1,
        classifier_dropout=0.1,
        attention=AttentionConfig(bias="none"),
        pad_id=5,
        bos_id=1,
        eos_id=2,
    )
    return TransformerConfig(**(fields | changes))


class XLNet(Transformer):
    """The two-stream Transformer with memory."""

    block_type: ClassVar[type[Block]] = TwoStreamBlock

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs, **rest):
        super().__init__(config, rngs=rngs, **rest)
        table = kernel_init(config)(rngs.params(), (1, 1, config.width), jnp.dtype(config.execution.param_dtype))
        self.unknown = nnx.Param(table, axes=("types", "types", "width"))

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        tokens: Ids,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        permutation_mask: Array | None = None,
        target_mapping: Array | None = None,
        memory: Memory | None = None,
        logits_at: Array | None = None,
        targets: Ids | None = None,
        return_hidden_states: bool = False,
    ) -> Output:
        """Runs the model.

        Args:
          tokens, segments, dropout_key, logits_at, targets: see `Transformer`.
          token_types: any numbers; only equality counts.
          positions: change nothing, since distances alone count.
          permutation_mask: [B, T, T], 1 where a token (row) may not see another (column).
          target_mapping: [B, M, T], one-hot: where each of M predictions stands; the outputs are then theirs.
          memory: what a call before returned: for each layer [S, B, D].

        Raises:
          InputError: ids out of range, shapes that differ.
        """
        check_inputs(
            self.config, tokens, None, segments, positions, logits_at=logits_at if target_mapping is None else None
        )
        choices = tokens.shape[1] if tokens.ndim == 3 else None
        self._check_relations(tokens, token_types, permutation_mask, target_mapping, memory)
        self._check_targets(targets, logits_at, tokens.shape if target_mapping is None else target_mapping.shape[:2])
        rows, types, marks = flat(tokens), flat(token_types), flat(segments)
        keys = (None,) * 6 if dropout_key is None else jax.random.split(dropout_key, 6)
        held = 0 if memory is None else memory[0].shape[0]
        streams = self._streams(rows, target_mapping, keys[0], keys[1])
        relations = self._relations(rows, types, marks, permutation_mask, target_mapping, held, keys[2])
        source = None if memory is None else jnp.stack([part.swapaxes(0, 1) for part in memory])
        x, _, states = self.stack(streams, relations, source=source, dropout_key=keys[3], return_hidden_states=True)
        inputs = (streams, *states[:-1])
        hidden = x.content if x.query is None else x.query
        out = Output(
            hidden=dropout(hidden, self.config.output_dropout, keys[4]),
            hidden_states=tuple(_each([streams, *states])) if return_hidden_states else None,
            memory=tuple(self._remember(part.content, memory, layer) for layer, part in enumerate(inputs)),
        )
        out = self._read(out, rows, marks, keys[5], logits_at, targets)
        if choices is None or out.logits is None:
            return out
        return dataclasses.replace(out, logits=out.logits.reshape(-1, choices))

    def _check_relations(self, tokens, token_types, permutation_mask, target_mapping, memory) -> None:
        """InputError for shapes that do not belong to the tokens."""
        batch, length = math.prod(tokens.shape[:-1]), tokens.shape[-1]
        if token_types is not None and token_types.shape != tokens.shape:
            raise InputError(f"token_types must be {tuple(tokens.shape)} as tokens are; found {token_types.shape}.")
        if permutation_mask is not None and permutation_mask.shape != (batch, length, length):
            expected = (batch, length, length)
            raise InputError(f"permutation_mask must be [B, T, T] = {expected}; found {permutation_mask.shape}.")
        if target_mapping is not None and target_mapping.shape[::2] != (batch, length):
            raise InputError(
                f"target_mapping must be [B, M, T] with B = {batch} and T = {length}; found {target_mapping.shape}."
            )
        layers, width = self.config.num_layers, self.config.width
        if memory is not None and [part.shape[1:] for part in memory] != [(batch, width)] * layers:
            raise InputError(
                f"memory must be {layers} arrays [S, {batch}, {width}]; found {[part.shape for part in memory]}."
            )

    def _streams(self, tokens, target_mapping, content_key, query_key) -> Streams:
        content = self.embed(tokens, None, jnp.zeros_like(tokens), dropout_key=content_key)
        if target_mapping is None:
            return Streams(content, None)
        shape = (tokens.shape[0], target_mapping.shape[1], self.config.width)
        query = jnp.broadcast_to(self.unknown[...].astype(content.dtype), shape)
        return Streams(content, dropout(query, self.config.embed_dropout, query_key))

    def _relations(self, tokens, types, segments, permutation_mask, target_mapping, held: int, key) -> Relations:
        batch, length = tokens.shape
        total, causal = held + length, self.config.attention.causal
        last = 0 if causal else 1 - length
        encoding = distance_encoding(total, last, self.config.width, self.config.clamp_length)
        differs = None
        if types is not None:
            everyone = jnp.concatenate([jnp.zeros((batch, held), types.dtype), types], axis=1)
            differs = types[:, :, None] != everyone[:, None, :]
        query = self._allowed(batch, length, held, segments, permutation_mask)
        own = jnp.eye(length, total, held, dtype=bool)[None]
        return Relations(
            content=None if query is None else query | own,
            query=query,
            distances=dropout(jnp.asarray(encoding, self.config.execution.dtype), self.config.embed_dropout, key),
            differs=differs,
            places=None if target_mapping is None else jnp.asarray(target_mapping, jnp.float32),
        )

    def _allowed(self, batch: int, length: int, held: int, segments, permutation_mask) -> Bool[Array, "B T S"] | None:
        """What the query stream sees: all of the memory, and of the others what order and padding leave."""
        if not (self.config.attention.causal or segments is not None or permutation_mask is not None):
            return None
        seen = jnp.ones((batch, length, length), bool)
        if self.config.attention.causal:
            seen &= jnp.tril(jnp.ones((length, length), bool))[None]
        if segments is not None:
            ours, theirs = segments[:, :, None], segments[:, None, :]
            seen &= (theirs != 0) & ((ours == theirs) | (ours == 0))
        if permutation_mask is not None:
            seen &= jnp.asarray(permutation_mask) == 0
        return jnp.concatenate([jnp.ones((batch, length, held), bool), seen], axis=2)

    def _remember(self, content: Float[Array, "B T D"], memory: Memory | None, layer: int) -> Float[Array, "R B D"]:
        new = content.swapaxes(0, 1)
        whole = new if memory is None else jnp.concatenate([memory[layer].astype(new.dtype), new])
        return jax.lax.stop_gradient(whole[-self.config.memory_length :] if self.config.memory_length else whole)


def _each(states):
    """Both streams of every state, in turn."""
    for state in states:
        yield state.content
        if state.query is not None:
            yield state.query


class BiasedLMHead(heads.CausalLMHead):
    """With a bias of the logits."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs):
        super().__init__(config, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros((config.vocab_size,), jnp.dtype(config.execution.param_dtype)), axes=("vocab",))

    def logits_bias(self) -> Float[Array, "V"]:
        return self.bias[...]


class LastClassifier(heads.DenseClassifier):
    """One label a sequence, from its last place, where the classifying token stands; dropout behind the dense layer."""

    drops_input = False

    def read(self, features: heads.Features) -> Float[Array, "B D"]:
        return features.hidden[:, -1]


class Choice(LastClassifier):
    """A score for each of the C sequences of `[B, C, T]`."""

    classes = 1


class TokenClassifier(heads.TokenClassifier):
    """One label a token, without dropout."""

    def dropout_rate(self, config: TransformerConfig) -> float:
        return 0.0


HEADS = {
    "permutation_lm": BiasedLMHead,
    "sequence_classification": LastClassifier,
    "token_classification": TokenClassifier,
    "question_answering": heads.SpanHead,
    "multiple_choice": Choice,
}

FAMILY = Family(
    name="xlnet",
    sizes={"xlnet-base-cased": config(12, 768, 12), "xlnet-large-cased": config(24, 1024, 16)},
    heads=HEADS,
    model=XLNet,
)
