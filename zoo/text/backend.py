# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The Rust library's tokenizers: built from files and checked against them, with their errors turned into ours."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tokenizers

from zoo.errors import FormatError, ZooError
from zoo.files import parse_json
from zoo.text.vocabulary import read_text

_MAX_COMMAS = 4_000_000  # bounds the lists in a file, and so time and memory
_MAX_GROWTH = 1024  # the most that replacements may lengthen a text by
_PROBE = "\U00012000 a"  # a letter that hardly any vocabulary has


def build(path: Path, make: Callable[[], tokenizers.Tokenizer]) -> tokenizers.Tokenizer:
    """A tokenizer that has encoded a pair of texts.

    Raises:
      FormatError: the library cannot make it of the file, or it fails on the texts.
    """
    with _explained(f"{path} does not hold a tokenizer", "Download it again."):
        backend = make()
        backend.no_padding()
        backend.no_truncation()
        backend.encode(_PROBE, _PROBE)
    return backend


def answering() -> contextlib.AbstractContextManager[None]:
    """A context for using a tokenizer: some faults of a file appear only with some texts."""
    return _explained(
        "The tokenizer gave up on a text",
        "A pattern in its tokenizer.json needs too many steps, or its vocabulary has no unknown token; fix that file.",
    )


def read_tokenizer_json(path: Path) -> tuple[tokenizers.Tokenizer, dict[str, str]]:
    """A `tokenizer.json` whose special tokens have the ids that its vocabulary gives them.

    Also `padding_side` and `truncation_side`, as far as it gives them; the tokenizer itself neither pads nor truncates.

    Raises:
      FormatError: it does not, or is damaged, or too large.
    """
    text = read_text(path)
    if text.count(",") > _MAX_COMMAS:
        raise FormatError(
            f"{path} lists more than {_MAX_COMMAS} items, far more than any vocabulary. Check that it is complete."
        )
    file = parse_json(text.encode(), str(path))
    return build(path, lambda: _parse(path, text, file)), _sides(file)


def _sides(file: Mapping[str, Any]) -> dict[str, str]:
    """The sides by the names of their options; the library has approved of the values."""
    stages = {f"{stage}_side": file.get(stage) for stage in ("padding", "truncation")}
    return {name: stage.get("direction", "Right").lower() for name, stage in stages.items() if stage}


def _parse(path: Path, text: str, file: Mapping[str, Any]) -> tokenizers.Tokenizer:
    for stage in ("normalizer", "decoder"):
        if _growth(file.get(stage) or {}) > _MAX_GROWTH:
            raise FormatError(
                f"{path}: its {stage} makes texts more than {_MAX_GROWTH} times longer; use another tokenizer."
            )
    backend = tokenizers.Tokenizer.from_str(text)
    for token, index in _stated_ids(file):
        if (found := backend.token_to_id(token)) != index:
            raise FormatError(
                f"{path} gives the special token {token!r} the id {index}, but its vocabulary has {found}; correct "
                "the one that the model was not trained with."
            )
    return backend


def _growth(normalizer: Mapping[str, Any]) -> float:
    """By which factor a text of one character may become longer, at most."""
    growth = 1.0
    for part in [*(normalizer.get("normalizers") or []), *(normalizer.get("decoders") or [])]:
        growth *= _growth(part)
    content, pattern = normalizer.get("content"), normalizer.get("pattern") or {}
    if isinstance(content, str):
        literal = pattern.get("String")
        # A regular expression may match nothing, between all characters.
        growth *= max(1.0, len(content) / len(literal)) if literal else 1.0 + len(content)
    return growth * (1 + len(normalizer.get("prepend") or ""))


def _stated_ids(file: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """What the file declares of special tokens outside the vocabulary; the library has already checked its form."""
    for token in file.get("added_tokens") or []:
        yield token["content"], token["id"]
    yield from _framing_ids(file.get("post_processor") or {})


def _framing_ids(processor: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for part in processor.get("processors", []):
        yield from _framing_ids(part)
    for special in (processor.get("special_tokens") or {}).values():
        yield from zip(special["tokens"], special["ids"], strict=True)
    for name in {"cls", "sep"} & processor.keys():
        yield tuple(processor[name])


@contextlib.contextmanager
def _explained(what: str, cure: str) -> Iterator[None]:
    try:
        yield
    except (ZooError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # bare `Exception`, and for a panic a class that is not one
        raise FormatError(f"{what} ({error}). {cure}") from error
