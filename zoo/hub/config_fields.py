# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""config.json <-> TransformerConfig: a two-way field table a family, and the keys that are refused."""

import dataclasses
import difflib
import json
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig

REQUIRED = object()  # as a default: the key must be there
ID = (int, type(None))  # the kind of a special token's id

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}

# Keys that name code to run or weights in another form. Saved by transformers 4.46 to 4.51, the one bool is harmless.
_REFUSED = {
    "auto_map": "it names code to download and run",
    "custom_generate": "it names code to run",
    "quantization_config": "quantized weights are not supported",
}
_HARMLESS = "_attn_implementation_autoset"

# Far above any published model, far below what would exhaust the memory before the weights are looked at.
_MOST = 2**24
_MOST_LAYERS = 10_000

# How a model runs, is initialized or labelled, not what it computes.
_RUNTIME = (
    "execution",
    "init",
    "init_depth_scaled",
    "num_labels",
    "label_names",
    "suppress_tokens",
    "classifier_dropout",
)

# What only training looks at: a saved model is itself without them.
_TRAINING = ("embed_dropout", "hidden_dropout", "attention_dropout", "pad_embedding")

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Field:
    """One key of config.json and the field that it sets.

    Attributes:
      hub: the key. ours: the field; `attention.` reaches into AttentionConfig; None is a key that is only checked.
      kind: what the value must be.
      default: Transformers' for an absent key, or a function of config.json for an absent or null one.
      values: the key's spellings and our value for each; the first spelling of a value is the one written.
      only: the values that this version supports.
      read_only: whether the key is never written, because another one has the same meaning.
      encode: the key's value by the config, where it is not simply the field's; `ConfigTable.make` then reads it.
    """

    hub: str
    ours: str | None
    kind: type | tuple[type, ...] = int
    default: Any = REQUIRED
    values: Mapping[Any, Any] | None = None
    only: tuple = ()
    encode: Callable[[TransformerConfig], Any] | None = None
    read_only: bool = False

    def read(self, hub: Mapping[str, Any], where: str) -> Any:
        """The field's value; ConfigError for a key that is absent, of the wrong type, or not supported."""
        if self.hub not in hub and self.default is REQUIRED:
            near = difflib.get_close_matches(self.hub, hub, n=1, cutoff=0.75)
            hint = f" Is {near[0]!r} a misspelling of it?" if near else ""
            raise ConfigError(f"{where} lacks {self.hub!r}.{hint}")
        value = hub.get(self.hub, self.default)
        if callable(self.default) and hub.get(self.hub) is None:
            value = self.default(hub)
        if self.ours == "eos_id" and isinstance(value, list):
            value = self._first_id(value, where)
        if not _is_a(value, self.kind):
            raise ConfigError(f"{where}: {self.hub!r} must be {_name(self.kind)}; found {value!r:.80}.")
        if self.only and value not in self.only:
            allowed = " or ".join(map(json.dumps, self.only))
            raise ConfigError(f"{where}: {self.hub!r} is {value!r}; this version supports only {allowed}.")
        if self.values is not None and value not in self.values:
            raise ConfigError(f"{where}: {self.hub!r} is {value!r}; supported are {', '.join(map(str, self.values))}.")
        if isinstance(value, int | float):
            self._check_bounds(value, where)
        if self.kind is float and isinstance(value, int):
            value = float(value)  # JSON has 0 for 0.0
        return value if self.values is None else self.values[value]

    def _first_id(self, ids: list, where: str) -> int | None:
        """The first of several end tokens; generation stops at any of them."""
        for token in ids:
            if not _is_a(token, int):
                raise ConfigError(f"{where}: {self.hub!r} must be an int or a list of them; found {ids!r:.80}.")
            self._check_bounds(token, where)
        return ids[0] if ids else None

    def _check_bounds(self, value: int | float, where: str) -> None:
        """Sizes from 1, ids from 0, and any other number between the same bounds on both sides."""
        most = _SIZES.get(self.ours or "", _MOST)
        is_id = self.kind is ID or (self.ours or "").endswith("_id")
        least = 1 if self.ours in _SIZES else 0 if is_id else -most
        if not least <= value <= most:
            raise ConfigError(f"{where}: {self.hub!r} must be between {least} and {most}; found {value!r:.40}.")

    def write(self, config: TransformerConfig) -> Any:
        """The key's value."""
        if self.encode is not None:
            return self.encode(config)
        value = config
        for name in (self.ours or "").split("."):
            value = getattr(value, name)
        if value is None and self.ours == "classifier_dropout" and self.kind is float:
            return config.hidden_dropout  # what None means to a Classifier
        if self.values is None:
            return value
        spellings = [hub for hub, ours in self.values.items() if ours == value]
        if not spellings:
            raise ConfigError(f"Transformers has no {self.hub!r} for {self.ours} = {value!r}; it cannot be saved.")
        return spellings[0]


_SIZES = {
    "embed_width": _MOST,
    "unique_layers": _MOST_LAYERS,
    "vocab_size": _MOST,
    "width": _MOST,
    "num_layers": _MOST_LAYERS,
    "num_heads": _MOST,
    "mlp_width": _MOST,
    "max_length": _MOST,
    "num_token_types": _MOST,
    "kv_width": _MOST,
    "decoder_layers": _MOST_LAYERS,
    "position_buckets": _MOST,
    "position_span": _MOST,
}


# Keys that Transformers gives to every model. What they ask for is not supported, in whatever family.
_OF_EVERY_FAMILY = (
    Field("pruned_heads", None, (dict, type(None)), {}, only=({}, None)),
    Field("add_cross_attention", None, (bool, type(None)), False, only=(False, None)),
    Field("cross_attention_hidden_size", None, ID, None, only=(None,)),
    Field("tie_encoder_decoder", None, (bool, type(None)), False, only=(False, None)),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConfigTable:
    """A family's config.json.

    Attributes:
      model_type: the family's, in config.json.
      make: the family's config function, which sets what config.json does not set; it takes each field by its name.
      fields: the keys.
      of_generation: keys that newer folders have in generation_config.json instead.
    """

    model_type: str
    make: Callable[..., TransformerConfig]
    fields: tuple[Field, ...]
    of_generation: tuple[str, ...] = ()

    def read(
        self,
        hub: Mapping[str, Any],
        where: str,
        head_fields: tuple[Field, ...] = (),
        stored_labels: Callable[[], int | None] | None = None,
    ) -> TransformerConfig:
        """The config that a parsed config.json describes, with the keys that only one head has.

        Args:
          stored_labels: the number of classes that the weights have, for a head with labels; None is one without.

        Raises:
          ConfigError: a key that is absent, of the wrong type, too large, refused or not supported.
        """
        refuse_keys(hub, where)
        for field in _OF_EVERY_FAMILY:
            field.read(hub, where)
        self._warn_of_typos(hub, where)
        found = [(field.ours, field.read(hub, where)) for field in (*self.fields, *head_fields)]
        values = {name: value for name, value in found if name is not None}
        attention = {name.removeprefix("attention."): values.pop(name) for name in list(values) if "." in name}
        labels = read_labels(hub, where, stored_labels)
        names = () if labels == default_labels(len(labels)) else labels
        try:
            base = self.make(**values, num_labels=len(labels), label_names=names)
            return base.replace(attention=dataclasses.replace(base.attention, **attention))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error

    def _warn_of_typos(self, hub: Mapping[str, Any], where: str) -> None:
        """Says which unknown keys look like a key that is absent and has a default: it would be used unseen."""
        known = {field.hub for field in self.fields}
        for key in hub.keys() - known:
            if near := difflib.get_close_matches(key, known - hub.keys(), n=1, cutoff=0.9):
                _log.warning(
                    "%s: %r is not a key of %s and is not used; is it %r?", where, key, self.model_type, near[0]
                )

    def write(
        self, config: TransformerConfig, hub_class: str, num_labels: int, head_fields: tuple[Field, ...] = ()
    ) -> dict[str, Any]:
        """The fields that config.json gives for a model of the given class of Transformers.

        Raises:
          ConfigError: the config has a value that Transformers' class cannot express.
        """
        hub = {"architectures": [hub_class], "model_type": self.model_type, "dtype": config.execution.param_dtype}
        fields = (*self.fields, *head_fields)
        hub |= {field.hub: field.write(config) for field in fields if field.ours is not None and not field.read_only}
        if config.label_names or num_labels != 2:
            names = config.label_names if len(config.label_names) == num_labels else default_labels(num_labels)
            hub["id2label"] = {str(number): name for number, name in enumerate(names)}
            hub["label2id"] = {name: number for number, name in enumerate(names)}
        _check_expressed(config, self.read(hub, "config.json", head_fields), hub_class)
        return hub


def override(fields: tuple[Field, ...], *changes: Field) -> tuple[Field, ...]:
    """The fields of a related family, but for some keys."""
    keys = {field.hub for field in changes}
    return (*(field for field in fields if field.hub not in keys), *changes)


def _check_expressed(config: TransformerConfig, again: TransformerConfig, hub_class: str) -> None:
    """Compares with what was read back: whatever got lost would load as another model."""
    for name, value in _essence(config).items():
        found = _essence(again)[name]
        if value != found and name in _TRAINING:
            _log.warning(
                "%s: no key of config.json tells %s %r from %r; it reads as the latter.", hub_class, name, value, found
            )
        elif value != found:
            raise ConfigError(
                f"{name} is {value!r}; Transformers' {hub_class} has {found!r} there and no key to change it, so "
                "that the model cannot be saved as one."
            )


def _essence(config: TransformerConfig) -> dict[str, Any]:
    """What the model computes, in one spelling."""
    fields = {name: value for name, value in dataclasses.asdict(config).items() if name not in _RUNTIME}
    fields["attention"] |= {"window": tuple(set(config.attention.window))}
    if config.positions in ("distances", "none"):
        del fields["max_length"]  # nothing in the model knows of it
    return fields | {"unique_layers": config.layers_stored}


def refuse_keys(hub: Mapping[str, Any], where: str) -> None:
    """ConfigError for keys that name code to run, or that a saved model has no business to set."""
    for key, value in hub.items():
        private = key.startswith("_attn_implementation") and not (key == _HARMLESS and isinstance(value, bool))
        if value is not None and (key in _REFUSED or private):
            reason = _REFUSED.get(key, "it chooses code to run, which is the caller's to choose")
            raise ConfigError(f"{where}: {key!r} is refused, since {reason}. Remove it to load the model without.")


def default_labels(count: int) -> tuple[str, ...]:
    """The names that Transformers gives to labels without names."""
    return tuple(f"LABEL_{number}" for number in range(count))


def read_labels(hub: Mapping[str, Any], where: str, stored: Callable[[], int | None] | None = None) -> tuple[str, ...]:
    """The label names by id, from `id2label`, or unnamed from `num_labels`.

    Where the two disagree the stored classifier decides, else `num_labels`, as in Transformers.

    Args:
      stored: the number of classes in the weights, for a head that has labels. Of other heads a damaged `id2label` is
        only logged.
    """
    count = hub.get("num_labels", hub.get("_num_labels"))
    if count is not None and (not _is_a(count, int) or not 1 <= count <= _MOST):
        raise ConfigError(f"{where}: 'num_labels' must be an int from 1 to {_MOST}; found {count!r}.")
    if hub.get("id2label") is None:
        return default_labels(2 if count is None else count)
    try:
        labels = _label_names(hub["id2label"], where)
    except ConfigError as error:
        if stored is not None:
            raise
        _log.warning("%s The head has no labels, so that it is not used.", error)
        return default_labels(2 if count is None else count)
    if count in (None, len(labels)):
        return labels
    right = (count if stored is None else stored()) or count
    _log.warning(
        "%s: 'num_labels' is %d, but 'id2label' has %d entries; the model has %d.", where, count, len(labels), right
    )
    return labels if right == len(labels) else default_labels(right)


def _label_names(table: Any, where: str) -> tuple[str, ...]:
    """The names in order; a number as a name is its decimal."""
    try:
        names = {int(number): name for number, name in table.items()}
        labels = tuple(names[number] for number in range(len(names)))
    except (AttributeError, KeyError, TypeError, ValueError):
        labels = ()
    if not labels or not all(_is_a(name, (str, int)) for name in labels):
        raise ConfigError(f"{where}: 'id2label' must map 0, 1, ... to names; found {table!r:.80}.")
    return tuple(map(str, labels))


def _is_a(value: Any, kind: type | tuple[type, ...]) -> bool:
    """As isinstance, but a bool is not a number, an int is a float, and NoneType stands for None."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, (*kinds, int) if float in kinds else kinds)


def _name(kind: type | tuple[type, ...]) -> str:
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
