# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ALBERT's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.hub.config_fields import ConfigTable, Field, override
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import from_heads, linear, norm, to_heads
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import albert

_LAYER, _BLOCKS = "albert.encoder.albert_layer_groups.{layer}.albert_layers.0", "stack.blocks"

BODY = (
    *bert.embeddings("albert"),
    *linear("albert.encoder.embedding_hidden_mapping_in", "embed.projection"),
    *to_heads(f"{_LAYER}.attention.query", f"{_BLOCKS}.attention.query"),
    *to_heads(f"{_LAYER}.attention.key", f"{_BLOCKS}.attention.key"),
    *to_heads(f"{_LAYER}.attention.value", f"{_BLOCKS}.attention.value"),
    *from_heads(f"{_LAYER}.attention.dense", f"{_BLOCKS}.attention.out"),
    *norm(f"{_LAYER}.attention.LayerNorm", f"{_BLOCKS}.attention_norm"),
    *linear(f"{_LAYER}.ffn", f"{_BLOCKS}.mlp.up"),
    *linear(f"{_LAYER}.ffn_output", f"{_BLOCKS}.mlp.down"),
    *norm(f"{_LAYER}.full_layer_layer_norm", f"{_BLOCKS}.mlp_norm"),
)
POOLER = linear("albert.pooler", "pooler")
VOCABULARY = (
    *linear("predictions.dense", "head.transform"),
    *norm("predictions.LayerNorm", "head.norm"),
    Row("predictions.bias", "head.bias", when="tied"),
    Row("predictions.decoder.bias", "head.bias", when="untied"),
    Row("predictions.decoder.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
ORDER = linear("sop_classifier.classifier", "head.pair")

TABLE = Table(
    prefix="albert.",
    body=BODY,
    heads={
        None: HubHead("AlbertModel", (POOLER,)),
        "pretraining": HubHead("AlbertForPreTraining", (POOLER, VOCABULARY, ORDER), num_labels=2),
        "masked_lm": HubHead("AlbertForMaskedLM", (VOCABULARY,)),
        # Transformers has no such class; the name is as it would call it.
        "sentence_order": HubHead("AlbertForSentenceOrderPrediction", (POOLER, ORDER), num_labels=2),
        "sequence_classification": HubHead("AlbertForSequenceClassification", (POOLER, bert.CLASSIFIER)),
        "token_classification": HubHead("AlbertForTokenClassification", (bert.CLASSIFIER,)),
        "question_answering": HubHead("AlbertForQuestionAnswering", (bert.SPAN,), num_labels=2),
        "multiple_choice": HubHead("AlbertForMultipleChoice", (POOLER, bert.CLASSIFIER)),
    },
    ties=(
        Tie("predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"),
        Tie("predictions.decoder.bias", "predictions.bias"),
        Tie("predictions.bias", "predictions.decoder.bias", when="untied", saved="untied"),
    ),
    buffers=bert.buffers("albert"),
    respell=bert.RESPELL,
)

FIELDS = override(
    tuple(field for field in bert.FIELDS if field.hub not in ("classifier_dropout", "is_decoder")),
    Field("embedding_size", "embed_width", default=128),
    Field("num_hidden_groups", "unique_layers", default=1),
    Field("inner_group_num", None, default=1, only=(1,)),
    Field("hidden_act", "activation", str, "gelu_new", values=bert.ACTIVATIONS),
    Field("hidden_dropout_prob", "hidden_dropout", float, 0.0),
    Field("hidden_dropout_prob", "embed_dropout", float, 0.0),
    Field("attention_probs_dropout_prob", "attention_dropout", float, 0.0),
    Field("classifier_dropout_prob", "classifier_dropout", float, lambda hub: 0.1),
    Field("bos_token_id", "bos_id", bert.ID, 2),
    Field("eos_token_id", "eos_id", bert.ID, 3),
)

CONFIG = ConfigTable(model_type="albert", make=albert.config, fields=FIELDS)

FAMILY = HubFamily("albert", CONFIG, TABLE)
