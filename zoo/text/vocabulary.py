# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Vocabulary files: `vocab.txt`, `vocab.json` and `merges.txt`, read strictly."""

import collections
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import FormatError
from zoo.files import open_regular, read_json

_MAX_BYTES = 64 * 2**20
_MAX_MERGES = 2_000_000  # bounds time and memory


def read_text(path: Path) -> str:
    """The file as UTF-8, without a byte order mark, its lines ended by `\\n`."""
    with open_regular(path) as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FormatError(
            f"{path} is larger than {_MAX_BYTES} bytes, far more than any vocabulary. Check that it is the right file."
        )
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8 at byte {error.start}; convert it, or download it again.") from error


def read_vocab_txt(path: Path) -> dict[str, int]:
    """One token per line, its id the line's number from 0."""
    tokens = read_text(path).removesuffix("\n").split("\n")
    repeated = [token for token, count in collections.Counter(tokens).items() if count > 1]
    if repeated:
        lines = [number for number, token in enumerate(tokens, 1) if token == repeated[0]]
        raise FormatError(f"{path} holds the token {repeated[0]!r} on lines {lines}; a token has one id.")
    return {token: index for index, token in enumerate(tokens)}


def read_vocab_json(path: Path) -> dict[str, int]:
    """Token to id."""
    vocab = read_json(path)
    for token, index in vocab.items():
        if type(index) is not int or index < 0:
            raise FormatError(f"{path}: the id of {token!r} must be 0 or more; found {index!r}.")
    check_ids(vocab, path)
    return vocab


def read_merges(path: Path) -> list[tuple[str, str]]:
    """One pair per line, the first to merge first; a `#version` line on top is skipped."""
    merges, text = [], read_text(path)
    if (lines := text.count("\n")) > _MAX_MERGES:
        raise FormatError(
            f"{path} has {lines} lines, which is more than {_MAX_MERGES}. Check that it is the right file."
        )
    for number, line in enumerate(text.split("\n"), 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        pair = line.split(" ")
        if len(pair) != 2 or not all(pair):
            raise FormatError(f"{path}, line {number}: a merge is two tokens and one space; found {line!r}.")
        merges.append((pair[0], pair[1]))
    return merges


def check_ids(vocab: Mapping[str, int], source: Path) -> None:
    """Refuses two tokens with one id, and ids with gaps, for which embedding rows would not match tokens."""
    if not vocab:
        raise FormatError(f"{source}: the vocabulary is empty; the file is damaged; download it again.")
    owners: dict[int, str] = {}
    for token, index in vocab.items():
        if index in owners:
            raise FormatError(f"{source}: tokens {owners[index]!r} and {token!r} have the same id {index}.")
        owners[index] = token
    gap = next((index for index in range(len(owners)) if index not in owners), None)
    if gap is not None:
        raise FormatError(
            f"{source}: no token has id {gap}, but ids go up to {max(owners)}; the file is incomplete, or belongs to "
            "another model."
        )
