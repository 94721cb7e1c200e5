# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Plain text as pairs of texts with a label: what BERT (arXiv:1810.04805) and ALBERT (arXiv:1909.11942) pretrain on."""

import dataclasses
from typing import Any, ClassVar, Literal

from zoo.data.packed import Frame
from zoo.data.pairs import LEAST, Kind, PairedText
from zoo.data.schema import DataInfo, Feature, Schema, Vocabulary
from zoo.data.sentences import Rule
from zoo.data.text import PreparedText
from zoo.data.tokens import TokenFiles
from zoo.data.training import check_unpacked
from zoo.errors import ConfigError
from zoo.text.tokenizer import Tokenizer

CLASSES: dict[Kind, tuple[str, ...]] = {"next": ("next", "random"), "order": ("in_order", "swapped")}
_TOKENS = ("tokens", "segments", "positions", "token_types")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentencePairsConfig(PreparedText):
    """Two texts of a document, or of two, in a sequence: `[CLS] A [SEP] B [SEP]`; see `zoo.data.pairs`.

    A text is some consecutive sentences. Pairs are new in every pass over the data; with `duplicates` of the
    objective, later passes repeat those of the first ones, as BERT's ten copies of the data do.

    Attributes:
      sentences: what a sentence is (`zoo.data.sentences`): a `line` of a document, as in the authors' files, whose
        documents are parted by blank lines (`document` of `paragraph`); or what `punctuation` parts.
      pairs: `next` takes B from another document in half of the pairs (BERT); `order` swaps the two texts in half of
        them (ALBERT). The label is 1 for these.
      short_fraction: of the documents, those whose pairs are of a random length from 2 tokens to a full one.
      one_sentence: what becomes of a single sentence that is as long as a pair, or all that is left of a document. The
        authors' code gives it a `random` B and the label 1, so that more than half of the pairs are random, and so are
        some of ALBERT's. `skipped` leaves it out, so that half of the labels are 1 and the two texts of `order` are
        always consecutive, as the papers say.
      packing: the most pairs in one row of a training batch, whose rows are `seq_len` tokens (`zoo.data.packing`); 0
        gives each one a row. Only pairs that are shorter than a row leave room for others.
    """

    text_settings: ClassVar[tuple[str, ...]] = (*PreparedText.text_settings, "sentences")
    sentences: Rule = "punctuation"
    pairs: Kind = "next"
    short_fraction: float = 0.1
    one_sentence: Literal["random", "skipped"] = "random"
    packing: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.seq_len < LEAST:
            raise ConfigError(
                f"data.seq_len is {self.seq_len}, and a pair takes 3 special tokens and one or more of each text; set "
                f"it to {LEAST} or more."
            )
        if not 0.0 <= self.short_fraction <= 1.0:
            raise ConfigError(f"data.short_fraction must be from 0 to 1, such as 0.1; found {self.short_fraction!r}.")
        if self.packing < 0:
            raise ConfigError(f"data.packing must be 0 (a pair a row) or more; found {self.packing}.")
        if self.sentences == self.document == "line":
            raise ConfigError(
                "data.document and data.sentences are both 'line', so that every document is one sentence; set "
                "data.document='paragraph', with a blank line between documents, or data.sentences='punctuation'."
            )

    @property
    def schema(self) -> Schema:
        names = (*_TOKENS, "word_starts") if self.word_starts else _TOKENS
        return {
            **{name: Feature(kind="tokens") for name in names},
            "label": Feature(kind="class", classes=CLASSES[self.pairs]),
        }

    @property
    def layout(self) -> dict[str, Any]:
        return dict(packing=self.packing)

    def outline(self, vocabulary: Vocabulary) -> DataInfo:
        """See `PreparedText.outline`.

        Raises:
          ConfigError: packed pairs, whose rows are as many as the pairs take.
        """
        check_unpacked(self.packing)
        return super().outline(vocabulary)

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        if not Frame.of(tokenizer).prefix:
            raise ConfigError(
                "A pair is framed by a [CLS] and two [SEP], and the tokenizer lacks them; use a WordPiece tokenizer "
                "(data.tokenizer.kind=wordpiece), or one of the model's family (data.tokenizer.path)."
            )

    def examples(self, files: TokenFiles, split: str, tokenizer: Tokenizer) -> PairedText:
        if len(files.ends) < 2 and (self.pairs == "next" or self.one_sentence == "random"):
            raise ConfigError(
                f"The {split} split has a single document, and data.pairs={self.pairs!r} takes texts of other "
                "documents too; give more documents, shorter ones (data.document='paragraph') or another "
                "data.validation_fraction" + (", or set data.one_sentence='skipped'." if self.pairs == "order" else ".")
            )
        return PairedText(
            files,
            self.seq_len,
            Frame.of(tokenizer),
            kind=self.pairs,
            short_fraction=self.short_fraction,
            one_sentence=self.one_sentence,
            vocab_size=tokenizer.vocab_size,
            word_starts=self.word_starts,
        )
