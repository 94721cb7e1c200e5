# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""XLNet's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from typing import Any

from zoo.errors import ConfigError
from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import linear, norm
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import xlnet
from zoo.nn.config import TransformerConfig

_LAYER, _BLOCKS = "transformer.layer.{layer}", "stack.blocks"
_ATTENTION = f"{_BLOCKS}.attention"

BODY = (
    Row("transformer.word_embedding.weight", "embed.token.embedding"),
    Row("transformer.mask_emb", "unknown"),
    Row(f"{_LAYER}.rel_attn.q", f"{_ATTENTION}.query.kernel"),
    Row(f"{_LAYER}.rel_attn.k", f"{_ATTENTION}.key.kernel"),
    Row(f"{_LAYER}.rel_attn.v", f"{_ATTENTION}.value.kernel"),
    Row(f"{_LAYER}.rel_attn.o", f"{_ATTENTION}.out.kernel", "D N H -> N H D"),
    Row(f"{_LAYER}.rel_attn.r", f"{_ATTENTION}.position.kernel"),
    Row(f"{_LAYER}.rel_attn.r_w_bias", f"{_ATTENTION}.content_bias"),
    Row(f"{_LAYER}.rel_attn.r_r_bias", f"{_ATTENTION}.position_bias"),
    Row(f"{_LAYER}.rel_attn.r_s_bias", f"{_ATTENTION}.segment_bias"),
    Row(f"{_LAYER}.rel_attn.seg_embed", f"{_ATTENTION}.segment"),
    *norm(f"{_LAYER}.rel_attn.layer_norm", f"{_BLOCKS}.attention_norm"),
    *linear(f"{_LAYER}.ff.layer_1", f"{_BLOCKS}.mlp.up"),
    *linear(f"{_LAYER}.ff.layer_2", f"{_BLOCKS}.mlp.down"),
    *norm(f"{_LAYER}.ff.layer_norm", f"{_BLOCKS}.mlp_norm"),
)
VOCABULARY = (
    Row("lm_loss.bias", "head.bias"),
    Row("lm_loss.weight", "head.vocabulary.kernel", "V D -> D V", when="untied"),
)
CLASSIFIER = (*linear("sequence_summary.summary", "head.dense"), *linear("logits_proj", "head.classifier"))

TABLE = Table(
    prefix="transformer.",
    body=BODY,
    heads={
        None: HubHead("XLNetModel"),
        "permutation_lm": HubHead("XLNetLMHeadModel", (VOCABULARY,)),
        "sequence_classification": HubHead("XLNetForSequenceClassification", (CLASSIFIER,)),
        "token_classification": HubHead("XLNetForTokenClassification", (bert.CLASSIFIER,)),
        "question_answering": HubHead("XLNetForQuestionAnsweringSimple", (bert.SPAN,), num_labels=2),
        "multiple_choice": HubHead("XLNetForMultipleChoice", (CLASSIFIER,)),
    },
    ties=(Tie("lm_loss.weight", "transformer.word_embedding.weight"),),
)

_RATES = ("embed_dropout", "hidden_dropout", "attention_dropout", "mlp_dropout", "output_dropout")


def _make(*, clamp: int, memory: int | None, head_width: int | None, **fields: Any) -> TransformerConfig:
    config = xlnet.config(clamp_length=max(0, clamp), memory_length=memory or 0, **fields)
    if head_width not in (None, config.head_width):
        raise ConfigError(f"'d_head' must be d_model / n_head, which is {config.head_width}; found {head_width}.")
    return config


CONFIG = ConfigTable(
    model_type="xlnet",
    make=_make,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("d_model", "width"),
        Field("n_layer", "num_layers"),
        Field("n_head", "num_heads"),
        Field("d_inner", "mlp_width"),
        Field("d_head", "head_width", ID, None),
        Field("ff_activation", "activation", str, "gelu", values=ACTIVATIONS),
        Field("attn_type", "attention.causal", str, "bi", values={"bi": False, "uni": True}),
        Field("clamp_len", "clamp", int, -1, encode=lambda config: config.clamp_length or -1),
        Field("mem_len", "memory", ID, 512, encode=lambda config: config.memory_length or None),
        Field("layer_norm_eps", "norm_eps", float, 1e-12),
        Field("initializer_range", "init_std", float, 0.02),
        *(Field("dropout", rate, float, 0.1) for rate in _RATES),
        Field("summary_last_dropout", "classifier_dropout", float, lambda hub: 0.1),
        Field("summary_type", None, str, "last", only=("last",)),
        Field("summary_use_proj", None, bool, True, only=(True,)),
        Field("summary_activation", None, str, "tanh", only=("tanh",)),
        Field("untie_r", None, bool, True, only=(True,)),
        Field("same_length", None, bool, False, only=(False,)),
        Field("bi_data", None, bool, False, only=(False,)),
        Field("reuse_len", None, ID, None, only=(None, 0)),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", ID, 5),
        Field("bos_token_id", "bos_id", ID, 1),
        Field("eos_token_id", "eos_id", ID, 2),
    ),
)

FAMILY = HubFamily("xlnet", CONFIG, TABLE)
