# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The encoder-decoder (arXiv:1706.03762, section 3.1): a decoder that attends to what an encoder made of the tokens."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from zoo.errors import ConfigError, InputError
from zoo.nn.block import Source
from zoo.nn.cache import Cache
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import Head
from zoo.nn.inputs import Batch, Ids, Inputs, LossOptions, arguments, flat, is_batch, refuse
from zoo.nn.norm import Norm
from zoo.nn.positions import first_token
from zoo.nn.segments import begins
from zoo.nn.stack import Stack
from zoo.nn.transformer import ARGUMENTS, Output, Transformer


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

    def __call__(
        self,
        tokens: Ids | Batch | None = None,
        token_types: Ids | None = None,
        segments: Ids | None = None,
        positions: Ids | None = None,
        dropout_key: Array | None = None,
        *,
        decoder_tokens: Ids | None = None,
        decoder_segments: Ids | None = None,
        logits_at: Int[Array, "B M"] | None = None,
        targets: Ids | None = None,
        loss_options: LossOptions | None = None,
        return_hidden_states: bool = False,
        num_segments: int | None = None,
        **unknown: Any,
    ) -> Output:
        """Runs encoder and decoder.

        Args:
          tokens, token_types, segments, positions: the encoder's, [B, S]; see `Transformer`.
          dropout_key: turns dropout on.
          decoder_tokens: the decoder's ids [B, T]; None is `tokens` after a start token, which comes after padding
            on their left.
          decoder_segments: 0 for the decoder's padding; None means none, which is right if padding comes last.
          logits_at: the decoder's positions at which vocabulary logits are computed; None is all.
          targets, loss_options: what the decoder should predict there, see `Transformer`.
          num_segments: see `Transformer`; the decoder then reads the same texts, each after a start token and beside
            its own part of the encoder's output, so that `decoder_tokens` must be None.

        Raises:
          InputError: ids out of range, sequence too long, shapes that differ, a sequence of padding alone, an argument
            that does not exist.
        """
        if is_batch(tokens):
            ids = dict(token_types=token_types, segments=segments, positions=positions)
            losses = dict(targets=targets, loss_options=loss_options)
            decoder = dict(decoder_tokens=decoder_tokens, decoder_segments=decoder_segments, logits_at=logits_at)
            rest = dict(dropout_key=dropout_key, return_hidden_states=return_hidden_states, num_segments=num_segments)
            return self(**arguments(tokens, **ids, **losses, **decoder, **rest, **unknown))
        if "cache" in unknown:
            raise InputError("An encoder-decoder takes a cache in decode(); call encode() first, then decode().")
        refuse(unknown, (*ARGUMENTS[:-1], "decoder_tokens", "decoder_segments", "return_hidden_states", "num_segments"))
        keys = (None,) * 3 if dropout_key is None else jax.random.split(dropout_key, 3)
        options: dict[str, Any] = dict(return_hidden_states=return_hidden_states, num_segments=num_segments)
        given = Inputs.create(self.config, tokens, token_types, segments, positions, dropout_key=keys[0], **options)
        layers = self._through(self.stack, self.final_norm, given)
        source = Source(hidden=layers.hidden, segments=given.segments)
        decoder_positions = None
        if num_segments is not None:
            _refuse_own_texts(decoder_tokens, decoder_segments)
            decoder_tokens = _shift_each(self.config, given)
            decoder_segments, decoder_positions = given.segments, given.positions
            source = dataclasses.replace(source, query_segments=given.segments)
        elif decoder_tokens is None:
            decoder_tokens = shift_right(self.config, given.tokens, given.segments)
            if decoder_segments is None and given.segments is not None:
                decoder_segments = _after_padding(given.segments)
        options |= dict(source=source, logits_at=logits_at, dropout_key=keys[1])
        inputs = Inputs.create(
            self.config, decoder_tokens, None, decoder_segments, decoder_positions, of="decoder_", **options
        )
        losses = self._losses(targets, loss_options, logits_at, inputs.tokens.shape)
        out = dataclasses.replace(
            self._decode(inputs), encoder_hidden=layers.hidden, encoder_hidden_states=layers.hidden_states
        )
        return self._read(out, given.replace(dropout_key=keys[2], logits_at=logits_at, choices=None, **losses))

    def encode(self, tokens: Ids, segments: Ids | None = None) -> Source:
        """What the decoder reads of the tokens [B, S], with the keys and values of all its layers."""
        inputs = Inputs.create(self.config, tokens, segments=segments)
        layers = self._through(self.stack, self.final_norm, inputs)
        return self.decoder.hold(Source(hidden=layers.hidden, segments=inputs.segments))

    def decode(
        self,
        decoder_tokens: Ids,
        source: Source,
        *,
        cache: Cache | None = None,
    ) -> Output:
        """The decoder alone, after the tokens that the cache holds, with the logits of a language model.

        Args:
          decoder_tokens: [R, T], for each row of the source R / B rows one behind another.
          source: as of `encode`.

        Raises:
          InputError: rows that cannot be shared out among those of the source.
        """
        inputs = Inputs(tokens=flat(decoder_tokens), source=source, cache=cache)
        rows, sources = inputs.tokens.shape[0], source.hidden.shape[0]
        if rows % sources:
            raise InputError(
                f"decoder_tokens must have {sources} rows, or a multiple, for as many sources; found {rows}. Give each "
                "source as many rows as any other."
            )
        out = self._decode(inputs)
        return self._read(out, inputs) if self.head_name == "seq2seq_lm" else out

    def _decode(self, inputs: Inputs) -> Output:
        layers = self._through(self.decoder, self.decoder_norm, inputs)
        return Output(hidden=layers.hidden, hidden_states=layers.hidden_states, cache=layers.cache)


def shift_right(config: TransformerConfig, tokens: Ids, segments: Int[Array, "B T"] | None = None) -> Int[Array, "B T"]:
    """What a decoder reads to predict `tokens`: the start token, then all but the last of them.

    Where `segments` has padding on the left, the start token comes after it.
    """
    if config.decoder_start_id is None:
        raise ConfigError("This model has no decoder_start_id to shift tokens by; pass decoder_tokens, or set it.")
    tokens = jnp.asarray(tokens, jnp.int32)
    shifted = jnp.concatenate([jnp.full_like(tokens[..., :1], config.decoder_start_id), tokens[..., :-1]], axis=-1)
    if segments is None:
        return shifted
    places = jnp.arange(tokens.shape[-1], dtype=jnp.int32)[None]
    return jnp.where(places == first_token(segments)[:, None], config.decoder_start_id, shifted)


def check_start(config: TransformerConfig) -> None:
    """ConfigError for a model without the token that a decoder reads first."""
    if config.decoder_start_id is None:
        raise ConfigError(
            "The model has no decoder_start_id, which its decoder reads first; set model.decoder_start_id."
        )


def _shift_each(config: TransformerConfig, packed: Inputs) -> Int[Array, "B T"]:
    """`shift_right` of each text of a row: the start token at the first token of each."""
    shifted = shift_right(config, packed.tokens)
    return shifted if packed.segments is None else jnp.where(begins(packed.segments), shifted[:, :1], shifted)


def _refuse_own_texts(decoder_tokens: Ids | None, decoder_segments: Ids | None) -> None:
    """InputError for texts of the decoder's own beside packed ones."""
    if decoder_tokens is not None or decoder_segments is not None:
        raise InputError(
            "With num_segments the decoder reads the encoder's texts; leave decoder_tokens and decoder_segments out, "
            "or give one text a row without num_segments."
        )


def _after_padding(segments: Int[Array, "B T"]) -> Int[Array, "B T"]:
    """1 from each row's first token on, and 0 for padding before it."""
    places = jnp.arange(segments.shape[1], dtype=jnp.int32)[None]
    return (places >= first_token(segments)[:, None]).astype(jnp.int32)
