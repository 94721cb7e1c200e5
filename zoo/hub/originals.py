# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as their authors released them: which release a file is of, and its config.

These are github.com/google-research/bert, albert and electra, github.com/zihangdai/xlnet, github.com/openai/gpt-2 and
github.com/openai/finetune-transformer-lm. They are read like those of Transformers, by weight tables, and with
its interpretation: BERT's `gelu` is the exact one, as in its folder on the Hub.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, FormatError
from zoo.files import read_json
from zoo.hub import original_tables as tables
from zoo.hub.fetch import CONFIG
from zoo.hub.formats import npy, tf_checkpoint
from zoo.hub.table import Shape, Table
from zoo.hub.weights import Checkpoint

Shapes = Mapping[str, Shape]


def _electra_config(shapes: Shapes, head: str | None) -> dict[str, Any]:
    """ELECTRA was released without a config; all its networks have heads of 64 (paper, table 6)."""
    scope = "generator" if head == "masked_lm" else "electra"
    vocab, embed_width = _shape(shapes, "electra/embeddings/word_embeddings", 2)
    width, mlp_width = _shape(shapes, f"{scope}/encoder/layer_0/intermediate/dense/kernel", 2)
    return {
        "vocab_size": vocab,
        "embedding_size": embed_width,
        "hidden_size": width,
        "intermediate_size": mlp_width,
        "num_hidden_layers": _num_layers(shapes, rf"{scope}/encoder/layer_(\d+)/intermediate/dense/kernel"),
        "num_attention_heads": _heads_of_64(width),
        "max_position_embeddings": _shape(shapes, "electra/embeddings/position_embeddings", 2)[0],
        "type_vocab_size": _shape(shapes, "electra/embeddings/token_type_embeddings", 2)[0],
    }


def _gpt_config(shapes: Shapes, head: str | None) -> dict[str, Any]:
    """GPT was released without a config; it has 12 heads of 64 (paper, section 4.1)."""
    vocab, width = _shape(shapes, "model/we", 2)
    return {
        "vocab_size": vocab,
        "n_embd": width,
        "n_head": _heads_of_64(width),
        "n_layer": _num_layers(shapes, r"model/h(\d+)/mlp/c_fc/b"),
        "n_positions": _shape(shapes, "model/wpe", 2)[0],
    }


def _shape(shapes: Shapes, name: str, rank: int) -> Shape:
    if len(shapes.get(name, ())) != rank:
        raise ConfigError(f"{name!r} is missing, or does not have {rank} axes; put a config.json next to the weights.")
    return shapes[name]


def _num_layers(shapes: Shapes, pattern: str) -> int:
    return sum(1 for name in shapes if re.fullmatch(pattern, name))


def _heads_of_64(width: int) -> int:
    if width % 64:
        raise ConfigError(f"the width {width} is not a multiple of 64; put a config.json next to the weights.")
    return width // 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """How one family was released.

    Attributes:
      scope: prefix of the name of some tensor in every model.
      tables: by head, with None for all others.
      config_file: the authors' config, which Transformers reads except for the keys in `renamed`.
      infer: makes config.json from the tensors' shapes and the head, where there is no such file.
    """

    scope: str
    tables: Mapping[str | None, Table]
    config_file: str | None = None
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    infer: Callable[[Shapes, str | None], dict[str, Any]] | None = None

    def is_scope_of(self, name: str) -> bool:
        return name.startswith(self.scope)

    def table(self, head: str | None) -> Table:
        return self.tables.get(head, self.tables[None])


# By the family's `model_type`; where two have the same scope, the config file's name decides.
RELEASES = {
    "bert": Release(scope="bert/", tables={None: tables.BERT}, config_file="bert_config.json"),
    "albert": Release(scope="bert/", tables={None: tables.ALBERT}, config_file="albert_config.json"),
    "electra": Release(
        scope="electra/", tables={None: tables.ELECTRA, "masked_lm": tables.ELECTRA_GENERATOR}, infer=_electra_config
    ),
    "xlnet": Release(
        scope="model/transformer/",
        tables={None: tables.XLNET},
        config_file="xlnet_config.json",
        renamed={"n_token": "vocab_size"},
    ),
    "gpt2": Release(
        scope="model/wte",
        tables={None: tables.GPT2},
        config_file="hparams.json",
        renamed={"n_vocab": "vocab_size", "n_ctx": "n_positions"},
    ),
    "openai-gpt": Release(scope="model/we", tables={None: tables.GPT}, infer=_gpt_config),
}


def table(model_type: str, head: str | None, path: Path) -> Table:
    """The table for a release of that family; FormatError if there was none."""
    if model_type not in RELEASES:
        known = ", ".join(RELEASES)
        raise FormatError(f"{path}: no release of {model_type} in this format is known; known are those of {known}.")
    return RELEASES[model_type].table(head)


def hub_config(checkpoint: Checkpoint, head: str | None) -> tuple[dict[str, Any], Path]:
    """The config.json of a release without one, for the first head that it holds completely; and the file read.

    Raises:
      FormatError: neither a config.json nor the authors' config. ConfigError: a config that lacks what is needed.
    """
    folder, file = checkpoint.folder, checkpoint.file
    if checkpoint.form != "original" or file is None:
        return _config_next_to(folder)
    shapes = npy.read_shapes(file) if file.name == npy.SHAPES else tf_checkpoint.read_shapes(file)
    scoped = {kind: release for kind, release in RELEASES.items() if any(map(release.is_scope_of, shapes))}
    for model_type, release in scoped.items():
        config_path = file if release.config_file is None else folder / release.config_file
        if config_path.exists():
            config = _config_of(release, shapes, head, config_path)
            classes = [_class_held(release.table(head), shapes)]
            return {**config, "model_type": model_type, "architectures": classes}, config_path
    if not scoped:
        example, known = next(iter(shapes), None), ", ".join(RELEASES)
        raise FormatError(f"{file}: its tensors, such as {example!r}, are of no known release: those of {known}.")
    files = [str(release.config_file) for release in scoped.values()]
    raise FormatError(f"{folder} lacks {' or '.join([CONFIG, *files])}; put one next to {file.name}.")


def _config_next_to(folder: Path) -> tuple[dict[str, Any], Path]:
    """The authors' config next to weights that were converted to torch (`bert_config.json`, as in 2019)."""
    for model_type, release in RELEASES.items():
        if release.config_file is not None and (file := folder / release.config_file).exists():
            return {**_renamed(release, file), "model_type": model_type}, file
    return read_json(folder / CONFIG), folder / CONFIG  # its error names the missing file


def _renamed(release: Release, file: Path) -> dict[str, Any]:
    return {release.renamed.get(key, key): value for key, value in read_json(file).items()}


def _config_of(release: Release, shapes: Shapes, head: str | None, config_path: Path) -> dict[str, Any]:
    if release.infer is None:
        return _renamed(release, config_path)
    try:
        return release.infer(shapes, head)
    except ConfigError as error:
        raise ConfigError(f"{config_path}: {error}") from None


def _class_held(table: Table, shapes: Shapes) -> str:
    """The class of the first head whose tensors are all present."""
    for name, head in table.heads.items():
        rows = [row for part in head.parts for row in part if row.when in ("tied", "always")]
        if name is not None and all(row.hub in shapes for row in rows):
            return head.hub_class
    return table.heads[None].hub_class
