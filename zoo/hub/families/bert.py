# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.hub.config_fields import ACTIVATIONS, ID, ConfigTable, Field
from zoo.hub.family import HubFamily
from zoo.hub.rows import from_heads, linear, norm, to_heads
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import bert


def encoder(prefix: str) -> tuple[Row, ...]:
    """The layers, as BERT's descendants name them too."""
    layer, blocks = f"{prefix}.encoder.layer.{{layer}}", "stack.blocks"
    return (
        *to_heads(f"{layer}.attention.self.query", f"{blocks}.attention.query"),
        *to_heads(f"{layer}.attention.self.key", f"{blocks}.attention.key"),
        *to_heads(f"{layer}.attention.self.value", f"{blocks}.attention.value"),
        *from_heads(f"{layer}.attention.output.dense", f"{blocks}.attention.out"),
        *norm(f"{layer}.attention.output.LayerNorm", f"{blocks}.attention_norm"),
        *linear(f"{layer}.intermediate.dense", f"{blocks}.mlp.up"),
        *linear(f"{layer}.output.dense", f"{blocks}.mlp.down"),
        *norm(f"{layer}.output.LayerNorm", f"{blocks}.mlp_norm"),
    )


def embeddings(prefix: str) -> tuple[Row, ...]:
    """The three tables and their norm."""
    return (
        Row(f"{prefix}.embeddings.word_embeddings.weight", "embed.token.embedding"),
        Row(f"{prefix}.embeddings.position_embeddings.weight", "embed.position.embedding"),
        Row(f"{prefix}.embeddings.token_type_embeddings.weight", "embed.token_type.embedding"),
        *norm(f"{prefix}.embeddings.LayerNorm", "embed.norm"),
    )


def buffers(prefix: str) -> tuple[str, ...]:
    """Buffers that older versions of Transformers saved with the parameters."""
    return f"{prefix}.embeddings.position_ids", f"{prefix}.embeddings.token_type_ids"


RESPELL = ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))

POOLER = linear("bert.pooler.dense", "pooler")
VOCABULARY = (
    *linear("cls.predictions.transform.dense", "head.transform"),
    *norm("cls.predictions.transform.LayerNorm", "head.norm"),
    Row("cls.predictions.bias", "head.bias", when="tied"),
    Row("cls.predictions.decoder.bias", "head.bias", when="untied"),
    Row("cls.predictions.decoder.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
PAIR = linear("cls.seq_relationship", "head.pair")
CLASSIFIER = linear("classifier", "head.classifier")
SPAN = linear("qa_outputs", "head.classifier")

TABLE = Table(
    prefix="bert.",
    body=(*embeddings("bert"), *encoder("bert")),
    heads={
        None: HubHead("BertModel", (POOLER,)),
        "pretraining": HubHead("BertForPreTraining", (POOLER, VOCABULARY, PAIR)),
        "masked_lm": HubHead("BertForMaskedLM", (VOCABULARY,)),
        "causal_lm": HubHead("BertLMHeadModel", (VOCABULARY,)),
        "next_sentence": HubHead("BertForNextSentencePrediction", (POOLER, PAIR)),
        "sequence_classification": HubHead("BertForSequenceClassification", (POOLER, CLASSIFIER)),
        "token_classification": HubHead("BertForTokenClassification", (CLASSIFIER,)),
        "question_answering": HubHead("BertForQuestionAnswering", (SPAN,), num_labels=2),
        "multiple_choice": HubHead("BertForMultipleChoice", (POOLER, CLASSIFIER)),
    },
    ties=(
        Tie("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        Tie("cls.predictions.decoder.bias", "cls.predictions.bias"),
        Tie("cls.predictions.bias", "cls.predictions.decoder.bias", when="untied", saved="untied"),
    ),
    buffers=buffers("bert"),
    respell=RESPELL,
)

FIELDS = (
    Field("vocab_size", "vocab_size"),
    Field("hidden_size", "width"),
    Field("num_hidden_layers", "num_layers"),
    Field("num_attention_heads", "num_heads"),
    Field("intermediate_size", "mlp_width"),
    Field("max_position_embeddings", "max_length"),
    Field("type_vocab_size", "num_token_types", default=2),
    Field("hidden_act", "activation", str, "gelu", values=ACTIVATIONS),
    Field("layer_norm_eps", "norm_eps", float, 1e-12),
    Field("initializer_range", "init_std", float, 0.02),
    Field("hidden_dropout_prob", "hidden_dropout", float, 0.1),
    Field("hidden_dropout_prob", "embed_dropout", float, 0.1),
    Field("attention_probs_dropout_prob", "attention_dropout", float, 0.1),
    Field("classifier_dropout", "classifier_dropout", (float, type(None)), None),
    Field("is_decoder", "attention.causal", bool, False),
    Field("tie_word_embeddings", "tie_embeddings", bool, True),
    Field("pad_token_id", "pad_id", ID, 0),
    Field("bos_token_id", "bos_id", ID, None),
    Field("eos_token_id", "eos_id", ID, None),
    Field("position_embedding_type", None, str, "absolute", only=("absolute",)),
    Field("add_cross_attention", None, bool, False, only=(False,)),
    Field("is_encoder_decoder", None, bool, False, only=(False,)),
    Field("pruned_heads", None, dict, {}, only=({},)),
)

CONFIG = ConfigTable(model_type="bert", make=bert.config, fields=FIELDS)

FAMILY = HubFamily("bert", CONFIG, TABLE)
