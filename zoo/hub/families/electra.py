# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""ELECTRA's checkpoints: Transformers' names for its tensors, classes and config keys (transformers 5.x)."""

from zoo.hub.config_fields import ConfigTable, Field, override
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import linear, norm
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import electra

PROJECTION = linear("electra.embeddings_project", "embed.projection")
VOCABULARY = (
    *linear("generator_predictions.dense", "head.transform"),
    *norm("generator_predictions.LayerNorm", "head.norm"),
    Row("generator_lm_head.bias", "head.bias"),
    Row("generator_lm_head.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
REPLACED = (
    *linear("discriminator_predictions.dense", "head.transform"),
    *linear("discriminator_predictions.dense_prediction", "head.score"),
)
CLASSIFIER = (*linear("classifier.dense", "head.dense"), *linear("classifier.out_proj", "head.classifier"))
CHOICE = (*linear("sequence_summary.summary", "head.dense"), *linear("classifier", "head.classifier"))

_SUMMARY = (
    Field("summary_last_dropout", "classifier_dropout", float, lambda hub: 0.1),
    Field("summary_type", None, str, "first", only=("first",)),
    Field("summary_use_proj", None, bool, True, only=(True,)),
    Field("summary_activation", None, str, "gelu", only=("gelu",)),
)

TABLE = Table(
    prefix="electra.",
    body=(*bert.embeddings("electra"), *PROJECTION, *bert.encoder("electra")),
    heads={
        None: HubHead("ElectraModel"),
        "masked_lm": HubHead("ElectraForMaskedLM", (VOCABULARY,)),
        "causal_lm": HubHead("ElectraForCausalLM", (VOCABULARY,)),
        "replaced_token_detection": HubHead("ElectraForPreTraining", (REPLACED,)),
        "sequence_classification": HubHead("ElectraForSequenceClassification", (CLASSIFIER,)),
        "token_classification": HubHead("ElectraForTokenClassification", (bert.CLASSIFIER,)),
        "question_answering": HubHead("ElectraForQuestionAnswering", (bert.SPAN,), num_labels=2),
        "multiple_choice": HubHead("ElectraForMultipleChoice", (CHOICE,), _SUMMARY),
    },
    ties=(Tie("generator_lm_head.weight", "electra.embeddings.word_embeddings.weight"),),
    buffers=bert.buffers("electra"),
    respell=bert.RESPELL,
)

FIELDS = override(
    bert.FIELDS,
    Field("embedding_size", "embed_width", default=128, encode=lambda config: config.embedding_width),
)

CONFIG = ConfigTable(model_type="electra", make=electra.config, fields=FIELDS)

FAMILY = HubFamily("electra", CONFIG, TABLE)
