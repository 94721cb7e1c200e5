# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of any supported format -> a new folder, with all that belongs to the model."""

import functools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ConfigError
from zoo.hub import sentence_transformers
from zoo.hub.fetch import CONFIG, GENERATION, SENTENCE_FILES, TOKENIZER_FILES, locate
from zoo.hub.formats import msgpack, orbax, safetensors
from zoo.hub.load import load
from zoo.hub.save import MAX_SHARD_BYTES, staged, write_folder
from zoo.hub.weights import Checkpoint, find
from zoo.nn.transformer import Transformer

FORMS = ("safetensors", "orbax", "msgpack")

# What OpenAI called the files of GPT-2's and GPT's tokenizers, and their names in Transformers.
_RENAMED = {
    "encoder.json": "vocab.json",
    "vocab.bpe": "merges.txt",
    "encoder_bpe_40000.json": "vocab.json",
    "vocab_40000.bpe": "merges.txt",
}

_log = logging.getLogger(__name__)


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    form: str = "safetensors",
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Loads a model and saves it to an empty or new folder, with its tokenizer and generation settings.

    Keys of config.json that no model here uses (`problem_type`) are carried over. A log line names the files that were
    left out, and the tensors. The target appears when it is whole, unless it is an empty folder already.

    Args:
      form: one of `FORMS`; `msgpack` is what Transformers before version 5 reads into Flax.

    Raises:
      ConfigError: the target holds something; or as `load` and `save` do, as well as FormatError.
    """
    target = Path(target)
    if form not in FORMS:
        raise ConfigError(f"No format {form!r} can be written; choose one of {', '.join(FORMS)}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is there already, and is not overwritten; choose another folder, or empty it.")
    path = locate(source)
    sentences = sentence_transformers.read(path)
    checkpoint = find(path if sentences is None else sentences.transformer)
    model = load(path)
    with staged(target) as staging:
        _write(model, staging, form, max_shard_bytes)
        copied = _copy_files(checkpoint.folder, staging)
    left = sorted(_left_out(path, checkpoint, copied))
    if form == "orbax" and model.unread is not None:
        left += [f"the tensor {name}" for name in sorted(model.unread.tensors)]
    if left:
        _log.info("%s: left out %s", source, ", ".join(left))


def _write(model: Transformer, target: Path, form: str, max_shard_bytes: int) -> None:
    if form == "orbax":
        write_folder(model, target, lambda folder, _: orbax.write(model, folder))
    elif form == "msgpack":
        norm_scale = "weight" if model.config.norm == "rms" else "scale"
        write_folder(model, target, functools.partial(msgpack.write, norm_scale=norm_scale))
    else:
        write_folder(model, target, functools.partial(safetensors.write, max_shard_bytes=max_shard_bytes))


def _copy_files(folder: Path, target: Path) -> set[str]:
    """Copies the tokenizer's files; the names in the source."""
    copied = set()
    for name in TOKENIZER_FILES:
        new = _RENAMED.get(name, name)
        if (file := folder / name).is_file() and (new == name or not (folder / new).exists()):
            shutil.copyfile(file, target / new)
            copied.add(name)
    return copied


def _left_out(path: Path, checkpoint: Checkpoint, copied: set[str]) -> Iterator[str]:
    """Files of the source, but for what was read or copied, and for weights in other formats."""
    if not path.is_dir():
        return
    read = {CONFIG, GENERATION, *SENTENCE_FILES, *copied}
    for file in path.rglob("*"):
        name = file.relative_to(path).as_posix()
        is_weights = file.suffix in (".safetensors", ".bin", ".msgpack") or file.name.endswith(".index.json")
        is_module = file.parent.name.endswith(("_Pooling", "_Dense", "_Normalize"))
        if file.is_dir() or is_module or name.split("/")[0] == orbax.PARAMS:
            continue
        is_read = file.parent in (path, checkpoint.folder) and file.name in read
        if not is_read and file != checkpoint.file and not (is_weights and file.parent == checkpoint.folder):
            yield name
