# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The typed schema of a dataset, and the interfaces that every dataset has, whatever it comes from."""

import abc
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from zoo.data.config import WORDPIECE, TokenizerConfig
from zoo.data.inputs import Inputs
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

Segments = Literal["documents", "sequence", "pair"]
Order = Literal["shuffled", "stream"]
Directions = Literal["forward", "both"]
Kind = Literal["tokens", "class", "float", "span", "tags", "choices"]
Batch = dict[str, np.ndarray]
CONTINUES = "continues"  # of a batch in the order `stream`: 1 for a row that follows the same row of the batch before
BACKWARD = "backward"  # of a batch of text in both directions: 1 for a row that is read backwards


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """One field of an example.

    Attributes:
      kind: `tokens` is int32 [T] (ids, or what goes with them: `token_types`, `segments`, `positions`); `class` is an
        int32 index into `classes`; `float` is a float32; `span` is int32 [2], the first and last token; `tags` is int32
        [T], indices into `classes`; `choices` is `tokens` of [C, T].
      classes: the names of the classes of a `class` or `tags` field. num_choices: C of `choices`.
    """

    kind: Kind
    classes: tuple[str, ...] = ()
    num_choices: int = 0


Schema = Mapping[str, Feature]


@runtime_checkable
class Examples(Protocol):
    """Random access to the examples of one split, a whole batch at a time."""

    def __len__(self) -> int: ...

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """The examples at `indices` int64 [B], each field stacked to [B, ...]; an index of -1 gives a row of zeros.

        Args:
          batch: the indices of the global batch of which `indices` are this process's part; what depends on the whole
            batch, such as the length to which it is padded, is decided by it. None is `indices`.
        """
        ...


@runtime_checkable
class Redrawn(Examples, Protocol):
    """Examples that are drawn again in every pass."""

    def of_passes(
        self, numbers: Int64[np.ndarray, "B"], passes: Int64[np.ndarray, "B"], seed: int
    ) -> Int64[np.ndarray, "B"]:
        """The indices of examples by their numbers in passes of a run with this seed."""
        ...


@dataclasses.dataclass(frozen=True)
class SplitSummary:
    """What a log and a report say of a split's examples.

    Attributes:
      size: how many there are, and how long. losses: what of its texts or labels no model gets to see, a sentence each.
    """

    size: str
    losses: tuple[str, ...] = ()


@runtime_checkable
class Vocabulary(Protocol):
    """What an objective asks of a tokenizer."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def special_ids(self) -> Collection[int]: ...
    @property
    def pad_id(self) -> int | None: ...
    @property
    def bos_id(self) -> int | None: ...
    @property
    def eos_id(self) -> int | None: ...
    @property
    def cls_id(self) -> int | None: ...
    @property
    def sep_id(self) -> int | None: ...
    @property
    def mask_id(self) -> int | None: ...
    def token_to_id(self, token: str) -> int | None: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataInfo:
    """What an objective and a model are fitted to, known without reading an example.

    Attributes: as those of `Dataset`; `splits` holds the number of examples of each, and nothing where that is unknown.
    """

    vocabulary: Vocabulary
    schema: Schema
    seq_len: int
    bytes_per_token: float | None = None
    splits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unlabelled: tuple[str, ...] = ()
    packing: int = 0
    segments: Segments | None = None
    stride: int = 0

    def require(self, fields: Iterable[str], by: str) -> None:
        """ConfigError for fields that `by` reads and the examples lack."""
        missing = sorted(set(fields) - set(self.schema))
        if missing:
            raise ConfigError(
                f"{by} reads {', '.join(map(repr, missing))}, which the examples lack (their fields are "
                f"{', '.join(self.schema)}); choose data of another type, or name the column in the data group."
            )

    def placeholder(self, rows: int) -> Batch:
        """A batch of this schema in which every sequence is full: for shapes, where there are no data."""
        ordinary = next(i for i in range(self.vocabulary.vocab_size) if i not in self.vocabulary.special_ids)
        values = {"tokens": ordinary, "segments": 1, "word_starts": 1}
        batch: Batch = {}
        for name, feature in self.schema.items():
            if feature.kind in ("tokens", "tags"):
                batch[name] = np.full((rows, self.seq_len), values.get(name, 0), np.int32)
            elif feature.kind == "span":
                batch[name] = np.zeros((rows, 2), np.int32)
            elif feature.kind == "choices":
                shape = (rows, feature.num_choices, self.seq_len)
                batch[name] = np.full(shape, values.get(name, 0), np.int32)
            else:
                batch[name] = np.zeros((rows,), np.float32 if feature.kind == "float" else np.int32)
        if "positions" in batch:
            batch["positions"] = np.broadcast_to(np.arange(self.seq_len, dtype=np.int32), (rows, self.seq_len)).copy()
        return batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """An opened dataset.

    Attributes:
      schema: the fields of its examples. splits: the examples by split; `train` and `validation` at least.
      seq_len: T, the longest sequence in tokens.
      manifest: what distinguishes these data from others, ready for JSON; a workdir is tied to it.
      bytes_per_token: mean UTF-8 length of the text's tokens, where it is known.
      inputs: the columns that a prediction reads, of data that come from a table.
      unlabelled: splits whose examples have no labels, but only what stands for them.
      summaries: what a report says of some splits.
      packing: K, the most examples in a row of a training batch (`zoo.data.packing`); 0 gives each one a row.
      bucket_batches: W, the batches in a window that is sorted by length (`zoo.data.buckets`); 0 sorts nothing.
      segments: of packed text, what is a segment of its own (`zoo.data.text.TextConfig`); None for other data.
      stride: of packed text, tokens from the beginning of one sequence to that of the next; 0 is as many as it holds.
    """

    tokenizer: Tokenizer
    schema: Schema
    splits: Mapping[str, Examples]
    seq_len: int
    manifest: Mapping[str, Any]
    bytes_per_token: float | None = None
    inputs: Inputs | None = None
    unlabelled: tuple[str, ...] = ()
    summaries: Mapping[str, SplitSummary] = dataclasses.field(default_factory=dict)
    packing: int = 0
    bucket_batches: int = 0
    segments: Segments | None = None
    stride: int = 0

    def split(self, name: str) -> Examples:
        """The examples of a split; ConfigError for one that does not exist."""
        if name not in self.splits:
            raise ConfigError(f"The data have no split {name!r}; they have {', '.join(self.splits)}.")
        return self.splits[name]

    @property
    def info(self) -> DataInfo:
        """What an objective and a model are fitted to."""
        vocabulary: Any = self.tokenizer  # its ids are properties that a type checker does not see
        return DataInfo(
            vocabulary=vocabulary,
            schema=self.schema,
            seq_len=self.seq_len,
            bytes_per_token=self.bytes_per_token,
            splits={name: len(examples) for name, examples in self.splits.items()},
            unlabelled=self.unlabelled,
            packing=self.packing,
            segments=self.segments,
            stride=self.stride,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetConfig(abc.ABC):
    """The `data` group of a config: a frozen dataclass that opens what it describes.

    Attributes:
      seq_len: T, the longest sequence in tokens.
      tokenizer: which one to train on the texts, where the run starts from no model, or `path` of a ready one.
    """

    seq_len: int
    tokenizer: TokenizerConfig = WORDPIECE

    @abc.abstractmethod
    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """What is known of the data without opening them, for steps that are compiled ahead of time."""

    @abc.abstractmethod
    def open(self, *, cache_dir: Path, data_dir: Path | None = None, tokenizer: str = "") -> Dataset:
        """Opens the dataset. Touches no device.

        Args:
          cache_dir: where small preparations go (the run's workdir). data_dir: a folder that `launch.prepare` made.
          tokenizer: the registry name or folder that the run's model starts from, whose tokenizer is used unless the
            config names one; "" if it starts from random weights.

        Raises:
          ConfigError, InputError, FormatError: anything wrong with the files or the config.
        """

    def prepare(self, folder: str | Path, *, tokenizer: str = "") -> Path:
        """Makes the folder that `open` takes as `data_dir`, for a type of data that has to be prepared.

        Args:
          tokenizer: as of `open`.

        Raises:
          ConfigError: data that are read as they are.
        """
        del folder, tokenizer
        raise ConfigError(
            f"Data of this type ({type(self).__name__}) need no preparation: run launch.train without --data_dir."
        )
