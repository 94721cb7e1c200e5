# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From the name of a model to a folder on this machine: a path, or a registry name or Hub id that is fetched."""

import os
import re
from pathlib import Path
from typing import Literal

from zoo.errors import ConfigError, FormatError
from zoo.hub.formats.tf_checkpoint import INDEX
from zoo.hub.weights import SUFFIXES
from zoo.models import registry

_MAX_PATH = 4096

Parts = Literal["model", "tokenizer"]

CONFIG, GENERATION, ADAPTER = "config.json", "generation_config.json", "adapter_config.json"
SENTENCE_FILES = ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "encoder_bpe_40000.json",
    "vocab_40000.bpe",
    "chat_template.jinja",
    "spiece.model",
    "sentencepiece.bpe.model",
    "30k-clean.model",
    "source.spm",
    "target.spm",
)

# Configs before 2020, an adapter (which is refused by its name), and the modules of sentence-transformers.
_CONFIGS = (CONFIG, GENERATION, ADAPTER, "bert_config.json", "albert_config.json", "xlnet_config.json")
_MODULES = ("[0-9]_*/config.json", "[0-9]_*/*.safetensors", "[0-9]_Dense/pytorch_model.bin")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

# The patterns of each format, the one to fetch first.
_WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
    ("flax_model*.msgpack", "flax_model.msgpack.index.json"),
)


def locate(source: str | os.PathLike, *, parts: Parts = "model", revision: str | None = None) -> Path:
    """The folder or file that is meant; a registry name or a Hub id is fetched, unless there is a folder of that name.

    Raises:
      ConfigError: no such path, and no such name (the nearest are listed). FormatError: a file of another kind.
    """
    if not isinstance(source, str | os.PathLike) or not str(source) or len(str(source)) > _MAX_PATH:
        found = repr(str(source))[:80] if isinstance(source, str | os.PathLike) else type(source).__name__
        raise ConfigError(f"A model is named by a folder, a file, a registry name or a Hub id; found {found}.")
    if revision is not None and (not isinstance(revision, str) or not revision):
        raise ConfigError(f"revision must be a branch, a tag or a commit; found {revision!r:.80}.")
    path = Path(source).expanduser()
    local = _local(path, str(source))
    if local is None:
        return fetch(str(source), parts=parts, revision=revision)
    if revision is not None:
        raise ConfigError(f"{path} is a local path, which has no revision {revision!r:.80}; leave revision out.")
    return local


def _local(path: Path, source: str) -> Path | None:
    """The path if it is a model's, None if `source`, of which it was made, may be a name on the Hub."""
    if path.is_dir() or (path.suffix in SUFFIXES and path.exists()):
        return path
    if (index := path.with_name(f"{path.name}{INDEX}")).exists():  # how TensorFlow calls a checkpoint
        return index
    if path.exists():
        raise FormatError(f"{path} is neither a folder nor a file of the kinds that are read: {', '.join(SUFFIXES)}.")
    if _HUB_ID.fullmatch(source) and path.suffix not in SUFFIXES:
        return None
    if len(path.parts) > 1 or path.suffix or str(path) != source:  # such as ./name, or name/
        raise ConfigError(
            f"{source} does not exist. Pass a folder, a .safetensors file, a name of zoo.models.registry, or a Hub id "
            "(owner/name)."
        )
    return None


def fetch(name: str, *, parts: Parts = "model", revision: str | None = None) -> Path:
    """The local copy of a repository of the Hub, downloaded if it is not there: configs, tokenizer and weights.

    Of the weights only the first format that the repository has is fetched, safetensors before all others. Without a
    network the cached snapshot is used.

    Args:
      name: of a registry entry, or `owner/name`.

    Raises:
      ConfigError: an unknown name, or the Hub cannot be reached.
    """
    repository = name if "/" in name else registry.lookup(name).repository
    if repository is None:
        raise ConfigError(
            f"The weights of {name!r} were never released; zoo.create(zoo.config({name!r})) makes random ones."
        )
    from huggingface_hub import snapshot_download  # slow to import, and seldom needed

    try:
        for patterns in _WEIGHTS if parts == "model" else [()]:
            wanted = [*_CONFIGS, *SENTENCE_FILES, *_MODULES, *TOKENIZER_FILES, *patterns]
            folder = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
            if any(any(folder.glob(pattern)) for pattern in patterns):
                break
        return folder
    except Exception as error:  # the Hub's client raises its own errors, its transport's and the system's
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        local = "" if name != repository else " There is no local folder of that name either."
        raise ConfigError(
            f"{name!r} is {repository} on the Hub, which cannot be reached ({type(error).__name__}: {reason}).{local} "
            "Download that repository where there is a network, and pass its folder instead of the name."
        ) from None  # the client's chain of errors fills a screen and tells no more than the reason
