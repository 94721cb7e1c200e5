# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The `--config=FILE.py[:VARIANT]` flag with its `--config.a.b=VALUE` overrides of any field of a run's config.

The file is loaded once. A value is read as the field's annotation in the package wants it, so that fields which the
file leaves at their default can be set as well; `RunConfig.from_dict` then checks the whole.
"""

import functools
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from zoo.errors import ConfigError, ZooError

_OVERRIDE = re.compile(r"--?config\.(?P<path>[^=]+)(=(?P<value>.*))?$", re.DOTALL)

flags.DEFINE_string("config", None, "Experiment: a file in configs/, and :VARIANT. --config.FIELD=VALUE overrides.")


class Config:
    """A launcher's config: the flag and its overrides, as they are after `parse`."""

    def __init__(self):
        self.name: str = ""
        self.overrides: list[tuple[str, str]] = []

    @functools.cached_property
    def value(self) -> dict[str, Any]:
        """What the file defines, with the overrides of the command line.

        They are read when they are first asked for: that imports JAX, for which a launcher may have to set the
        environment before.

        Raises:
          ConfigError: as `load` and `override`.
        """
        return override(load(self.name), self.overrides)


_CONFIG = Config()


def define() -> Config:
    """Makes `--config` a flag that the launcher requires and shows in its help."""
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS["config"])  # so absl calls the main module
    flags.mark_flag_as_required("config")
    return _CONFIG


def parse(argv: list[str]) -> list[str]:
    """Parses all flags; for `absl.app.run`.

    Raises:
      ConfigError: for anything wrong on the command line, with the nearest right name.
    """
    plain, overrides = _split(argv)
    if overrides and not any(argument.startswith(("--config", "-config")) for argument in plain):
        raise ConfigError("--config.* overrides need --config=FILE.py[:VARIANT].")
    try:
        rest = flags.FLAGS(plain)
    except flags.Error as error:
        absent = re.findall(r"flag --(\w+)=None", str(error))
        what = f"{' and '.join(f'--{name}' for name in absent)} is required" if absent else str(error).rstrip(" .")
        raise ConfigError(f"{what}; --help lists the flags.") from error
    if len(rest) > 1:
        raise ConfigError(f"unexpected argument {rest[1]!r}; flags are written --name=value.")
    _CONFIG.name, _CONFIG.overrides = flags.FLAGS.config or "", overrides
    return rest


def load(value: str) -> dict[str, Any]:
    """What `FILE.py[:VARIANT]` defines, as plain nested dicts.

    Raises:
      ConfigError: no such file, no `get_config` in it, or a variant that it refuses.
    """
    name, _, variant = value.partition(":")
    if not Path(name).is_file():
        raise ConfigError(f"--config names {name!r}, which is not a file; give one of configs/*.py.")
    spec = importlib.util.spec_from_file_location("_config", name)
    if spec is None or spec.loader is None:
        raise ConfigError(f"--config names {name!r}, which is not a Python file; give one of configs/*.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{name} defines no get_config(); give one of configs/*.py.")
    try:
        config = module.get_config(*([variant] if variant else []))
    except ZooError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{name} refuses {variant!r}: {error}") from error
    return config.to_dict() if hasattr(config, "to_dict") else config


def override(values: dict[str, Any], overrides: list[tuple[str, str]]) -> dict[str, Any]:
    """The values with the fields at some dotted paths replaced by what their texts mean.

    Of a group whose type is replaced, the fields that only the old type had are dropped.

    Raises:
      ConfigError: a field that does not exist, or a text that is not a value of it.
    """
    if not overrides:
        return values
    from zoo import checks
    from zoo.train.config import RunConfig

    # A group's type decides its fields, so that types come first.
    for path, text in sorted(overrides, key=lambda item: not item[0].endswith(f".{checks.TYPE}")):
        names = path.split(".")
        kind = checks.field_type(RunConfig, values, names, "config")
        group: Any = values
        for name in names[:-1]:
            inner = group.setdefault(name, {})
            if not isinstance(inner, Mapping):
                raise ConfigError(f"config.{path}: {name!r} is {inner!r} in the config file and not a group of fields.")
            group = inner
        value = checks.parse(kind, text, f"config.{path}")
        if names[-1] == checks.TYPE:
            kept = checks.retype(RunConfig, names[0], group, value)
            group.clear()
            group.update(kept)
        group[names[-1]] = value
    return values


def _split(argv: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The arguments without the overrides of the config, and the overrides as path and text."""
    plain, overrides, following = argv[:1], [], iter(argv[1:])
    for argument in following:
        match = _OVERRIDE.match(argument)
        if match is None:
            plain.append(argument)
            continue
        value = match["value"] if match["value"] is not None else next(following, None)
        if value is None:
            raise ConfigError(f"{argument} has no value; write {argument}=VALUE.")
        overrides.append((match["path"], value))
    return plain, overrides
