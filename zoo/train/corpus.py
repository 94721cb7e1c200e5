# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A run's data: a prepared folder, its tokenizer, and the batches of a task."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import grain

from zoo.data.config import DataConfig
from zoo.data.pack import PackedRows, open_rows
from zoo.data.pipeline import Example, Sharding, evaluation_batches, train_batches
from zoo.data.prepare import TOKENIZER, prepare, read_recipe
from zoo.errors import ConfigError
from zoo.objectives import Task
from zoo.text.load import load_tokenizer
from zoo.text.tokenizer import Tokenizer
from zoo.train.config import RunConfig


class Corpus(NamedTuple):
    """Attributes: recipe, what the folder says of its making; train and validation, rows of tokens."""

    config: RunConfig
    tokenizer: Tokenizer
    recipe: dict[str, Any]
    train: PackedRows
    validation: PackedRows

    @classmethod
    def open(cls, config: RunConfig, default: Path, folder: Path | None) -> "Corpus":
        """The prepared `folder`; without one, the text in the package, prepared in `default`.

        Raises:
          ConfigError: nothing is prepared there, or something else than the config says.
        """
        if folder is None:
            if config.data.source != "embedded":
                raise ConfigError(
                    f"data.source is {config.data.source!r}, which has to be prepared once: run python -m "
                    "launch.prepare with the same --config and a --data_dir, then give that --data_dir here too."
                )
            folder = prepare(config.data, default)
        recipe = read_recipe(folder)
        _check_recipe(config.data, recipe["settings"], folder)
        tokenizer = load_tokenizer(folder / TOKENIZER)
        segments = "row" if config.data.whole_row_segment else "documents"
        rows = [
            open_rows(folder, split, tokenizer, seq_len=config.data.seq_len, segments=segments)
            for split in ("train", "validation")
        ]
        return cls(config, tokenizer, recipe, *rows)

    def train_batches(self, task: Task, share: Sharding) -> grain.DatasetIterator:
        """Endless batches of this process; the iterator's state is its place in the data, the same in all."""
        config = self.config
        batches = train_batches(
            self.train, task.transform, batch_size=config.batch_size, seed=config.seed, sharding=share
        )
        return iter(batches)

    def validation_batches(self, task: Task, share: Sharding) -> Iterable[Example]:
        """One pass over the validation rows, or over its first `eval_batches` batches; the same at every call."""
        config = self.config
        return evaluation_batches(
            self.validation,
            task.transform,
            batch_size=config.batch_size // config.grad_accum_steps,
            seed=config.seed,
            num_batches=config.eval_batches,
            sharding=share,
        )


def _check_recipe(config: DataConfig, settings: dict[str, Any], folder: Path) -> None:
    asked = {name: getattr(config, name) for name in ("source", "document", "text_field", "validation_fraction")}
    if not config.tokenizer.path:
        asked["tokenizer"] = {name: getattr(config.tokenizer, name) for name in ("kind", "vocab_size", "lower_case")}
    differing = [name for name in asked if settings.get(name) != asked[name]]
    if differing:
        lines = "".join(f"\n  data.{name}: {settings.get(name)!r} there, {asked[name]!r} here" for name in differing)
        raise ConfigError(
            f"{folder} was prepared with other settings:{lines}\nPrepare another --data_dir, or set these."
        )
