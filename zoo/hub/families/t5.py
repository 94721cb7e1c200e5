# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""T5's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from collections.abc import Mapping
from typing import Any

from zoo.errors import ConfigError
from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import linear
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import t5
from zoo.nn.config import TransformerConfig


def _attention(hub: str, ours: str) -> tuple[Row, ...]:
    projections = (("q", "query"), ("k", "key"), ("v", "value"))
    return (
        *(Row(f"{hub}.{theirs}.weight", f"{ours}.{name}.kernel", "NH D -> D N H") for theirs, name in projections),
        Row(f"{hub}.o.weight", f"{ours}.out.kernel", "D NH -> N H D"),
    )


def _mlp(hub: str, ours: str) -> tuple[Row, ...]:
    """A plain network's first product is `wi`; a gated one has the gate in `wi_0`."""
    return (
        Row(f"{hub}.wi.weight", f"{ours}.up.kernel", "O I -> I O", when="plain"),
        Row(f"{hub}.wi_0.weight", f"{ours}.gate.kernel", "O I -> I O", when="gated"),
        Row(f"{hub}.wi_1.weight", f"{ours}.up.kernel", "O I -> I O", when="gated"),
        Row(f"{hub}.wo.weight", f"{ours}.down.kernel", "O I -> I O"),
    )


def _side(hub: str, stack: str, final_norm: str, sublayers: int) -> tuple[Row, ...]:
    """Encoder or decoder, whose feed-forward network is its last sublayer."""
    layer, blocks = f"{hub}.block.{{layer}}.layer", f"{stack}.blocks"
    cross = (
        *_attention(f"{layer}.1.EncDecAttention", f"{blocks}.cross"),
        Row(f"{layer}.1.layer_norm.weight", f"{blocks}.cross_norm.scale"),
    )
    return (
        Row(f"{hub}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", f"{stack}.bias.embedding"),
        *_attention(f"{layer}.0.SelfAttention", f"{blocks}.attention"),
        Row(f"{layer}.0.layer_norm.weight", f"{blocks}.attention_norm.scale"),
        *(cross if sublayers == 3 else ()),
        *_mlp(f"{layer}.{sublayers - 1}.DenseReluDense", f"{blocks}.mlp"),
        Row(f"{layer}.{sublayers - 1}.layer_norm.weight", f"{blocks}.mlp_norm.scale"),
        Row(f"{hub}.final_layer_norm.weight", f"{final_norm}.scale"),
    )


VOCABULARY = (Row("lm_head.weight", "head.vocabulary.kernel", "V D -> D V", when="untied"),)
CLASSIFIER = (
    *linear("classification_head.dense", "head.dense"),
    *linear("classification_head.out_proj", "head.classifier"),
)

TABLE = Table(
    prefix="transformer.",
    body=(
        Row("transformer.shared.weight", "embed.token.embedding"),
        *_side("transformer.encoder", "stack", "final_norm", 2),
        *_side("transformer.decoder", "decoder", "decoder_norm", 3),
    ),
    heads={
        None: HubHead("T5Model"),
        "seq2seq_lm": HubHead("T5ForConditionalGeneration", (VOCABULARY,), bare_names=True),
        "sequence_classification": HubHead("T5ForSequenceClassification", (CLASSIFIER,)),
        "token_classification": HubHead(
            "T5ForTokenClassification", (bert.CLASSIFIER,), lacks=("transformer.decoder.",)
        ),
        "question_answering": HubHead("T5ForQuestionAnswering", (bert.SPAN,), num_labels=2, bare_names=True),
        "encoder": HubHead("T5EncoderModel", bare_names=True, lacks=("transformer.decoder.",)),
    },
    ties=(
        Tie("lm_head.weight", "transformer.shared.weight"),
        Tie("transformer.encoder.embed_tokens.weight", "transformer.shared.weight", when="always"),
        Tie("transformer.decoder.embed_tokens.weight", "transformer.shared.weight", when="always"),
    ),
    # Saved by early versions, and used by none.
    buffers=("transformer.decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
    untied_by="lm_head.weight",
)


def _scale(hub: Mapping[str, Any]) -> bool:
    """Version 1.1 marks that it does not scale by declaring that its embeddings are not tied."""
    return hub.get("tie_word_embeddings") is not False


def _make(
    *, feed_forward: str, scaled: bool, decoder_layers: int | None, num_layers: int, **fields: Any
) -> TransformerConfig:
    kind, _, name = feed_forward.rpartition("-")
    if kind not in ("", "gated") or name not in ACTIVATIONS:
        raise ConfigError(f"'feed_forward_proj' must be an activation or 'gated-' and one; found {feed_forward!r}.")
    activation = "gelu_tanh" if feed_forward == "gated-gelu" else ACTIVATIONS[name]
    depth = num_layers if decoder_layers is None else decoder_layers
    flavour = dict(mlp="gated" if kind else "plain", logits_scale="inverse_sqrt_width" if scaled else "none")
    return t5.config(num_layers=num_layers, decoder_layers=depth, activation=activation, **flavour, **fields)


def _encode_feed_forward(config: TransformerConfig) -> str:
    if config.mlp == "gated" and config.activation == "gelu_tanh":
        return "gated-gelu"
    name = next(hub for hub, ours in ACTIVATIONS.items() if ours == config.activation)
    return f"gated-{name}" if config.mlp == "gated" else name


def _encode_scale(config: TransformerConfig) -> bool:
    if config.logits_scale != "none" and not config.tie_embeddings:
        raise ConfigError("Transformers scales tied logits alone; set logits_scale='none' for untied embeddings.")
    return config.logits_scale != "none"


_RATES = ("embed_dropout", "hidden_dropout", "attention_dropout", "mlp_dropout", "output_dropout")

CONFIG = ConfigTable(
    model_type="t5",
    make=_make,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("d_model", "width"),
        Field("d_kv", "kv_width", default=64, encode=lambda config: config.head_width),
        Field("d_ff", "mlp_width"),
        Field("num_layers", "num_layers"),
        Field("num_decoder_layers", "decoder_layers", ID, None),
        Field("num_heads", "num_heads"),
        Field("relative_attention_num_buckets", "position_buckets", default=32),
        Field("relative_attention_max_distance", "position_span", default=128),
        *(Field("dropout_rate", rate, float, 0.1) for rate in _RATES),
        Field("classifier_dropout", "classifier_dropout", float, 0.0),
        Field("layer_norm_epsilon", "norm_eps", float, 1e-6),
        Field("initializer_factor", "init_std", float, 1.0),
        Field("feed_forward_proj", "feed_forward", str, "relu", encode=_encode_feed_forward),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("scale_decoder_outputs", "scaled", bool, _scale, encode=_encode_scale),
        Field("n_positions", "max_length", default=512),
        Field("pad_token_id", "pad_id", ID, 0),
        Field("eos_token_id", "eos_id", ID, 1),
        Field("decoder_start_token_id", "decoder_start_id", ID, 0),
        Field("is_encoder_decoder", None, bool, True),
    ),
)

FAMILY = HubFamily("t5", CONFIG, TABLE)
