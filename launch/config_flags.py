# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The `--config=FILE.py[:VARIANT]` flag with its `--config.a.b=` overrides, checked against what the file defines.

`ml_collections` does the parsing. It lets a typo end in a traceback, and a group given as a dict change the types of
its fields or lose some: both are refused here.
"""

import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags as ml_config_flags

from zoo.errors import ConfigError, ZooError

_FLAG = re.compile(r"--?config(=(?P<value>.*))?$", re.DOTALL)
_OVERRIDE = re.compile(r"--?(no)?config\.(?P<path>[^=]+)")


def define() -> flags.FlagHolder:
    """Defines `--config`, which every launcher that has it requires; its value is a locked `ConfigDict`."""
    holder = ml_config_flags.DEFINE_config_file("config", None, "Experiment: a file in configs/, and :VARIANT.")
    flags.mark_flag_as_required("config")
    return holder


def parse(argv: list[str]) -> list[str]:
    """Parses all flags; for `absl.app.run`.

    Raises:
      ConfigError: for anything wrong on the command line, with the nearest right name.
    """
    flag_values = flags.FLAGS
    try:
        defaults = _defaults(argv) if "config" in flag_values else None
        if defaults is not None:
            check_names(defaults, _overrides(argv))
        rest = flag_values(argv)
    except flags.Error as error:
        raise ConfigError(f"{str(error).rstrip(' .')}; --help lists the flags.") from error
    if len(rest) > 1:
        raise ConfigError(f"unexpected argument {rest[1]!r}; flags are written --name=value.")
    if defaults is not None:
        check_types(defaults, _plain(flag_values["config"].value))
    return rest


def load(value: str) -> dict[str, Any]:
    """What `FILE.py[:VARIANT]` defines, as plain nested dicts.

    Raises:
      ConfigError: no such file, no `get_config` in it, or a variant that it refuses.
    """
    name, _, variant = value.partition(":")
    if not Path(name).is_file():
        raise ConfigError(f"--config names {name!r}, which is not a file; give one of configs/*.py.")
    spec = importlib.util.spec_from_file_location("_config_defaults", name)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--config names {name!r}, which is not a Python file; give one of configs/*.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{name} defines no get_config(); give one of configs/*.py.")
    try:
        return _plain(module.get_config(*([variant] if variant else [])))
    except ZooError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{name} refuses {variant!r}: {error}") from error


def check_names(defaults: Mapping[str, Any], paths: Iterable[str]) -> None:
    """Refuses an override, `a.b.c`, of a field that the config lacks."""
    for path in paths:
        group: Any = defaults
        for depth, name in enumerate(path.split(".")):
            where = ".".join(["config", *path.split(".")[:depth]])
            if not isinstance(group, Mapping):
                raise ConfigError(f"{where} is a field, not a group; it has no {name!r}.")
            _check_key(where, name, group)
            group = group[name]


def check_types(defaults: Any, found: Any, where: str = "config") -> None:
    """Refuses a value of another type than the default's, in fields and in the groups that a dict replaced."""
    if isinstance(defaults, Mapping):
        if not isinstance(found, Mapping):
            raise ConfigError(f"{where} must be a group of fields; found {found!r}.")
        for name in found:
            _check_key(where, name, defaults)
        for name in defaults:
            if name not in found:
                raise ConfigError(f"{where}.{name} is missing from the group that was given; add it.")
            check_types(defaults[name], found[name], f"{where}.{name}")
    elif not _alike(defaults, found):
        raise ConfigError(f"{where} must be {_describe(defaults)}; found {found!r}.")


def _check_key(where: str, name: str, group: Mapping[str, Any]) -> None:
    if name not in group:
        near = difflib.get_close_matches(name, list(group), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its fields are {', '.join(group)}."
        raise ConfigError(f"{where} has no field {name!r}; {hint}")


def _alike(default: Any, found: Any) -> bool:
    if default is None:
        return True
    if isinstance(default, float):
        return type(found) in (float, int)
    if isinstance(default, list | tuple):
        return isinstance(found, list | tuple) and all(not default or _fits(item, default) for item in found)
    return type(found) is type(default)


def _fits(item: Any, examples: Iterable[Any]) -> bool:
    return any(_alike(example, item) and (example is not None or item is None) for example in examples)


def _describe(default: Any) -> str:
    names = {int: "an int", float: "a float", bool: "True or False", str: "text"}
    return names.get(type(default), f"like {default!r}")


def _plain(config: Any) -> dict[str, Any]:
    return config.to_dict() if hasattr(config, "to_dict") else config


def _defaults(argv: list[str]) -> dict[str, Any] | None:
    """The config of the command line before its overrides; None where the flag is absent."""
    for index, argument in enumerate(argv[1:], 1):
        if match := _FLAG.match(argument):
            following = argv[index + 1] if index + 1 < len(argv) else ""
            return load(following if match["value"] is None else match["value"])
    if next(_overrides(argv), None):
        raise ConfigError("--config.* overrides need --config=FILE.py[:VARIANT] before them.")
    return None


def _overrides(argv: list[str]) -> Iterator[str]:
    return (match["path"] for argument in argv[1:] if (match := _OVERRIDE.match(argument)))
