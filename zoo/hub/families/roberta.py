# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""RoBERTa's checkpoints, and those of XLM-R and CamemBERT, whose classes alone have other names (transformers 5.x)."""

import dataclasses
from collections.abc import Callable

from zoo.hub.config_fields import ID, ConfigTable, Field, override
from zoo.hub.families import bert
from zoo.hub.family import HubFamily
from zoo.hub.rows import linear, norm
from zoo.hub.table import HubHead, Row, Table, Tie
from zoo.models import roberta
from zoo.nn.config import TransformerConfig

POOLER = linear("roberta.pooler.dense", "pooler")
VOCABULARY = (
    *linear("lm_head.dense", "head.transform"),
    *norm("lm_head.layer_norm", "head.norm"),
    Row("lm_head.bias", "head.bias", when="tied"),
    Row("lm_head.decoder.bias", "head.bias", when="untied"),
    Row("lm_head.decoder.weight", "head.vocabulary.kernel", "V E -> E V", when="untied"),
)
CLASSIFIER = (*linear("classifier.dense", "head.dense"), *linear("classifier.out_proj", "head.classifier"))

TABLE = Table(
    prefix="roberta.",
    body=(*bert.embeddings("roberta"), *bert.encoder("roberta")),
    heads={
        None: HubHead("RobertaModel", (POOLER,)),
        "masked_lm": HubHead("RobertaForMaskedLM", (VOCABULARY,)),
        "causal_lm": HubHead("RobertaForCausalLM", (VOCABULARY,)),
        "sequence_classification": HubHead("RobertaForSequenceClassification", (CLASSIFIER,)),
        "token_classification": HubHead("RobertaForTokenClassification", (bert.CLASSIFIER,)),
        "question_answering": HubHead("RobertaForQuestionAnswering", (bert.SPAN,), num_labels=2),
        "multiple_choice": HubHead("RobertaForMultipleChoice", (POOLER, bert.CLASSIFIER)),
    },
    ties=(
        Tie("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
        Tie("lm_head.decoder.bias", "lm_head.bias"),
        Tie("lm_head.bias", "lm_head.decoder.bias", when="untied", saved="untied"),
    ),
    buffers=bert.buffers("roberta"),
    respell=bert.RESPELL,
)


def _config(model_type: str, family: str) -> ConfigTable:
    """Transformers counts the rows of the position table, of which the first `pad_id + 1` belong to no position."""

    def make(*, max_length: int, pad_id: int, **fields) -> TransformerConfig:
        return roberta.config(family=family, max_length=max_length - pad_id - 1, pad_id=pad_id, **fields)

    fields = override(
        bert.FIELDS,
        Field(
            "max_position_embeddings", "max_length", encode=lambda config: config.max_length + config.position_offset
        ),
        Field("pad_token_id", "pad_id", int, 1),
        Field("bos_token_id", "bos_id", ID, 0),
        Field("eos_token_id", "eos_id", ID, 2),
    )
    return ConfigTable(model_type=model_type, make=make, fields=fields)


def _renamed(name: Callable[[str], str]) -> Table:
    """The table with other names for Transformers' classes."""
    heads = {key: dataclasses.replace(head, hub_class=name(head.hub_class)) for key, head in TABLE.heads.items()}
    return dataclasses.replace(TABLE, heads=heads)


CONFIG = _config("roberta", "roberta")
XLM_TABLE = _renamed(lambda hub_class: hub_class.replace("Roberta", "XLMRoberta"))
XLM_CONFIG = _config("xlm-roberta", "xlm-roberta")
CAMEMBERT_TABLE = _renamed(lambda hub_class: hub_class.replace("Roberta", "Camembert"))
CAMEMBERT_CONFIG = _config("camembert", "camembert")

FAMILIES = (
    HubFamily("roberta", CONFIG, TABLE),
    HubFamily("xlm-roberta", XLM_CONFIG, XLM_TABLE),
    HubFamily("camembert", CAMEMBERT_CONFIG, CAMEMBERT_TABLE),
)
