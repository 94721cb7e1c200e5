# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plain text as sequences of whole documents, each a segment of its own with its own special tokens."""

import dataclasses
from typing import Any

from zoo.data.fitted import FittedText
from zoo.data.packed import Frame
from zoo.data.schema import Schema, SplitSummary
from zoo.data.text import PreparedText, token_schema
from zoo.data.tokens import TokenFiles
from zoo.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class WholeDocumentsConfig(PreparedText):
    """Sequences of documents that fit together; only one that is longer than `seq_len` is cut (`zoo.data.fitted`).

    What a model learns from a packed sequence is what it would learn from its documents in rows of their own. Folders
    that were prepared for data of type `text` serve it too.
    """

    @property
    def schema(self) -> Schema:
        return token_schema(word_starts=self.word_starts)

    @property
    def layout(self) -> dict[str, Any]:
        return dict(segments="documents")

    def examples(self, files: TokenFiles, split: str, tokenizer: Tokenizer) -> FittedText:
        options: dict[str, Any] = dict(vocab_size=tokenizer.vocab_size, word_starts=self.word_starts)
        return FittedText(files, self.seq_len, Frame.of(tokenizer), **options)

    def summary(self, examples: Any) -> SplitSummary:
        found = super().summary(examples)
        return dataclasses.replace(found, size=f"{found.size}, {examples.fill:.2%} of them filled")
