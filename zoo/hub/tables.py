# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tables of every family, and what a config.json says by them: a config and a head."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.files import read_json
from zoo.hub import originals
from zoo.hub.config_fields import ConfigTable
from zoo.hub.families import albert, bert, distilbert, electra, gpt, gpt2, gpt3, roberta, t5, transformer, xlnet
from zoo.hub.fetch import CONFIG, GENERATION
from zoo.hub.table import Table
from zoo.hub.weights import find_original
from zoo.models import registry
from zoo.nn.config import TransformerConfig

_log = logging.getLogger(__name__)

_MAX_CONFIG = 8 * 2**20  # bytes; names of 100,000 labels take half of it
AUTO = "auto"  # as a head: the one that the checkpoint's config.json names


@dataclasses.dataclass(frozen=True)
class Tables:
    """A family's tables."""

    config: ConfigTable
    weights: Table


FAMILIES = {
    "bert": Tables(bert.CONFIG, bert.TABLE),
    "roberta": Tables(roberta.CONFIG, roberta.TABLE),
    "xlm-roberta": Tables(roberta.XLM_CONFIG, roberta.XLM_TABLE),
    "camembert": Tables(roberta.CAMEMBERT_CONFIG, roberta.CAMEMBERT_TABLE),
    "albert": Tables(albert.CONFIG, albert.TABLE),
    "electra": Tables(electra.CONFIG, electra.TABLE),
    "distilbert": Tables(distilbert.CONFIG, distilbert.TABLE),
    "xlnet": Tables(xlnet.CONFIG, xlnet.TABLE),
    "transformer": Tables(transformer.CONFIG, transformer.TABLE),
    "marian": Tables(transformer.MARIAN_CONFIG, transformer.MARIAN_TABLE),
    "t5": Tables(t5.CONFIG, t5.TABLE),
    "gpt": Tables(gpt.CONFIG, gpt.TABLE),
    "gpt2": Tables(gpt2.CONFIG, gpt2.TABLE),
    "gpt3": Tables(gpt3.CONFIG, gpt3.TABLE),
    "gpt-neo": Tables(gpt3.NEO_CONFIG, gpt3.NEO_TABLE),
}
_BY_MODEL_TYPE = {tables.config.model_type: tables for tables in FAMILIES.values()}


def read_config(path: Path, head: str | None) -> tuple[TransformerConfig, str | None]:
    """The config of a folder or of a file of weights, and the head: as asked for, or as config.json names it.

    Where there is no config.json, the authors' own config stands for it, if the weights are as they released them.

    A `causal_lm` checkpoint is causal if its config.json says so (`is_decoder`), as in the torch library; a `causal_lm`
    head that is asked for on another checkpoint always is.

    Raises:
      ConfigError: an unknown family or head, or a config that is not supported. FormatError: no config.json.
    """
    folder = path if path.is_dir() else path.parent
    where = folder / CONFIG
    if where.exists():
        hub = read_json(where, max_bytes=_MAX_CONFIG)
    else:
        hub, where = originals.hub_config(path, head)
    model_type = hub.get("model_type")
    if not isinstance(model_type, str) or model_type not in _BY_MODEL_TYPE:
        raise ConfigError(f"{where}: 'model_type' is {model_type!r}; this version has {', '.join(_BY_MODEL_TYPE)}.")
    tables = _BY_MODEL_TYPE[model_type]
    if tables.config.of_generation:
        generation = read_json(folder / GENERATION, default={}, max_bytes=_MAX_CONFIG)
        hub = {key: generation.get(key) for key in tables.config.of_generation} | hub
    named = _named_head(hub, tables.weights, where) if head == AUTO else head
    if named not in tables.weights.heads:
        known = ", ".join(name for name in tables.weights.heads if name)
        raise ConfigError(f"{model_type} has no head {named!r}; choose one of {known}, None or {AUTO!r}.")
    hub_head = tables.weights.heads[named]
    config = tables.config.read(hub, str(where), hub_head.fields)
    classes = hub.get("architectures")
    if not isinstance(classes, list) or hub_head.hub_class not in classes:  # a new head
        suited = registry.family_of(config).suit(config, named)
        if suited.attention.causal and not config.attention.causal:
            _log.warning("%s: its tokens were trained to see ahead; as a causal_lm it needs fine-tuning.", where)
        config = suited
    if named == "causal_lm" and not config.attention.causal:
        _log.warning("%s: 'is_decoder' is false, so that its tokens see ahead and it cannot generate text.", where)
    return config, named


def hub_config(config: TransformerConfig, head: str | None) -> dict[str, Any]:
    """What config.json says of a model; ConfigError if the torch library has no such model."""
    tables = FAMILIES[config.family]
    hub_head = tables.weights.heads[head]
    labels = hub_head.num_labels or config.num_labels
    return tables.config.write(config, hub_head.hub_class, labels, hub_head.fields)


def _named_head(hub: Mapping[str, Any], table: Table, where: Path) -> str | None:
    classes = [table.heads[None].hub_class] if hub.get("architectures") in (None, []) else hub["architectures"]
    if not isinstance(classes, list) or not isinstance(classes[0], str):
        raise ConfigError(f"{where}: 'architectures' must be a list of class names; found {classes!r:.80}.")
    try:
        return table.head_of(classes[0])
    except KeyError:
        raise ConfigError(f"{where}: no head is known for {classes[0]!r}; choose one, such as head=None.") from None


def table_of(config: TransformerConfig, head: str | None, path: Path) -> Table:
    """The table by whose names the weights of a folder or file are to be read."""
    tables = FAMILIES[config.family]
    if find_original(path) is None:
        return tables.weights
    return originals.table(tables.config.model_type, head, path)
