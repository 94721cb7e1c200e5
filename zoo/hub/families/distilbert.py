# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""DistilBERT's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import from_heads, linear, norm, to_heads
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import distilbert

_LAYER, _BLOCKS = "distilbert.transformer.layer.{layer}", "stack.blocks"

BODY = (
    Row("distilbert.embeddings.word_embeddings.weight", "embed.token.embedding"),
    Row("distilbert.embeddings.position_embeddings.weight", "embed.position.embedding"),
    *norm("distilbert.embeddings.LayerNorm", "embed.norm"),
    *to_heads(f"{_LAYER}.attention.q_lin", f"{_BLOCKS}.attention.query"),
    *to_heads(f"{_LAYER}.attention.k_lin", f"{_BLOCKS}.attention.key"),
    *to_heads(f"{_LAYER}.attention.v_lin", f"{_BLOCKS}.attention.value"),
    *from_heads(f"{_LAYER}.attention.out_lin", f"{_BLOCKS}.attention.out"),
    *norm(f"{_LAYER}.sa_layer_norm", f"{_BLOCKS}.attention_norm"),
    *linear(f"{_LAYER}.ffn.lin1", f"{_BLOCKS}.mlp.up"),
    *linear(f"{_LAYER}.ffn.lin2", f"{_BLOCKS}.mlp.down"),
    *norm(f"{_LAYER}.output_layer_norm", f"{_BLOCKS}.mlp_norm"),
)
VOCABULARY = (
    *linear("vocab_transform", "head.transform"),
    *norm("vocab_layer_norm", "head.norm"),
    Row("vocab_projector.bias", "head.bias"),
    Row("vocab_projector.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
DENSE_CLASSIFIER = (*linear("pre_classifier", "head.dense"), *linear("classifier", "head.classifier"))

_SENTENCE_DROPOUT = (Field("seq_classif_dropout", "classifier_dropout", float, lambda hub: 0.2),)
_SPAN_DROPOUT = (Field("qa_dropout", "classifier_dropout", float, lambda hub: 0.1),)

TABLE = Table(
    prefix="distilbert.",
    body=BODY,
    heads={
        None: HubHead("DistilBertModel"),
        "masked_lm": HubHead("DistilBertForMaskedLM", (VOCABULARY,)),
        "sequence_classification": HubHead(
            "DistilBertForSequenceClassification", (DENSE_CLASSIFIER,), _SENTENCE_DROPOUT
        ),
        "token_classification": HubHead("DistilBertForTokenClassification", (bert.CLASSIFIER,)),
        "question_answering": HubHead("DistilBertForQuestionAnswering", (bert.SPAN,), _SPAN_DROPOUT, num_labels=2),
        "multiple_choice": HubHead("DistilBertForMultipleChoice", (DENSE_CLASSIFIER,), _SENTENCE_DROPOUT),
    },
    ties=(Tie("vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"),),
    buffers=bert.buffers("distilbert"),
    respell=bert.RESPELL,
)

CONFIG = ConfigTable(
    model_type="distilbert",
    make=distilbert.config,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("dim", "width"),
        Field("n_layers", "num_layers"),
        Field("n_heads", "num_heads"),
        Field("hidden_dim", "mlp_width"),
        Field("max_position_embeddings", "max_length"),
        Field("activation", "activation", str, "gelu", values=ACTIVATIONS),
        Field("initializer_range", "init_std", float, 0.02),
        Field("dropout", "hidden_dropout", float, 0.1),
        Field("dropout", "embed_dropout", float, 0.1),
        Field("attention_dropout", "attention_dropout", float, 0.1),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        # Sinusoidal tables are saved like learned ones; what differs is whether Transformers trains them.
        Field("sinusoidal_pos_embds", None, bool, False),
        Field("pad_token_id", "pad_id", ID, 0),
        Field("bos_token_id", "bos_id", ID, None),
        Field("eos_token_id", "eos_id", ID, None),
    ),
)

FAMILY = HubFamily("distilbert", CONFIG, TABLE)
