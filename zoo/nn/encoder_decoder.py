# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The encoder-decoder (arXiv:1706.03762, section 3.1): a decoder that attends to what an encoder made of the tokens."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from zoo.errors import ConfigError
from zoo.nn.block import Source
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import Head
from zoo.nn.inputs import check_inputs
from zoo.nn.norm import Norm
from zoo.nn.stack import Stack
from zoo.nn.transformer import Ids, Output, Transformer, flat


class EncoderDecoder(Transformer):
    """An encoder and a decoder with one embedding table, and a head that reads the decoder's output."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        head_name: str | None = None,
        head_type: type[Head] | None = None,
        rngs: nnx.Rngs,
    ):
        super().__init__(config, head_name=head_name, head_type=head_type, rngs=rngs)
        self.decoder = Stack(config.decoder, attends="source", rngs=rngs)
        self.decoder_norm = Norm(config.width, config) if config.norm_order == "pre" else None

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        tokens: Ids,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        decoder_tokens: Ids | None = None,
        decoder_segments: Ids | None = None,
        logits_at: Int[Array, "B M"] | None = None,
        targets: Ids | None = None,
        return_hidden_states: bool = False,
    ) -> Output:
        """Runs encoder and decoder.

        Args:
          tokens, token_types, segments, positions: the encoder's, [B, S]; see `Transformer`.
          dropout_key: turns dropout on.
          decoder_tokens: the decoder's ids [B, T]; None is `tokens` behind a start token.
          decoder_segments: 0 for the decoder's padding; None has none, which does no harm if padding comes last.
          logits_at: the decoder's positions at which vocabulary logits are computed; None is all.
          targets: what the decoder should say at these, see `Transformer`.

        Raises:
          InputError: ids out of range, sequence too long, shapes that differ, a row that is all padding.
        """
        check_inputs(self.config, tokens, token_types, segments, positions)
        decoder_tokens = shift_right(self.config, tokens) if decoder_tokens is None else decoder_tokens
        check_inputs(self.config, decoder_tokens, None, decoder_segments, None, of="decoder_", logits_at=logits_at)
        self._check_targets(targets, logits_at, decoder_tokens.shape)
        keys = (None,) * 3 if dropout_key is None else jax.random.split(dropout_key, 3)
        rows, marks = flat(tokens), flat(segments)
        encoder = self._through(
            self.stack,
            self.final_norm,
            rows,
            flat(token_types),
            marks,
            flat(positions),
            keys[0],
            keep=return_hidden_states,
        )
        source = Source(hidden=encoder.hidden, segments=marks)
        out = self._decode(
            decoder_tokens, source, flat(decoder_segments), keys[1], cache=None, keep=return_hidden_states
        )
        out = dataclasses.replace(out, encoder_hidden=encoder.hidden, encoder_hidden_states=encoder.hidden_states)
        return self._read(out, rows, marks, keys[2], logits_at, targets)

    def encode(self, tokens: Ids, segments: Ids | None = None) -> Source:
        """What the decoder reads of the tokens [B, S]."""
        check_inputs(self.config, tokens, None, segments, None)
        rows, marks = flat(tokens), flat(segments)
        layers = self._through(self.stack, self.final_norm, rows, None, marks, None, None, keep=False)
        return Source(hidden=layers.hidden, segments=marks)

    def decode(
        self,
        decoder_tokens: Ids,
        source: Source,
        *,
        cache: Cache | None = None,
    ) -> Output:
        """What comes after the tokens that the cache holds: the decoder alone, with the logits of a language model."""
        out = self._decode(decoder_tokens, source, None, None, cache=cache, keep=False)
        is_language_model = self.head_name == "seq2seq_lm"
        return self._read(out, flat(decoder_tokens), None) if is_language_model else out

    def _decode(self, decoder_tokens, source: Source, decoder_segments, dropout_key, *, cache, keep) -> Output:
        layers = self._through(
            self.decoder,
            self.decoder_norm,
            flat(decoder_tokens),
            None,
            decoder_segments,
            None,
            dropout_key,
            source=source,
            cache=cache,
            keep=keep,
        )
        return Output(hidden=layers.hidden, hidden_states=layers.hidden_states, cache=layers.cache)


def shift_right(config: TransformerConfig, tokens: Ids) -> Int[Array, "B T"]:
    """What a decoder reads to say `tokens`: the start token, then all but the last of them."""
    if config.decoder_start_id is None:
        raise ConfigError("This model has no decoder_start_id, so that it cannot shift tokens; pass decoder_tokens.")
    tokens = jnp.asarray(tokens, jnp.int32)
    return jnp.concatenate([jnp.full_like(tokens[..., :1], config.decoder_start_id), tokens[..., :-1]], axis=-1)
