# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From text to a prepared folder: token records, their tokenizer, and `prepare.json`, which says how it was made."""

import contextlib
import fcntl
import functools
import hashlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zoo.data.config import DataConfig, TokenizerConfig
from zoo.data.source import TextSource, open_source
from zoo.errors import ConfigError, InputError, IntegrityError
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer
from zoo.text.train import train_tokenizer

RECIPE, TOKENIZER = "prepare.json", "tokenizer"
_log = logging.getLogger(__name__)

_FORMAT = 1  # of the folder; a change that older code cannot read raises it
_CHUNK = 1000  # documents tokenized at a time, in all cores


def prepare(config: DataConfig, folder: str | Path) -> Path:
    """Prepares the folder, or leaves it alone if it holds this very preparation; returns it.

    All is written beside it and moved there at the end, so an interrupted preparation leaves no folder.

    Raises:
      ConfigError: the folder holds something else, cannot be written, or another process is at it.
      InputError: too little text. FormatError: text that is not UTF-8.
    """
    folder = Path(folder).expanduser().absolute()
    fields = ("document", "text_field", "validation_fraction")
    source = open_source(config.source, **{name: getattr(config, name) for name in fields})
    ready = _ready_tokenizer(config.tokenizer)
    settings = _settings(config, source, ready)
    if _is_prepared(folder, settings):
        _log.info("%s is prepared already", folder)
        return folder
    try:
        with _workshop(folder) as partial:
            _fill(partial, source, ready or _learn(config.tokenizer, source), settings)
            partial.replace(folder)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be prepared ({error}); choose another --data_dir.") from error
    return folder


def read_recipe(folder: str | Path) -> dict[str, Any]:
    """`settings` of the preparation, and for each split its `documents`, `tokens` and `bytes` (of UTF-8 text).

    Raises:
      ConfigError: nothing was prepared there. IntegrityError: the file is damaged.
    """
    path = Path(folder) / RECIPE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        if recipe["format"] != _FORMAT:
            raise IntegrityError(f"{path} is of format {recipe['format']}, not {_FORMAT}; prepare it again.")
        return recipe
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{folder} is not prepared (it has no {RECIPE}); run launch.prepare first.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); delete {folder} and prepare it again.") from error


def _settings(config: DataConfig, source: TextSource, ready: Tokenizer | None) -> dict[str, Any]:
    """All that the records depend on."""
    asked = config.tokenizer
    if ready is None:
        tokenizer = {"kind": asked.kind, "vocab_size": asked.vocab_size, "lower_case": asked.lower_case}
    else:
        tokenizer = {"sha256": hashlib.sha256(ready.backend.to_str().encode()).hexdigest()}
    return {
        "source": config.source,
        "document": config.document,
        "text_field": config.text_field,
        "validation_fraction": float(config.validation_fraction),
        "tokenizer": tokenizer,
        "text": hashlib.sha256("\n".join(source.identity).encode()).hexdigest(),
    }


def _is_prepared(folder: Path, settings: dict[str, Any]) -> bool:
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return False
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read ({error.strerror}); choose another --data_dir.") from error
    if not (folder / RECIPE).is_file():
        raise ConfigError(f"{folder} holds something that launch.prepare did not write; choose another --data_dir.")
    there = read_recipe(folder)["settings"]
    changed = [name for name in settings if there.get(name) != settings[name]]
    if changed:
        lines = "; ".join(f"{name} was {there.get(name)!r} and is now {settings[name]!r}" for name in changed)
        raise ConfigError(
            f"{folder} was prepared with other settings ({lines}); choose another --data_dir, or delete it."
        )
    return True


def _ready_tokenizer(config: TokenizerConfig) -> Tokenizer | None:
    if not config.path:
        return None
    if Path(config.path).is_dir():
        return load_tokenizer(config.path)
    import zoo

    return zoo.tokenizer(config.path)  # a registry name, fetched from the Hub


def _learn(config: TokenizerConfig, source: TextSource) -> Tokenizer:
    _log.info("learning a %s vocabulary of %d tokens", config.kind, config.vocab_size)
    return train_tokenizer(source.train, kind=config.kind, vocab_size=config.vocab_size, lower_case=config.lower_case)


def _fill(folder: Path, source: TextSource, tokenizer: Tokenizer, settings: dict[str, Any]) -> None:
    from zoo.data.builders import write_records

    tokenizer.save(folder / TOKENIZER)
    texts = {"train": source.train, "validation": source.validation}
    sizes = dict.fromkeys(texts, 0)
    splits = {name: functools.partial(_tokenize, texts[name], tokenizer, name, sizes) for name in texts}
    lengths = write_records(folder, splits)
    counts = {
        name: {"documents": len(lengths[name]), "tokens": sum(lengths[name]), "bytes": sizes[name]} for name in texts
    }
    recipe = {"format": _FORMAT, "settings": settings, **counts}
    (folder / RECIPE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")


def _tokenize(texts: Iterable[str], tokenizer: Tokenizer, split: str, sizes: dict[str, int]) -> Iterator[np.ndarray]:
    """int32 [n] a document; counts the bytes of text into `sizes`. A document of no tokens is left out."""
    documents = iter(tqdm(texts, desc=f"tokenizing {split}", unit=" documents", delay=2, mininterval=1, disable=None))
    while chunk := list(itertools.islice(documents, _CHUNK)):
        for text, ids in zip(chunk, tokenizer.encode_plain(chunk), strict=True):
            if ids:
                sizes[split] += len(text.encode())
                yield np.asarray(ids, np.int32)
    if not sizes[split]:
        raise InputError(
            f"The {split} split has no text: the source is empty, or too short for data.validation_fraction; give more "
            "text, a larger fraction, or smaller documents (data.document='line')."
        )


@contextlib.contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder`, held by this process alone; the kernel drops the hold however it dies."""
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    hold = os.open(partial, os.O_RDONLY)
    try:
        try:
            fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another process is preparing {folder}; wait for it, or choose another.") from error
        for path in partial.iterdir():  # what an interrupted preparation left
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield partial
    finally:
        os.close(hold)
