# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Marian's checkpoints (transformers 5.x), and folders of our own for the Transformer without biases of attention."""

import dataclasses
from typing import Any

from zoo.errors import ConfigError
from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.family import HubFamily
from zoo.hub.rows import from_heads, linear, norm, to_heads
from zoo.hub.table import Constant, HubHead, Row, Table, Tie
from zoo.models import transformer
from zoo.nn.config import TransformerConfig
from zoo.nn.positions import sinusoids


def _attention(hub: str, ours: str) -> tuple[Row, ...]:
    return (
        *to_heads(f"{hub}.q_proj", f"{ours}.query"),
        *to_heads(f"{hub}.k_proj", f"{ours}.key"),
        *to_heads(f"{hub}.v_proj", f"{ours}.value"),
        *from_heads(f"{hub}.out_proj", f"{ours}.out"),
    )


def _side(hub: str, blocks: str, *cross: Row) -> tuple[Row, ...]:
    layer = f"{hub}.layers.{{layer}}"
    return (
        *_attention(f"{layer}.self_attn", f"{blocks}.attention"),
        *norm(f"{layer}.self_attn_layer_norm", f"{blocks}.attention_norm"),
        *cross,
        *linear(f"{layer}.fc1", f"{blocks}.mlp.up"),
        *linear(f"{layer}.fc2", f"{blocks}.mlp.down"),
        *norm(f"{layer}.final_layer_norm", f"{blocks}.mlp_norm"),
    )


_CROSS = (
    *_attention("model.decoder.layers.{layer}.encoder_attn", "decoder.blocks.cross"),
    *norm("model.decoder.layers.{layer}.encoder_attn_layer_norm", "decoder.blocks.cross_norm"),
)

TABLE = Table(
    prefix="model.",
    body=(
        Row("model.shared.weight", "embed.token.embedding"),
        *_side("model.encoder", "stack.blocks"),
        *_side("model.decoder", "decoder.blocks", *_CROSS),
    ),
    heads={
        None: HubHead("TransformerModel"),
        "seq2seq_lm": HubHead(
            "TransformerLMHeadModel", ((Row("lm_head.weight", "head.vocabulary.kernel", "V D -> D V", when="untied"),),)
        ),
    },
    ties=(
        Tie("lm_head.weight", "model.shared.weight"),
        Tie("model.encoder.embed_tokens.weight", "model.shared.weight", when="always", saved="untied"),
        Tie("model.decoder.embed_tokens.weight", "model.shared.weight", when="always", saved="untied"),
    ),
    constants=tuple(
        Constant(
            f"model.{side}.embed_positions.weight",
            shape=lambda config: (config.max_length, config.width),
            make=lambda config: sinusoids(config.max_length, config.width),
            saved_by=(None,),  # its library forgets to leave them out of the bare model
        )
        for side in ("encoder", "decoder")
    ),
)

_BIASED = (*TABLE.heads["seq2seq_lm"].parts[0], Row("final_logits_bias", "head.bias"))

MARIAN_TABLE = dataclasses.replace(
    TABLE, heads={None: HubHead("MarianModel"), "seq2seq_lm": HubHead("MarianMTModel", (_BIASED,))}
)


def _make(
    *,
    encoder_heads: int,
    decoder_heads: int,
    encoder_mlp: int,
    decoder_mlp: int,
    decoder_vocab: int | None,
    banned: list | None,
    **fields: Any,
):
    if decoder_vocab not in (None, fields["vocab_size"]):
        raise ConfigError(f"'decoder_vocab_size' must be 'vocab_size', {fields['vocab_size']}; found {decoder_vocab}.")
    if encoder_heads != decoder_heads or encoder_mlp != decoder_mlp:
        raise ConfigError(
            "This version has the same number of heads and the same feed-forward width in encoder and decoder; found "
            f"{encoder_heads} and {decoder_heads} heads, {encoder_mlp} and {decoder_mlp} wide."
        )
    return transformer.marian_config(
        num_heads=encoder_heads, mlp_width=encoder_mlp, suppress_tokens=_banned(banned, fields["vocab_size"]), **fields
    )


def _banned(words: list | None, vocab_size: int) -> tuple[int, ...]:
    """`bad_words_ids` of one token each; Marian's releases suppress the padding, with which their decoder begins."""
    ids = [word[0] if isinstance(word, list) and len(word) == 1 else None for word in words or []]
    if not all(type(token) is int and 0 <= token < vocab_size for token in ids):
        raise ConfigError(f"'bad_words_ids' must be lists of one token of the vocabulary; found {words!r:.80}.")
    return tuple(token for token in ids if token is not None)


def _heads(config: TransformerConfig) -> int:
    return config.num_heads


def _mlp_width(config: TransformerConfig) -> int:
    return config.mlp_width


MARIAN_CONFIG = ConfigTable(
    model_type="marian",
    make=_make,
    of_generation=("bad_words_ids",),
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("d_model", "width"),
        Field("encoder_layers", "num_layers"),
        Field("decoder_layers", "decoder_layers"),
        Field("encoder_attention_heads", "encoder_heads", encode=_heads),
        Field("decoder_attention_heads", "decoder_heads", encode=_heads),
        Field("encoder_ffn_dim", "encoder_mlp", encode=_mlp_width),
        Field("decoder_ffn_dim", "decoder_mlp", encode=_mlp_width),
        Field("max_position_embeddings", "max_length", default=1024),
        Field("activation_function", "activation", str, "gelu", values={"swish": "silu"} | ACTIVATIONS),
        Field("scale_embedding", "embed_scale", bool, False, values={True: "sqrt_width", False: "none"}),
        Field("init_std", "init_std", float, 0.02),
        Field("dropout", "hidden_dropout", float, 0.1),
        Field("dropout", "embed_dropout", float, 0.1),
        Field("attention_dropout", "attention_dropout", float, 0.0),
        Field("activation_dropout", "mlp_dropout", float, 0.0),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", ID, 58100),
        Field("bos_token_id", "bos_id", ID, None),
        Field("eos_token_id", "eos_id", ID, 0),
        Field("decoder_start_token_id", "decoder_start_id", ID, 58100),
        Field(
            "bad_words_ids",
            "banned",
            (list, type(None)),
            None,
            encode=lambda config: [[token] for token in config.suppress_tokens] or None,
        ),
        Field("decoder_vocab_size", "decoder_vocab", ID, None, encode=lambda config: config.vocab_size),
        Field("encoder_layerdrop", None, float, 0.0, only=(0.0,)),
        Field("decoder_layerdrop", None, float, 0.0, only=(0.0,)),
        Field("share_encoder_decoder_embeddings", None, bool, True, only=(True,)),
        Field("normalize_before", None, bool, False, only=(False,)),
        Field("normalize_embedding", None, bool, False, only=(False,)),
        Field("is_encoder_decoder", None, bool, True, only=(True,)),
    ),
)

CONFIG = ConfigTable(
    model_type="transformer",
    make=transformer.config,
    fields=(
        *(Field(name, name) for name in ("vocab_size", "width", "num_layers", "decoder_layers", "num_heads")),
        *(Field(name, name) for name in ("mlp_width", "max_length")),
        Field("activation", "activation", str, values=ACTIVATIONS),
        *(Field(name, name, float) for name in ("norm_eps", "embed_dropout", "hidden_dropout", "attention_dropout")),
        *(Field(name, name, float) for name in ("mlp_dropout", "output_dropout", "init_std")),
        Field("tie_embeddings", "tie_embeddings", bool),
        *(Field(name, name, ID) for name in ("pad_id", "bos_id", "eos_id", "decoder_start_id")),
    ),
)

FAMILIES = (
    HubFamily("transformer", CONFIG, TABLE, in_transformers=False),
    HubFamily("marian", MARIAN_CONFIG, MARIAN_TABLE),
)
