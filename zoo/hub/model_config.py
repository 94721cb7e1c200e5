# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A folder's config.json <-> a config and a head; the family of folders that do not name theirs."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError
from zoo.files import read_json
from zoo.hub import originals
from zoo.hub.family import HubFamily
from zoo.hub.fetch import ADAPTER, CONFIG, GENERATION
from zoo.hub.table import HubHead, Table
from zoo.hub.tables import BY_MODEL_TYPE, FAMILIES
from zoo.hub.weights import Checkpoint
from zoo.models import registry
from zoo.nn.config import TransformerConfig
from zoo.nn.heads import LABEL_HEADS

AUTO = "auto"  # as a head: the one that `architectures` in config.json names

_MAX_CONFIG = 8 * 2**20  # bytes; names of 100,000 labels take half of it
# Keys about the file itself or about weights in another form, and keys that a new config.json sets itself.
_NOT_CARRIED = {
    "_name_or_path",
    "_num_labels",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "model_type",
    "num_labels",
    "torch_dtype",
    "transformers_version",
}

_log = logging.getLogger(__name__)


def read_config(
    checkpoint: Checkpoint, head: str | None, family: str | None = None
) -> tuple[TransformerConfig, str | None]:
    """The config of a checkpoint, and its head: the requested one, or the one that config.json names.

    Where there is no config.json, the authors' own config stands for it (`bert_config.json`). A `causal_lm` checkpoint
    is causal if its config.json sets `is_decoder`, as in Transformers; a new `causal_lm` head always is.

    Raises:
      ConfigError: an unknown family or head, or a config that is not supported. FormatError: no config.json.
    """
    hub, where = read_hub_config(checkpoint, head)
    record = _family(hub, where, checkpoint, family)
    if record.config.of_generation:
        generation = read_json(checkpoint.folder / GENERATION, default={}, max_bytes=_MAX_CONFIG)
        hub = {key: generation.get(key) for key in record.config.of_generation} | hub
    named = _named_head(hub, record.weights, where) if head == AUTO else head
    if named not in record.weights.heads:
        known = ", ".join(name for name in record.weights.heads if name)
        raise ConfigError(f"{record.name} has no head {named!r}; choose one of {known}, None or {AUTO!r}.")
    hub_head = record.weights.heads[named]
    stored = (lambda: _stored_labels(hub_head, record.weights, checkpoint)) if named in LABEL_HEADS else None
    config = record.config.read(hub, str(where), hub_head.fields, stored_labels=stored)
    return _with_head(config, named, hub_head, hub, where), named


def _with_head(
    config: TransformerConfig, named: str | None, hub_head: HubHead, hub: Mapping[str, Any], where: Path
) -> TransformerConfig:
    """The config as the head needs it: a new `causal_lm` head makes it causal."""
    classes = hub.get("architectures")
    if not isinstance(classes, list) or hub_head.hub_class not in classes:  # a new head
        suited = registry.family_of(config).suit(config, named)
        if suited.attention.causal and not config.attention.causal:
            _log.warning("%s: its tokens were trained to see ahead; as a causal_lm it needs fine-tuning.", where)
        config = suited
    if named == "causal_lm" and not config.attention.causal:
        _log.warning("%s: 'is_decoder' is false, so that its tokens see ahead and it cannot generate text.", where)
    return config


def hub_config(config: TransformerConfig, head: str | None, carried: str = "") -> dict[str, Any]:
    """The config.json of a model.

    Args:
      carried: what `carry` kept of the one that it was loaded from: its keys that no field here holds, such as
        `problem_type`, and all of its end tokens where there are several.

    Raises:
      ConfigError: Transformers has no such model.
    """
    record = FAMILIES[config.family]
    hub_head = record.weights.heads[head]
    labels = hub_head.num_labels or config.num_labels
    new = record.config.write(config, hub_head.hub_class, labels, hub_head.fields)
    old = json.loads(carried or "{}")
    ends = old.get("eos_token_id")
    if isinstance(ends, list) and ends[:1] == [new.get("eos_token_id")]:
        new["eos_token_id"] = ends
    return old | new


def carry(checkpoint: Checkpoint, *, new_head: bool) -> str:
    """What is to be saved again of a checkpoint's config.json, as JSON; empty if there is none.

    Args:
      new_head: whether the head was drawn, so that what the old one was trained for does not hold for it.
    """
    if not (checkpoint.folder / CONFIG).exists():
        return ""
    hub, _ = read_hub_config(checkpoint)
    left = _NOT_CARRIED | ({"problem_type"} if new_head else set())
    return json.dumps({key: value for key, value in hub.items() if key not in left}, sort_keys=True)


def table_of(config: TransformerConfig, head: str | None, checkpoint: Checkpoint) -> Table:
    """The table by whose names the weights of a checkpoint are read."""
    record = FAMILIES[config.family]
    if checkpoint.form != "original":
        return record.weights
    return originals.table(record.config.model_type, head, checkpoint.path)


def read_hub_config(checkpoint: Checkpoint, head: str | None = AUTO) -> tuple[dict[str, Any], Path]:
    """The parsed config.json, or the authors' config in its form; and the file that it comes from.

    Raises:
      ConfigError: the folder is an adapter, or a run's working directory. FormatError: it has no config.
    """
    folder, where = checkpoint.folder, checkpoint.folder / CONFIG
    if (folder / ADAPTER).exists() and checkpoint.file is None:
        base = read_json(folder / ADAPTER, max_bytes=_MAX_CONFIG).get("base_model_name_or_path")
        raise ConfigError(
            f"{folder} holds an adapter (PEFT) of {base!r}, not a model; adapters are not supported. Merge it into its "
            "base model (merge_and_unload in PEFT), save that, and load the folder."
        )
    if not where.exists():
        if (folder / "model" / CONFIG).is_file():
            raise ConfigError(f"{folder} has no {CONFIG}; did you mean {folder / 'model'}?")
        return originals.hub_config(checkpoint, head)
    hub = read_json(where, max_bytes=_MAX_CONFIG)
    if not {"model_type", "architectures"} & hub.keys():
        _check_is_no_run(folder, hub)
    return hub, where


def _check_is_no_run(folder: Path, hub: Mapping[str, Any]) -> None:
    """Refuses the workdir of a run, whose config.json is the run's; the message names where its model is."""
    if (folder / "model" / CONFIG).is_file():
        raise ConfigError(f"{folder / CONFIG} is the config of a run, not of a model; did you mean {folder / 'model'}?")
    if {"config", "digest"} <= hub.keys():
        raise ConfigError(f"{folder} is the workdir of a run that has not ended; its model will be in model/ there.")


def _family(hub: Mapping[str, Any], where: Path, checkpoint: Checkpoint, family: str | None) -> HubFamily:
    """The requested family; else by `model_type`, `architectures`, or the names of the tensors."""
    model_type = hub.get("model_type")
    named = BY_MODEL_TYPE.get(model_type) if isinstance(model_type, str) else None
    if family is not None:
        if family not in FAMILIES:
            raise ConfigError(f"No family {family!r:.80}; choose one of {', '.join(FAMILIES)}.")
        if named not in (None, FAMILIES[family]):
            raise ConfigError(f"{where} names the family {named.name}; found family={family!r}. Leave it out.")
        return FAMILIES[family]
    if named is not None:
        return named
    if model_type is not None:
        raise ConfigError(
            f"{where}: 'model_type' is {model_type!r:.80}; this version has {', '.join(BY_MODEL_TYPE)}. If it is "
            "one of these under another name, pass family=."
        )
    return _by_class(hub) or _by_tensors(where, checkpoint)


def _by_class(hub: Mapping[str, Any]) -> HubFamily | None:
    """The family that has the first class of `architectures`."""
    classes = hub.get("architectures")
    if not isinstance(classes, list) or not classes:
        return None
    for record in FAMILIES.values():
        if any(head.hub_class == classes[0] for head in record.weights.heads.values()):
            return record
    return None


def _by_tensors(where: Path, checkpoint: Checkpoint) -> HubFamily:
    """The one family whose first layer and token embedding are in the file; of related ones with equal names the first.

    Raises:
      ConfigError: no family, or several.
    """
    names = () if checkpoint.form != "transformers" or checkpoint.file is None else checkpoint.tensors
    fits: list[HubFamily] = []
    for record in FAMILIES.values():
        table = record.weights
        found = {table.canonical(name) for name in names}
        rows = [row for row in table.body if row.stacked and row.when == "always"]
        needed = {table.body[0].hub, *(row.hub.format(layer=0) for row in rows)}
        if record.in_transformers and needed <= found and all(table.body != fit.weights.body for fit in fits):
            fits.append(record)
    if len(fits) != 1:
        fitting = " and ".join(record.name for record in fits) or "no family"
        raise ConfigError(
            f"{where} has neither 'model_type' nor a known class in 'architectures', and the names of the tensors fit "
            f"{fitting}. Say which family it is: family='bert', for example."
        )
    _log.info("%s has no 'model_type'; the tensors' names are those of %s.", where, fits[0].name)
    return fits[0]


def _stored_labels(head: HubHead, table: Table, checkpoint: Checkpoint) -> int | None:
    """Number of classes of the stored classifier, or None if there is none."""
    if checkpoint.form != "transformers" or checkpoint.file is None:
        return None
    rows = [row for part in head.parts for row in part if row.paths == ("head.classifier.kernel",)]
    for name, tensor in checkpoint.tensors.items():
        if any(table.canonical(name) == row.hub for row in rows):
            return tensor.shape[0] if tensor.ndim else None
    return None


def _named_head(hub: Mapping[str, Any], table: Table, where: Path) -> str | None:
    classes = [table.heads[None].hub_class] if hub.get("architectures") in (None, []) else hub["architectures"]
    if not isinstance(classes, list) or not isinstance(classes[0], str):
        raise ConfigError(f"{where}: 'architectures' must be a list of class names; found {classes!r:.80}.")
    try:
        return table.head_of(classes[0])
    except KeyError:
        raise ConfigError(f"{where}: no head is known for {classes[0]!r}; choose one, such as head=None.") from None
