# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""BERT's checkpoints: the torch library's names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.convert.config import ACTIVATIONS, ConfigTable, Field
from zoo.convert.table import HubHead, Row, Table, Tie
from zoo.models import bert


def _linear(hub: str, ours: str) -> tuple[Row, Row]:
    """torch stores a kernel as [out, in]."""
    return Row(f"{hub}.weight", f"{ours}.kernel", "O I -> I O"), Row(f"{hub}.bias", f"{ours}.bias")


def _norm(hub: str, ours: str) -> tuple[Row, Row]:
    return Row(f"{hub}.weight", f"{ours}.scale"), Row(f"{hub}.bias", f"{ours}.bias")


def _heads(hub: str, ours: str) -> tuple[Row, Row]:
    return Row(f"{hub}.weight", f"{ours}.kernel", "NH D -> D N H"), Row(f"{hub}.bias", f"{ours}.bias", "NH -> N H")


_LAYER, _BLOCKS = "bert.encoder.layer.{layer}", "stack.blocks"

BODY = (
    Row("bert.embeddings.word_embeddings.weight", "embed.token.embedding"),
    Row("bert.embeddings.position_embeddings.weight", "embed.position.embedding"),
    Row("bert.embeddings.token_type_embeddings.weight", "embed.token_type.embedding"),
    *_norm("bert.embeddings.LayerNorm", "embed.norm"),
    *_heads(f"{_LAYER}.attention.self.query", f"{_BLOCKS}.attention.query"),
    *_heads(f"{_LAYER}.attention.self.key", f"{_BLOCKS}.attention.key"),
    *_heads(f"{_LAYER}.attention.self.value", f"{_BLOCKS}.attention.value"),
    Row(f"{_LAYER}.attention.output.dense.weight", f"{_BLOCKS}.attention.out.kernel", "D NH -> N H D"),
    Row(f"{_LAYER}.attention.output.dense.bias", f"{_BLOCKS}.attention.out.bias"),
    *_norm(f"{_LAYER}.attention.output.LayerNorm", f"{_BLOCKS}.attention_norm"),
    *_linear(f"{_LAYER}.intermediate.dense", f"{_BLOCKS}.mlp.up"),
    *_linear(f"{_LAYER}.output.dense", f"{_BLOCKS}.mlp.down"),
    *_norm(f"{_LAYER}.output.LayerNorm", f"{_BLOCKS}.mlp_norm"),
)
POOLER = _linear("bert.pooler.dense", "pooler")
VOCABULARY = (
    *_linear("cls.predictions.transform.dense", "head.transform"),
    *_norm("cls.predictions.transform.LayerNorm", "head.norm"),
    Row("cls.predictions.bias", "head.bias", when="tied"),
    Row("cls.predictions.decoder.bias", "head.bias", when="untied"),
    Row("cls.predictions.decoder.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
PAIR = _linear("cls.seq_relationship", "head.pair")
CLASSIFIER = _linear("classifier", "head.classifier")

TABLE = Table(
    prefix="bert.",
    body=BODY,
    heads={
        None: HubHead("BertModel", (POOLER,)),
        "pretraining": HubHead("BertForPreTraining", (POOLER, VOCABULARY, PAIR)),
        "masked_lm": HubHead("BertForMaskedLM", (VOCABULARY,)),
        "causal_lm": HubHead("BertLMHeadModel", (VOCABULARY,)),
        "next_sentence": HubHead("BertForNextSentencePrediction", (POOLER, PAIR)),
        "sequence_classification": HubHead("BertForSequenceClassification", (POOLER, CLASSIFIER)),
        "token_classification": HubHead("BertForTokenClassification", (CLASSIFIER,)),
        "question_answering": HubHead(
            "BertForQuestionAnswering", (_linear("qa_outputs", "head.classifier"),), num_labels=2
        ),
        "multiple_choice": HubHead("BertForMultipleChoice", (POOLER, CLASSIFIER)),
    },
    ties=(
        Tie("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        Tie("cls.predictions.decoder.bias", "cls.predictions.bias"),
        Tie("cls.predictions.bias", "cls.predictions.decoder.bias", when="untied"),
    ),
    buffers=("bert.embeddings.position_ids", "bert.embeddings.token_type_ids"),
    respell=((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")),
)

_ID = (int, type(None))

CONFIG = ConfigTable(
    model_type="bert",
    make=bert.config,
    fields=(
        Field("vocab_size", "vocab_size"),
        Field("hidden_size", "width"),
        Field("num_hidden_layers", "num_layers"),
        Field("num_attention_heads", "num_heads"),
        Field("intermediate_size", "mlp_width"),
        Field("max_position_embeddings", "max_length"),
        Field("type_vocab_size", "num_segments", default=2),
        Field("hidden_act", "activation", str, "gelu", values=ACTIVATIONS),
        Field("layer_norm_eps", "norm_eps", float, 1e-12),
        Field("initializer_range", "init_std", float, 0.02),
        Field("hidden_dropout_prob", "hidden_dropout", float, 0.1),
        Field("hidden_dropout_prob", "embed_dropout", float, 0.1),
        Field("attention_probs_dropout_prob", "attention_dropout", float, 0.1),
        Field("classifier_dropout", "classifier_dropout", (float, type(None)), None),
        Field("is_decoder", "attention.causal", bool, False),
        Field("tie_word_embeddings", "tie_embeddings", bool, True),
        Field("pad_token_id", "pad_id", _ID, 0),
        Field("bos_token_id", "bos_id", _ID, None),
        Field("eos_token_id", "eos_id", _ID, None),
        Field("position_embedding_type", None, str, "absolute", only=("absolute",)),
        Field("add_cross_attention", None, bool, False, only=(False,)),
        Field("is_encoder_decoder", None, bool, False, only=(False,)),
        Field("pruned_heads", None, dict, {}, only=({},)),
    ),
)
