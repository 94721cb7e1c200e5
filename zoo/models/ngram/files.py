# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders that hold an n-gram model: config.json, and model.safetensors with the tables in float64.

The words of the vocabulary are one more tensor, UTF-8 with a line end after each.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from zoo.errors import ConfigError, FormatError
from zoo.files import open_regular, read_json, write_json
from zoo.models.ngram.estimates import Estimate, problem
from zoo.models.ngram.vocabulary import NgramVocabulary

MODEL_TYPE = "ngram"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
_TABLES = {"keys": np.int64, "log_probs": np.float64, "log_backoffs": np.float64}


def save(folder: Path, vocabulary: NgramVocabulary, estimates: tuple[Estimate, ...], unseen_log_backoff: float) -> None:
    """Writes both files next to their final names, then moves them there, the config last.

    Raises:
      ConfigError: the folder cannot be written, or holds another kind of model.
    """
    config = {
        "model_type": MODEL_TYPE,
        "order": len(estimates),
        "vocab_size": vocabulary.size,
        "eos_token_id": vocabulary.eos_id,
        "unk_token_id": vocabulary.unk_id,
        "unseen_log_backoff": unseen_log_backoff,
    }
    tensors = {
        f"{order}.{name}": np.ascontiguousarray(getattr(estimate, name))
        for order, estimate in enumerate(estimates, start=1)
        for name in _TABLES
        if not (order == 1 and name == "keys")  # the tokens themselves
    }
    if vocabulary.words is not None:
        tensors["words"] = np.frombuffer("".join(f"{word}\n" for word in vocabulary.words).encode(), np.uint8)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = read_json(folder / CONFIG, default={}).get("model_type", MODEL_TYPE)
        if found != MODEL_TYPE:
            raise ConfigError(f"{folder} holds a model of type {found!r}; choose another folder.")
        save_file(tensors, folder / f"{WEIGHTS}.partial")
        write_json(folder / f"{CONFIG}.partial", config)
        for name in (WEIGHTS, CONFIG):
            os.replace(folder / f"{name}.partial", folder / name)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{folder} cannot be written: {error}. Choose another folder.") from error
    finally:
        for name in (WEIGHTS, CONFIG):
            with contextlib.suppress(OSError):
                (folder / f"{name}.partial").unlink(missing_ok=True)


def load(folder: Path) -> tuple[NgramVocabulary, tuple[Estimate, ...], float]:
    """What `save` wrote.

    Raises:
      FormatError: a file is absent or damaged, or they do not belong together.
    """
    config = read_json(folder / CONFIG)
    if config.get("model_type") != MODEL_TYPE:
        raise FormatError(f"{folder / CONFIG}: expected model_type {MODEL_TYPE!r}; found {config.get('model_type')!r}.")
    order, size = (_number(folder, config, name) for name in ("order", "vocab_size"))
    path = folder / WEIGHTS
    try:
        open_regular(path).close()
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(f"{path} is not a safetensors file: {error}. Save the model again.") from error
    tensors["1.keys"] = np.arange(size + 1)
    estimates = tuple(
        Estimate(*(_table(path, tensors, f"{n}.{name}", dtype) for name, dtype in _TABLES.items()))
        for n in range(1, order + 1)
    )
    for n, estimate in enumerate(estimates, start=1):
        if len({len(table) for table in estimate}) > 1:
            raise FormatError(f"{path}: the tables of {n}-grams have {[len(table) for table in estimate]} rows.")
    if wrong := problem(estimates):
        raise FormatError(f"{path} holds {wrong}; it is damaged. Save the model again.")
    unseen = config.get("unseen_log_backoff")
    if not isinstance(unseen, int | float) or not -np.inf < unseen <= 0:
        raise FormatError(f"{folder / CONFIG}: unseen_log_backoff must be a number up to 0; found {unseen!r}.")
    return _vocabulary(folder, config, tensors.get("words"), size), estimates, float(unseen)


def _vocabulary(folder: Path, config: dict[str, Any], words: np.ndarray | None, size: int) -> NgramVocabulary:
    try:
        found = None if words is None else tuple(words.tobytes().decode().split("\n")[:-1])
        return NgramVocabulary(size, config.get("eos_token_id"), config.get("unk_token_id"), found)
    except (ConfigError, UnicodeDecodeError, TypeError) as error:
        raise FormatError(f"{folder} holds no vocabulary: {error}") from error


def _number(folder: Path, config: dict[str, Any], name: str) -> int:
    found = config.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= 2**31:
        raise FormatError(f"{folder / CONFIG}: {name} must be a whole number from 1 on; found {found!r}.")
    return found


def _table(path: Path, tensors: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    found = tensors.get(name)
    if found is None or found.ndim != 1 or found.dtype != dtype:
        what = "nothing" if found is None else f"{found.dtype} {list(found.shape)}"
        raise FormatError(
            f"{path}: {name} must be {np.dtype(dtype)} with one axis; found {what}. Save the model again."
        )
    return found
