# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From plain values to typed groups, and from the text of a flag to a value."""

import dataclasses
from typing import Literal

import pytest

import zoo
from zoo import checks
from zoo.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Circle:
    radius: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Square:
    side: int = 1
    secret: int = dataclasses.field(default=0, metadata=checks.hidden())


SHAPES = {"circle": Circle, "square": Square}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
    shape: Circle | Square = dataclasses.field(metadata=checks.types(lambda: SHAPES))
    more: dict[str, Circle | Square] = dataclasses.field(default_factory=dict, metadata=checks.types(lambda: SHAPES))
    size: tuple[int | None, ...] = (None,)
    colour: Literal["red", "blue"] = "red"
    name: str | None = None
    frame: Square = Square()


VALUES = {
    "shape": {"type": "circle", "radius": 2},
    "more": {"a": {"type": "square", "side": 3}},
    "size": [1, None],
    "name": "12",
}


def test_there_and_back():
    drawing = checks.build(Drawing, VALUES, "d")
    assert drawing == Drawing(shape=Circle(radius=2.0), more={"a": Square(side=3)}, size=(1, None), name="12")
    assert checks.build(Drawing, checks.plain(drawing), "d") == drawing
    assert checks.plain(drawing)["more"] == {"a": {"type": "square", "side": 3}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shape": {"type": "cirle", "radius": 1}}, "d.shape.type is 'cirle', which does not exist; did you mean"),
        ({"shape": {"radius": 1}}, "d.shape.type is None"),
        ({"shape": {"type": "circle"}}, "d.shape lacks the field 'radius'"),
        ({"shape": {"type": "square", "secret": 1}}, "d.shape has no field 'secret'"),
        ({"shape": 3}, "d.shape must be a group"),
        ({"more": 3}, "d.more must be a group of groups"),
        ({"more": {"b": {"type": "square", "side": 1.5}}}, "d.more.b.side must be int; found 1.5"),
        ({"size": ["x"]}, "d.size must be"),
        ({"colour": "green"}, "d.colour must be"),
        ({"frame": {"sid": 1}}, "d.frame has no field 'sid'; did you mean 'side'"),
    ],
)
def test_what_is_refused_is_named(change, words):
    with pytest.raises(ConfigError, match=words):
        checks.build(Drawing, {**VALUES, **change}, "d")


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("size", "3", (3,)),
        ("size", "None,4", (None, 4)),
        ("name", "None", "None"),
        ("name", "7", "7"),
        ("colour", "blue", "blue"),
        ("shape.radius", "1", 1.0),
        ("shape.type", "square", "square"),
        ("more.a.side", "4", 4),
        ("frame.side", "4", 4),
    ],
)
def test_texts_of_fields(path, text, value):
    kind = checks.field_type(Drawing, VALUES, path.split("."), "d")
    found = checks.parse(kind, text, "d")
    assert found == value and type(found) is type(value)


@checks.suggest_arguments(torch_dtype="dtype")
def function(source: str, *, dtype: str = "float32") -> str:
    """Returns what it is given."""
    return f"{source} {dtype}"


def test_an_argument_that_a_function_lacks_is_an_error_with_the_one_that_was_meant():
    assert function("x", dtype="y") == "x y"
    given: list[tuple[dict, str]] = [
        ({"torch_dtype": 1}, "use dtype"),
        ({"sorce": 1}, "use source"),
        ({"n_layer": 1}, "use one of source, dtype"),
    ]
    for arguments, message in given:
        with pytest.raises(ConfigError, match=f"function has no argument '{next(iter(arguments))}'; {message}"):
            function("x", **arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zoo.load("x", torch_dtype="float16"), "load has no argument 'torch_dtype'; use dtype"),
        (lambda: zoo.generate(None, [], max_length=3), "generate has no argument 'max_length'; use max_new_tokens"),
        (lambda: zoo.create(None, hed="masked_lm"), "create has no argument 'hed'; use head"),
        (lambda: zoo.embed(None, sentences=[]), "embed has no argument 'sentences'; use texts"),
        (
            lambda: zoo.tokenizer("x", use_fast=True),
            "tokenizer has no argument 'use_fast'; use one of source, revision",
        ),
    ],
)
def test_public_functions_suggest_arguments(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
