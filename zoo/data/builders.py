# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Token records on disk: a TFDS dataset in ArrayRecord files, one record a document. Needs no TensorFlow."""

import contextlib
import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.errors import IntegrityError

Splits = Mapping[str, Callable[[], Iterable[np.ndarray]]]


class ZooText(tfds.core.GeneratorBasedBuilder):
    """Documents as `{"tokens": int32 [n]}`, in the order given."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, splits: Splits, **kwargs):
        self._generators = splits
        self.lengths: dict[str, list[int]] = {name: [] for name in splits}
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # As bytes: a long document is then read a hundred times faster than as a list of varints.
        tokens = tfds.features.Tensor(shape=(None,), dtype=np.int32, encoding="bytes")
        features = tfds.features.FeaturesDict({"tokens": tokens})
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples(name) for name in self._generators}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        for index, tokens in enumerate(self._generators[split]()):
            self.lengths[split].append(len(tokens))
            yield index, {"tokens": tokens}


class TokenRecords:
    """Documents of one split, by index. `lengths` int64 [documents] is in tokens, known without reading them."""

    def __init__(self, folder: Path, split: str):
        builder = tfds.builder_from_directory(folder)
        self._source: Any = builder.as_data_source(split=split)  # pyright: ignore[reportCallIssue] (decorated)
        self.lengths = np.load(_lengths(folder, split), allow_pickle=False)
        if len(self.lengths) != len(self._source):
            raise IntegrityError(
                f"{folder}: split {split} has {len(self._source)} records but {len(self.lengths)} lengths; "
                "prepare it again."
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._source[index]["tokens"]


def write_records(folder: Path, splits: Splits) -> dict[str, list[int]]:
    """Writes a dataset that `tfds.builder_from_directory(folder)` opens; returns the documents' lengths in tokens."""
    scratch = folder / "scratch"
    builder = ZooText(splits, data_dir=scratch)
    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):  # it announces a download
        builder.download_and_prepare()
    for path in Path(builder.data_dir).iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(scratch)
    for split, lengths in builder.lengths.items():
        np.save(_lengths(folder, split), np.asarray(lengths, np.int64))
    return builder.lengths


def _lengths(folder: Path, split: str) -> Path:
    return folder / f"lengths-{split}.npy"
