# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Type checks for frozen configs: what a dataclass annotation promises and Python does not enforce."""

import dataclasses
import math
from typing import Literal, get_args, get_origin

from zoo.errors import ConfigError


def check_fields(config) -> None:
    """Refuses what a dataclass lets through: a bool or a float for an int, text for a number, an unknown choice."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _matches(value, field.type):
            raise ConfigError(f"{type(config).__name__}.{field.name} must be {_describe(field.type)}; found {value!r}.")


def _matches(value, kind) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_matches(item, get_args(kind)[0]) for item in value)
    if get_args(kind):  # a union
        return any(_matches(value, option) for option in get_args(kind))
    if kind is None or kind is type(None):
        return value is None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _describe(kind) -> str:
    if kind is float:
        return "a finite float"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")
