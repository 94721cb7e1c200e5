# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet (arXiv:1906.08237): an encoder that predicts tokens in permuted orders, with memory of earlier tokens.

Sizes are those released at github.com/zihangdai/xlnet (section 3.1 and appendix A.4). In its texts padding comes first,
and the classifying token last.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from zoo.errors import ConfigError, InputError
from zoo.models.family import Family
from zoo.nn import heads
from zoo.nn.block import Layer
from zoo.nn.config import AttentionConfig, TransformerConfig
from zoo.nn.dropout import dropout
from zoo.nn.init import kernel_init
from zoo.nn.inputs import Batch, Ids, Inputs, LossOptions, arguments, flat, is_batch, refuse
from zoo.nn.transformer import ARGUMENTS, Output, Transformer
from zoo.nn.two_stream import Relations, Streams, TwoStreamBlock, distance_encoding, stream_masks

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class XLNetInputs(Inputs):
    """The inputs with those of permutation language modelling, see `XLNet`."""

    permutation_mask: Float[Array, "B T T"] | Int[Array, "B T T"] | Bool[Array, "B T T"] | None = None
    target_mapping: Float[Array, "B M T"] | Int[Array, "B M T"] | Bool[Array, "B M T"] | None = None
    order: Int[Array, "B T"] | None = None
    target_positions: Int[Array, "B M"] | None = None
    memory: Memory | None = None

    @property
    def held(self) -> int:
        """S, the number of tokens in memory."""
        return 0 if self.memory is None else self.memory[0].shape[0]

    @property
    def predictions(self) -> int | None:
        """M; None if nothing is predicted, so that there is no query stream."""
        given = self.target_mapping if self.target_positions is None else self.target_positions
        return None if given is None else given.shape[1]


class XLNet(Transformer):
    """The two-stream Transformer with memory."""

    block_type: ClassVar[type[Layer]] = TwoStreamBlock

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs, **rest):
        if set(config.attention.window) != {None}:
            raise ConfigError(
                f"XLNet attends without windows; attention.window is {config.attention.window}, not None."
            )
        super().__init__(config, rngs=rngs, **rest)
        table = kernel_init(config)(rngs.params(), (1, 1, config.width), jnp.dtype(config.execution.param_dtype))
        self.unknown = nnx.Param(table, axes=("types", "types", "width"))

    def __call__(
        self,
        tokens: Ids | Batch | None = None,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        permutation_mask: Array | None = None,
        target_mapping: Array | None = None,
        order: Array | None = None,
        target_positions: Array | None = None,
        memory: Memory | None = None,
        logits_at: Array | None = None,
        targets: Ids | None = None,
        loss_options: LossOptions | None = None,
        return_hidden_states: bool = False,
        num_segments: int | None = None,
        **unknown: Any,
    ) -> Output:
        """Runs the model.

        Args:
          tokens, segments, dropout_key, logits_at, targets, loss_options, num_segments: see `Transformer`.
          token_types: any numbers; only equality counts.
          positions: have no effect, since only distances count.
          permutation_mask: [B, T, T], 1 where a token (row) may not attend to another (column).
          target_mapping: [B, M, T], one-hot: the position of each of M predictions; the outputs are then theirs.
          order: [B, T], the place of each token in the order of prediction, from 0: it sees the tokens at its place and
            before, and its prediction those before its place alone. In place of `permutation_mask`, without a mask.
          target_positions: [B, M], the positions in `target_mapping` as numbers, T where a row has fewer predictions.
          memory: what a call before returned: for each layer [S, B, D].

        Raises:
          InputError: ids out of range, shapes that differ, an argument that does not exist.
        """
        relations: dict[str, Any] = dict(
            permutation_mask=permutation_mask,
            target_mapping=target_mapping,
            order=order,
            target_positions=target_positions,
            memory=memory,
        )
        options: dict[str, Any] = dict(
            dropout_key=dropout_key,
            logits_at=logits_at,
            return_hidden_states=return_hidden_states,
            num_segments=num_segments,
        )
        if is_batch(tokens):
            ids = dict(token_types=token_types, segments=segments, positions=positions)
            losses = dict(targets=targets, loss_options=loss_options)
            return self(**arguments(tokens, **ids, **losses, **relations, **options, **unknown))
        if "cache" in unknown:
            raise InputError("XLNet has no cache; it takes `memory`, which a call returns, instead.")
        refuse(unknown, (*ARGUMENTS[:-1], *relations, "return_hidden_states", "num_segments"))
        predicts = target_mapping is not None or target_positions is not None
        checked = None if predicts else logits_at
        inputs = XLNetInputs.create(
            self.config, tokens, segments=segments, positions=positions, **{**options, "logits_at": checked}
        )
        self._check_relations(tokens, token_types, relations)
        types = None if token_types is None else flat(token_types)
        numbers = {name: relations[name] for name in ("order", "target_positions")}
        relations |= {name: None if each is None else flat(each) for name, each in numbers.items()}
        inputs = inputs.replace(token_types=types, logits_at=logits_at, **relations)
        batch, length = inputs.tokens.shape
        shape = (batch, length if inputs.predictions is None else inputs.predictions)
        return self._run_streams(inputs.replace(**self._losses(targets, loss_options, logits_at, shape)))

    def _run_streams(self, inputs: XLNetInputs) -> Output:
        key = inputs.dropout_key
        keys = (None,) * 6 if key is None else jax.random.split(key, 6)
        streams = self._streams(inputs, keys[0], keys[1])
        relations = self._relations(inputs, keys[2])
        memory = inputs.memory
        source = None if memory is None else jnp.stack([part.swapaxes(0, 1) for part in memory])
        x, _, states = self.stack(streams, relations, source=source, dropout_key=keys[3], return_hidden_states=True)
        read = (streams, *states[:-1])
        hidden = x.content if x.query is None else x.query
        out = Output(
            hidden=dropout(hidden, self.config.output_dropout, keys[4]),
            hidden_states=tuple(_each([streams, *states])) if inputs.return_hidden_states else None,
            memory=tuple(self._remember(part.content, memory, layer) for layer, part in enumerate(read)),
        )
        return self._read(out, inputs.replace(dropout_key=keys[5]))

    def _check_relations(self, tokens, token_types, given: dict[str, Any]) -> None:
        """InputError for shapes that do not belong to the tokens."""
        permutation_mask, target_mapping, order, target_positions, memory = given.values()
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
        if order is not None and order.shape != (batch, length):
            raise InputError(f"order must be [B, T] = {(batch, length)}; found {order.shape}.")
        if target_positions is not None and (target_positions.ndim != 2 or target_positions.shape[0] != batch):
            raise InputError(f"target_positions must be [B, M] with B = {batch}; found {target_positions.shape}.")
        for ours, theirs in (("order", "permutation_mask"), ("target_positions", "target_mapping")):
            if given[ours] is not None and given[theirs] is not None:
                raise InputError(f"{ours} and {theirs} are two forms of the same; give one of them.")
        layers, width = self.config.num_layers, self.config.width
        if memory is not None and [part.shape[1:] for part in memory] != [(batch, width)] * layers:
            raise InputError(
                f"memory must be {layers} arrays [S, {batch}, {width}]; found {[part.shape for part in memory]}."
            )

    def _streams(self, inputs: XLNetInputs, content_key, query_key) -> Streams:
        tokens = inputs.tokens
        content = self.embed(tokens, None, jnp.zeros_like(tokens), dropout_key=content_key)
        if inputs.predictions is None:
            return Streams(content, None)
        shape = (tokens.shape[0], inputs.predictions, self.config.width)
        query = jnp.broadcast_to(self.unknown[...].astype(content.dtype), shape)
        return Streams(content, dropout(query, self.config.embed_dropout, query_key))

    def _relations(self, inputs: XLNetInputs, key) -> Relations:
        types, target_mapping, held = inputs.token_types, inputs.target_mapping, inputs.held
        batch, length = inputs.tokens.shape
        total, causal = held + length, self.config.attention.causal
        last = 0 if causal else 1 - length
        encoding = distance_encoding(total, last, self.config.width, self.config.clamp_length)
        differs = None
        if types is not None:
            everyone = jnp.concatenate([jnp.zeros((batch, held), types.dtype), types], axis=1)
            differs = types[:, :, None] != everyone[:, None, :]
        content, query = stream_masks(self._allowed(inputs), inputs.order, length=length, held=held)
        return Relations(
            content=content,
            query=query,
            distances=dropout(jnp.asarray(encoding, self.config.execution.dtype), self.config.embed_dropout, key),
            differs=differs,
            target_mapping=None if target_mapping is None else jnp.asarray(target_mapping, jnp.float32),
            target_positions=inputs.target_positions,
        )

    def _allowed(self, inputs: XLNetInputs) -> Bool[Array, "B T S"] | None:
        """The query stream: all of the memory, and of the rest what causality, padding and mask leave."""
        (batch, length), held = inputs.tokens.shape, inputs.held
        segments, permutation_mask = inputs.segments, inputs.permutation_mask
        if not (self.config.attention.causal or segments is not None or permutation_mask is not None):
            return None
        seen = jnp.ones((batch, length, length), bool)
        if self.config.attention.causal:
            seen &= jnp.tril(jnp.ones((length, length), bool))[None]
        if segments is not None:
            ours, theirs = segments[:, :, None], segments[:, None, :]
            seen &= (theirs != 0) & ((ours == theirs) | (ours == 0))
        if permutation_mask is not None:
            seen &= ~jnp.asarray(permutation_mask).astype(bool)
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
    """One label a sequence, from its last token, which classifies; dropout only after the dense layer.

    Without `segments` that is the last position of the sequence, since XLNet's published texts are padded on the left.
    """

    drops_input = False

    def read(self, features: heads.Features) -> Float[Array, "*B D"]:
        return features.at_last(None)


class Choice(LastClassifier):
    """A score for each of the C sequences of `[B, C, T]`."""

    classes = 1


class TokenClassifier(heads.TokenClassifier):
    """One label a token, without dropout."""

    dropout = "none"


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
    organisation="xlnet",
    licence="MIT",
    special_tokens="xlnet",
)
