# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The `model` group of a config: a registry name, and any fields of `TransformerConfig` that differ from it."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from zoo.checks import check_names, convert
from zoo.errors import ConfigError
from zoo.nn.config import TransformerConfig

_FIXED = ("family",)  # what the name decides
_FLAT = (
    "execution",
)  # groups whose fields may also be set without the group's name, as `TransformerConfig.replace` does
_GROUPS: dict[str, Any] = {
    name: kind for name, kind in typing.get_type_hints(TransformerConfig).items() if dataclasses.is_dataclass(kind)
}


def _kinds() -> dict[str, Any]:
    """Annotations by field."""
    flat = {
        name: kind
        for group in _FLAT
        if group in _GROUPS
        for name, kind in typing.get_type_hints(_GROUPS[group]).items()
    }
    return flat | typing.get_type_hints(TransformerConfig)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A model by its name and by what differs from the published one.

    Attributes:
      name: in the registry; "" for a run that starts from a checkpoint (`init_from`), which then decides.
      changes: values of fields of `TransformerConfig`; `attention` and `execution` are dicts of their own fields.
    """

    name: str = ""
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_group(cls, values: Mapping[str, Any], path: str) -> "ModelConfig":
        """From the fields of a config's group.

        Raises:
          ConfigError: a field that no model has, or a value of another type.
        """
        name = values.get("name", "")
        if not isinstance(name, str):
            raise ConfigError(f"{path}.name must be text; found {name!r}.")
        changes = {key: value for key, value in values.items() if key != "name"}
        return cls(name=name, changes=_checked(changes, _kinds(), path, without=_FIXED))

    def to_group(self) -> dict[str, Any]:
        """The fields of a config's group."""
        return {"name": self.name, **_listed(self.changes)}

    @classmethod
    def group_field_type(cls, names: list[str], path: str) -> Any:
        """The annotation of a field by its dotted name; ConfigError if there is none."""
        kinds: dict[str, Any] = {"name": str} | {k: v for k, v in _kinds().items() if k not in _FIXED}
        check_names(names[:1], kinds, path)
        where = f"{path}.{names[0]}"
        if names[0] not in _GROUPS:
            if len(names) > 1:
                raise ConfigError(f"{where} is a field, not a group; it has no {names[1]!r}.")
            return kinds[names[0]]
        inner = typing.get_type_hints(_GROUPS[names[0]])
        if len(names) == 1:
            raise ConfigError(f"{where} is a group of fields; set one of them: {', '.join(inner)}.")
        check_names(names[1:2], inner, where)
        return inner[names[1]]

    def replace(self, **changes: Any) -> "ModelConfig":
        """A copy in which some more fields differ."""
        return dataclasses.replace(self, changes={**self.changes, **changes})

    def apply(self, base: TransformerConfig) -> TransformerConfig:
        """The config with these changes."""
        changes = dict(self.changes)
        groups = {name: changes.pop(name) for name in _GROUPS if name in changes}
        groups = {name: dataclasses.replace(getattr(base, name), **fields) for name, fields in groups.items()}
        return base.replace(**groups).replace(**changes)


def _checked(values: Mapping[str, Any], kinds: Mapping[str, Any], path: str, without: tuple[str, ...] = ()) -> dict:
    check_names(values, [name for name in kinds if name not in without], path)
    found = {}
    for name, value in values.items():
        where = f"{path}.{name}"
        if name in _GROUPS and isinstance(value, Mapping):
            found[name] = _checked(value, typing.get_type_hints(_GROUPS[name]), where)
        else:
            found[name] = convert(kinds[name], value, where)
    return found


def _listed(values: Mapping[str, Any]) -> dict[str, Any]:
    """With lists for tuples, as JSON has them."""
    plain = {k: _listed(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}
