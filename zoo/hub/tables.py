# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The hub side of every family, by its name in the registry."""

from zoo.hub.families import albert, bert, distilbert, electra, gpt, gpt2, gpt3, roberta, t5, transformer, xlnet
from zoo.hub.family import HubFamily

_RECORDS: tuple[HubFamily, ...] = (
    bert.FAMILY,
    *roberta.FAMILIES,
    albert.FAMILY,
    electra.FAMILY,
    distilbert.FAMILY,
    xlnet.FAMILY,
    *transformer.FAMILIES,
    t5.FAMILY,
    gpt.FAMILY,
    gpt2.FAMILY,
    *gpt3.FAMILIES,
)
FAMILIES = {record.name: record for record in _RECORDS}
BY_MODEL_TYPE = {record.config.model_type: record for record in _RECORDS}
