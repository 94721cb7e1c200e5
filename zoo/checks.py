# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From plain nested values to frozen dataclasses: what annotations promise and Python does not enforce.

Every group of a config is a frozen dataclass of the package that uses it. `build` makes one of a dict, `parse` reads
the text of one field as a flag gives it, `plain` goes back to a dict. A group of several types, such as an objective,
is a field whose metadata names their table: `dataclasses.field(metadata=types(lambda: OBJECTIVES))`; the key `type`
chooses.
"""

import ast
import dataclasses
import difflib
import functools
import inspect
import math
import types as python_types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from zoo.errors import ConfigError

TYPE = "type"  # the key that chooses among the types of a group
Table = Mapping[str, type]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def suggest_arguments(**aliases: str) -> Callable[[_Function], _Function]:
    """Decorates a function of the public API: an argument that it does not have is a ConfigError with a suggestion.

    Args:
      aliases: what Transformers calls an argument, and what to use here.
    """

    def decorate(function: _Function) -> _Function:
        known = [*inspect.signature(function).parameters]

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            for name in kwargs:
                if name not in known:
                    near = difflib.get_close_matches(name, known, n=1)
                    use = aliases.get(name) or (near[0] if near else f"one of {', '.join(known)}")
                    raise ConfigError(f"{function.__name__} has no argument {name!r}; use {use}.")
            return function(*args, **kwargs)

        return cast(_Function, call)

    return decorate


def types(table: Callable[[], Table], default: str | None = None) -> dict[str, Any]:
    """Metadata of a field that holds one of several types of group, or a dict of them by name.

    Args:
      default: the type of a group that names none.
    """
    return {"types": table, "default": default}


def hidden() -> dict[str, Any]:
    """Metadata of a field that the program fills in and no config sets."""
    return {"hidden": True}


def check_fields(config) -> None:
    """Refuses what a dataclass lets through: a bool or a float for an int, text for a number, an unknown choice."""
    kinds = typing.get_type_hints(type(config))
    for field in config_fields(type(config)):
        value = getattr(config, field.name)
        if not matches(value, kinds[field.name]):
            expected = describe(kinds[field.name])
            raise ConfigError(f"{type(config).__name__}.{field.name} must be {expected}; found {value!r}.")


def config_fields(cls: type) -> list[dataclasses.Field]:
    """The fields of a group that a config may set."""
    return [field for field in dataclasses.fields(cls) if not field.metadata.get("hidden")]


def build(cls: type, values: Any, path: str) -> Any:
    """An instance of the dataclass `cls`, with its nested groups; `path` is for messages.

    Raises:
      ConfigError: an unknown or missing field, or a value of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of fields; found {values!r}.")
    if hasattr(cls, "from_group"):
        return cls.from_group(values, path)
    fields = {field.name: field for field in config_fields(cls)}
    check_names(values, fields, path)
    for field in fields.values():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise ConfigError(f"{path} lacks the field {field.name!r}; add it to the config file.")
    kinds = typing.get_type_hints(cls)
    return cls(**{key: _value(fields[key], kinds[key], value, f"{path}.{key}") for key, value in values.items()})


def choose(table: Table, values: Any, path: str, default: str | None = None) -> Any:
    """An instance of the type that `values["type"]`, or else `default`, names in a table.

    Raises:
      ConfigError: no such type, or as `build`.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} must be a group of fields; found {values!r}.")
    rest = dict(values)
    return build(type_of(table, rest.pop(TYPE, default), path), rest, path)


def type_of(table: Table, name: Any, path: str) -> type:
    """The class that a table has under a name; an unknown name is a ConfigError."""
    if not isinstance(name, str) or name not in table:
        near = difflib.get_close_matches(str(name), table, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the types are {', '.join(sorted(table))}."
        raise ConfigError(f"{path}.{TYPE} is {name!r}, which does not exist; {hint}")
    return table[name]


def retype(cls: type, field: str, group: Mapping[str, Any], new: str) -> dict[str, Any]:
    """A group of `field` with another type: what is left of it are the fields that both types have from a common base.

    A field that only happens to have the same name is another one, whose value does not carry over.
    """
    metadata = next(each.metadata for each in config_fields(cls) if each.name == field)
    table, old = metadata["types"](), group.get(TYPE, metadata["default"])
    if old not in table or old == new:
        return {**group, TYPE: new}
    base: Any = next(each for each in table[new].__mro__ if issubclass(table[old], each))
    shared = {each.name for each in config_fields(cast(type, base))} if dataclasses.is_dataclass(base) else ()
    return {TYPE: new, **{name: value for name, value in group.items() if name in shared}}


def check_names(names: Iterable[Any], known: Iterable[str], path: str) -> None:
    """ConfigError for a name that is not known, with the nearest one that is."""
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(known)}."
            raise ConfigError(f"{path} has no field {name!r}; {hint}")


def convert(kind: Any, value: Any, path: str) -> Any:
    """The value as its annotation wants it: whole numbers for floats and lists for tuples are taken.

    Raises:
      ConfigError: a value of another type.
    """
    if isinstance(value, int) and not isinstance(value, bool) and _allows(kind, float) and not _allows(kind, int):
        value = float(value)
    if isinstance(value, list):
        value = tuple(value)
    if _allows(kind, tuple) and not isinstance(value, tuple | str) and not matches(value, kind):
        value = (value,)
    if not matches(value, kind):
        raise ConfigError(f"{path} must be {describe(kind)}; found {value!r}.")
    return value


def parse(kind: Any, text: str, path: str) -> Any:
    """The value of a field from the text that a flag gives.

    Raises:
      ConfigError: text that is not such a value.
    """
    if _allows(kind, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    texts = [text] if _allows(kind, str) or _is_literal(kind) else []
    for candidate in (*texts, *_literals(text, sequence=_allows(kind, tuple))):
        try:
            return convert(kind, candidate, path)
        except ConfigError:
            continue
    raise ConfigError(f"{path} must be {describe(kind)}; found {text!r}.")


def plain(value: Any, table: Table | None = None) -> Any:
    """A group as nested dicts, lists and numbers, ready for JSON; `build` takes it back."""
    if hasattr(value, "to_group"):
        return value.to_group()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = {} if table is None else {TYPE: next(name for name, cls in table.items() if cls is type(value))}
        fields = config_fields(type(value))
        return kind | {field.name: plain(getattr(value, field.name), _table(field)) for field in fields}
    if isinstance(value, Mapping):
        return {key: plain(item, table) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def field_type(cls: type, values: Mapping[str, Any], names: list[str], path: str) -> Any:
    """The annotation of the field at the dotted path `names`; `values` choose the types of groups on the way.

    Raises:
      ConfigError: there is no such field.
    """
    if hasattr(cls, "group_field_type"):
        return cls.group_field_type(names, path)
    name, *rest = names
    fields = {field.name: field for field in config_fields(cls)}
    check_names([name], fields, path)
    kind, table, inner = typing.get_type_hints(cls)[name], _table(fields[name]), values.get(name, {})
    where = f"{path}.{name}"
    if table is not None and rest and get_origin(kind) is dict:  # groups by name
        if not isinstance(inner, Mapping) or rest[0] not in inner:
            known = ", ".join(inner) if isinstance(inner, Mapping) and inner else "none"
            raise ConfigError(f"{where} has no {rest[0]!r}; the config defines {known}. Add it to the config file.")
        where, inner, rest = f"{where}.{rest[0]}", inner[rest[0]], rest[1:]
    if table is not None:
        if rest == [TYPE]:
            return Literal[tuple(table)]
        kind = type_of(table, inner.get(TYPE, fields[name].metadata["default"]), where) if rest else kind
    if not rest:
        if (isinstance(kind, type) and dataclasses.is_dataclass(kind)) or table is not None:
            raise ConfigError(f"{where} is a group of fields; set one of them, such as --{where}.NAME=VALUE.")
        return kind
    if not (isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "group_field_type"))):
        raise ConfigError(f"{where} is a field, not a group; it has no {rest[0]!r}.")
    return field_type(kind, inner if isinstance(inner, Mapping) else {}, rest, where)


def matches(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotation: numbers, text, None, Literal, unions, tuples and dataclasses."""
    origin, options = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is Literal:
        return isinstance(value, str) and value in options
    if origin is tuple:
        return isinstance(value, tuple) and all(matches(item, options[0]) for item in value)
    if origin in (Union, python_types.UnionType):
        return any(matches(value, option) for option in options)
    if origin is not None:
        return isinstance(value, origin)
    if kind is None or kind is type(None):
        return value is None
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def describe(kind: Any) -> str:
    """An annotation as text."""
    if kind is float:
        return "a finite float"
    if kind is bool:
        return "True or False"
    if kind is str:
        return "text"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def _value(field: dataclasses.Field, kind: Any, value: Any, path: str) -> Any:
    table, default = _table(field), field.metadata.get("default")
    if table is not None and get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} must be a group of groups by name; found {value!r}.")
        return {name: choose(table, group, f"{path}.{name}", default) for name, group in value.items()}
    if table is not None:
        return choose(table, value, path, default)
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or hasattr(kind, "from_group")):
        return build(kind, value, path)
    return convert(kind, value, path)


def _table(field: dataclasses.Field) -> Table | None:
    return field.metadata["types"]() if "types" in field.metadata else None


def _allows(kind: Any, wanted: type) -> bool:
    if get_origin(kind) in (Union, python_types.UnionType):
        return any(_allows(option, wanted) for option in get_args(kind))
    return kind is wanted or get_origin(kind) is wanted


def _is_literal(kind: Any) -> bool:
    if get_origin(kind) in (Union, python_types.UnionType):
        return any(_is_literal(option) for option in get_args(kind))
    return get_origin(kind) is Literal


def _literals(text: str, *, sequence: bool) -> list[Any]:
    """What the text may mean as a Python literal; of a sequence, its items with commas between, text unquoted."""
    found = []
    try:
        found.append(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    if sequence:
        found.append(tuple(part.strip() for part in text.split(",") if part.strip()))
    return found
