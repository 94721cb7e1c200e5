# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pairs of a source text and a target text in two columns of a table: what a translator learns from."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int64

from zoo.data.columns import Table
from zoo.data.ragged import SequenceExamples, Sequences, check_tokens, encode
from zoo.data.rows import Rows, read_rows, without_labels
from zoo.data.schema import Batch, Feature, Schema, SplitSummary
from zoo.data.supervised import SupervisedConfig
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("pairs.csv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationConfig(SupervisedConfig):
    """A table with a column of sources and one of targets; see `SupervisedConfig` for the other fields.

    One vocabulary is learned from both. A tokenizer of two, as Marian's releases have, reads targets with its own.

    Attributes:
      text, target: names of columns. `seq_len` is the longest of each in tokens, the end token included.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("target",)
    text: str = "source"
    target: str = "target"

    def __post_init__(self):
        super().__post_init__()
        self._require("text", "target")
        if self.packing:
            raise ConfigError(f"data.packing is {self.packing}, and pairs of texts are not packed; set data.packing=0.")

    @property
    def columns(self) -> dict[str, str]:
        return {"text": self.text, "target": self.target}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "translation"}

    @property
    def outlined(self) -> Schema:
        return {name: Feature(kind="tokens") for name in ("targets", "target_segments")}

    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        found = {}
        for split, table in tables.items():
            rows = read_rows(table, self.columns, texts=["text"])
            if without_labels(split, rows, "target"):
                found[split] = rows.unlabelled(target=rows["text"])
            else:
                found[split] = read_rows(table, self.columns, texts=["text", "target"])
        return self.outlined, found

    def texts(self, rows: Rows) -> list[str]:
        return [*rows["text"], *rows["target"]]

    def encode(
        self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str
    ) -> tuple["PairExamples", SplitSummary]:
        del features
        reader = tokenizer.target
        sources = self._side(tokenizer, rows, "text")
        targets = self._side(reader, rows, "target")
        ends = targets.fields["tokens"][targets.starts[:-1] + targets.lengths[:-1] - 1]
        if not np.all(ends == tokenizer.eos_id):
            raise ConfigError(
                "A target must end with the tokenizer's end token, which this tokenizer does not put there; use one "
                "that does, or train one with data.tokenizer.special=t5."
            )
        examples = PairExamples(
            *(SequenceExamples(side, {}, self.seq_len, self.pad_to_multiple_of, reader.fill_id)
              for side in (sources, targets)),
            reader=reader,
            rows=self.kept(rows, split),
        )  # fmt: skip
        longest = max(sources.lengths.max(), targets.lengths.max())
        cut = sources.truncated + targets.truncated
        losses = (f"{cut} of the texts and targets were cut to data.seq_len.",) if cut else ()
        return examples, SplitSummary(f"{len(rows)} pairs, longest {longest} tokens", losses)

    def _side(self, tokenizer: Tokenizer, rows: Rows, role: str) -> Sequences:
        sequences = encode(tokenizer, rows[role], None, self.seq_len, token_types=False)
        column = self.columns[role]
        check_tokens(sequences, tokenizer, pairs=False, table=rows.table, lines=rows.lines, column=column)
        return sequences


@dataclasses.dataclass(frozen=True, eq=False)
class PairExamples:
    """Sources and targets, each padded on its own: `tokens`, `segments`, and `targets`, `target_segments`.

    Attributes:
      reader: the tokenizer of the targets, which decodes translations.
      rows: where each pair comes from, of splits that are evaluated; None where the texts are not kept.
    """

    sources: SequenceExamples
    targets: SequenceExamples
    reader: Tokenizer
    rows: Rows | None = None

    def __len__(self) -> int:
        return len(self.sources)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        targets = self.targets.read(indices, batch=batch)
        renamed = {"targets": targets["tokens"], "target_segments": targets["segments"]}
        return self.sources.read(indices, batch=batch) | renamed

    def num_tokens(self, indices: np.ndarray) -> Int64[np.ndarray, "B"]:
        """The longer side of each pair, by which `zoo.data.buckets` puts like ones together."""
        return np.maximum(self.sources.num_tokens(indices), self.targets.num_tokens(indices))
