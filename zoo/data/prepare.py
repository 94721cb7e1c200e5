# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From text to a prepared folder: its tokens, their tokenizer, and a manifest, `prepare.json`, of how it was made."""

import hashlib
import itertools
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from zoo.data.config import TokenizerConfig
from zoo.data.packed import Frame
from zoo.data.sentences import Rule, split_sentences
from zoo.data.source import TextSource
from zoo.data.staging import staged
from zoo.data.tokens import TokenWriter
from zoo.errors import ConfigError, FormatError, InputError, IntegrityError
from zoo.files import sha256, sha256_of_json, write_json
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer
from zoo.text.train import train_tokenizer

MANIFEST, TOKENIZER = "prepare.json", "tokenizer"
SPLITS = ("train", "validation")
_log = logging.getLogger(__name__)

_FORMAT = 4  # of the folder; a change that older code cannot read raises it
_DOCUMENTS, _CHARACTERS = 1000, 2**24  # tokenized at a time, in all cores


def write_prepared(
    folder: Path,
    source: TextSource,
    settings: Mapping[str, Any],
    tokenizer: Tokenizer | TokenizerConfig,
    *,
    frame: Callable[[Tokenizer], Frame],
    check: Callable[[Tokenizer], None],
) -> Path:
    """Writes the folder, or leaves it alone if it holds this very preparation; returns it.

    Args:
      settings: all that the tokens depend on; with `sentences`, it is recorded where these begin, by this rule.
      tokenizer: a config is trained on the training split. frame: gives the special tokens of sequences by it.
      check: raises for a tokenizer that does not suit.

    Raises:
      ConfigError: the folder holds something else, cannot be written, or another process is preparing it.
      InputError: too little text. FormatError: text that cannot be read.
    """
    if _is_prepared(folder, settings):
        _log.info("%s is already prepared", folder)
        return folder
    try:
        with staged(folder) as staging:
            ready = tokenizer if isinstance(tokenizer, Tokenizer) else _learn(tokenizer, source)
            check(ready)
            _fill(staging, source, ready, settings, frame(ready).separator)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be prepared ({error}); choose another --data_dir.") from error
    return folder


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """`settings` of the preparation, and for each split its `documents`, `tokens`, `bytes` (of UTF-8 text), `files`.

    Raises:
      ConfigError: nothing was prepared there. IntegrityError: the manifest is damaged, or of an older format.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise IntegrityError(
                f"{path} is of format {manifest['format']}, and this version reads format {_FORMAT}; prepare again: "
                f"delete {folder}, or choose another --data_dir, and run launch.prepare."
            )
        if manifest.pop("sha256") != sha256_of_json(manifest):
            raise ValueError("its SHA-256 differs")
        return manifest
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigError(f"{folder} is not prepared (it has no {MANIFEST}); run launch.prepare first.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); delete {folder} and prepare it again.") from error


def prepared_tokenizer(folder: Path, manifest: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a prepared folder.

    Raises:
      IntegrityError: its files are not those that were written.
    """
    path = folder / TOKENIZER
    try:
        found = _digests(path)
    except (OSError, FormatError) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); prepare the data again.") from error
    if others := sorted(dict(found.items() ^ manifest[TOKENIZER].items())):
        raise IntegrityError(f"{path} is not what was prepared ({', '.join(others)}); prepare the data again.")
    return load_tokenizer(path)


def trained_settings(config: TokenizerConfig) -> dict[str, Any]:
    """What identifies a tokenizer that is trained: every field but the path of a ready one."""
    return {name: value for name, value in vars(config).items() if name != "path"}


def ready_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a folder, or of a registry name or Hub id."""
    if Path(name).expanduser().is_dir():
        return load_tokenizer(Path(name).expanduser())
    import zoo

    return zoo.tokenizer(name)


def fingerprint(tokenizer: Tokenizer) -> str:
    """SHA-256 of all that decides which ids a text has, and which of them are special."""
    roles = json.dumps(tokenizer.special, sort_keys=True)  # they decide what frames a sequence
    return hashlib.sha256((tokenizer.backend.to_str() + roles).encode()).hexdigest()


def differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """One phrase for each setting that is not the same."""
    changed = [(name, there.get(name, ""), value) for name, value in here.items() if there.get(name, "") != value]
    return [f"{name} was {before!r} and is now {value!r}" for name, before, value in changed]


def _is_prepared(folder: Path, settings: Mapping[str, Any]) -> bool:
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return False
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read ({error.strerror}); choose another --data_dir.") from error
    if not (folder / MANIFEST).is_file():
        raise ConfigError(f"{folder} contains files that launch.prepare did not write; choose another --data_dir.")
    if changed := differing(read_manifest(folder)["settings"], settings):
        raise ConfigError(
            f"{folder} was prepared with other settings ({'; '.join(changed)}); choose another --data_dir (or "
            "--workdir, if the data are in it), or delete it."
        )
    return True


def _learn(config: TokenizerConfig, source: TextSource) -> Tokenizer:
    _log.info("training a %s vocabulary of %d tokens", config.kind, config.vocab_size)
    return train_tokenizer(source.train, **trained_settings(config))


def _fill(
    folder: Path, source: TextSource, tokenizer: Tokenizer, settings: Mapping[str, Any], separator: int | None
) -> None:
    tokenizer.save(folder / TOKENIZER)
    options: dict[str, Any] = dict(rule=settings.get("sentences") or None, separator=separator)
    counts = {split: _write_split(folder, split, getattr(source, split), tokenizer, **options) for split in SPLITS}
    recorded = {name: value for name, value in settings.items() if value != ""}  # which is the same to `differing`
    manifest = {"format": _FORMAT, "settings": recorded, TOKENIZER: _digests(folder / TOKENIZER), **counts}
    write_json(folder / MANIFEST, {**manifest, "sha256": sha256_of_json(manifest)})


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir())}


def _write_split(
    folder: Path, split: str, texts: Iterable[str], tokenizer: Tokenizer, *, rule: Rule | None, separator: int | None
) -> dict[str, Any]:
    """Tokenizes the documents of a split; one of no tokens is left out."""
    counts = dict.fromkeys(("documents", "tokens", "bytes"), 0)
    bar = tqdm(texts, desc=f"tokenizing {split}", unit=" documents", delay=2, mininterval=1, disable=None)
    with TokenWriter(folder, split, tokenizer.vocab_size, separator, sentences=rule is not None) as writer:
        for chunk in _chunks(iter(bar)):
            encoded = _encode(chunk, tokenizer, rule)
            writer.append([(each.ids, each.begins) for each in encoded], [each.sentences for each in encoded])
            counts["documents"] += len(encoded)
            counts["tokens"] += sum(len(each.ids) for each in encoded)
            counts["bytes"] += sum(len(each.text.encode()) for each in encoded)
    if not counts["tokens"]:
        smaller = "data.document='paragraph', with blank lines between them" + ("" if rule == "line" else ", or 'line'")
        raise InputError(
            f"The {split} split has no text: the source is empty, or has too few documents for "
            f"data.validation_fraction; give more text, a larger fraction, or smaller documents ({smaller})."
        )
    return {**counts, "files": writer.recorded()}


class _Encoded(NamedTuple):
    """A document: its text, its ids, at which of them words begin, and how many of them each sentence has."""

    text: str
    ids: list[int]
    begins: list[bool]
    sentences: list[int]


def _encode(texts: list[str], tokenizer: Tokenizer, rule: Rule | None) -> list[_Encoded]:
    """The documents but those without a token; where there is no rule, a document is one sentence."""
    pieces = [[text] if rule is None else split_sentences(text, rule) for text in texts]
    rows = iter(tokenizer.encode_words([piece for each in pieces for piece in each]))
    found = []
    for text, each in zip(texts, pieces, strict=True):
        words = [row for row in itertools.islice(rows, len(each)) if row[0]]
        ids, begins = [token for row, _ in words for token in row], [begin for _, row in words for begin in row]
        found.append(_Encoded(text, ids, begins, [len(row) for row, _ in words]))
    return [each for each in found if each.ids]


def _chunks(texts: Iterator[str]) -> Iterator[list[str]]:
    """So many documents at a time, or fewer where they are long."""
    chunk, size = [], 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if len(chunk) == _DOCUMENTS or size > _CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
