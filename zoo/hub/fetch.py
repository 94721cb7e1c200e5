# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From what a user calls a model to a folder on this machine: a path, or a registry name fetched from the Hub."""

import os
from pathlib import Path
from typing import Literal

from zoo.errors import ConfigError, FormatError
from zoo.hub.formats.tf_checkpoint import INDEX
from zoo.hub.weights import SUFFIXES
from zoo.models import registry

_MAX_PATH = 4096

Parts = Literal["model", "tokenizer"]

CONFIG, GENERATION = "config.json", "generation_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "30k-clean.model",
    "source.spm",
    "target.spm",
)

# The patterns of each format, the one to fetch first.
_WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
    ("flax_model*.msgpack", "flax_model.msgpack.index.json"),
)


def locate(source: str | os.PathLike, *, parts: Parts = "model") -> Path:
    """The folder or file that is meant; a registry name is fetched.

    Raises:
      ConfigError: no such path, and no such name (the nearest are said). FormatError: a file of another kind.
    """
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(f"A model is named by a folder, a file or a registry name; found {type(source).__name__}.")
    path = Path(source).expanduser()
    if not str(source) or len(str(source)) > _MAX_PATH:
        raise ConfigError(f"A model is named by a folder, a file or a registry name; found {str(source)!r:.80}.")
    if path.is_dir() or (path.suffix in SUFFIXES and path.exists()):
        return path
    if (index := path.with_name(f"{path.name}{INDEX}")).exists():  # how TensorFlow calls a checkpoint
        return index
    if path.exists():
        raise FormatError(f"{path} is neither a folder nor a file of the kinds that are read: {', '.join(SUFFIXES)}.")
    if len(path.parts) > 1 or path.suffix:
        raise ConfigError(
            f"{path} does not exist. Pass a folder, a .safetensors file, or a name of zoo.models.registry."
        )
    return fetch(str(source), parts=parts)


def fetch(name: str, *, parts: Parts = "model") -> Path:
    """The local copy of a registry entry's Hub files, downloaded if it is not there: config, tokenizer and weights.

    Of the weights only the first format that the repository has is fetched, safetensors before all others.

    Raises:
      ConfigError: an unknown name, or the Hub cannot be reached.
    """
    entry = registry.lookup(name)
    if entry.repository is None:
        raise ConfigError(
            f"The weights of {name!r} were never released; zoo.create(zoo.config({name!r})) makes random ones."
        )
    from huggingface_hub import snapshot_download  # slow to import, and seldom needed

    try:
        for patterns in _WEIGHTS if parts == "model" else [()]:
            wanted = [CONFIG, GENERATION, *TOKENIZER_FILES, *patterns]
            folder = Path(snapshot_download(entry.repository, allow_patterns=wanted))
            if any(any(folder.glob(pattern)) for pattern in patterns):
                break
        return folder
    except Exception as error:  # the Hub's client raises its own errors, its transport's and the system's
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ConfigError(
            f"{name!r} is {entry.repository} on the Hub, which cannot be reached ({type(error).__name__}: {reason}). "
            "Download that repository where there is a network, and pass its folder instead of the name."
        ) from error
