# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What text is read, and how it becomes rows: the `data` group of a config."""

import dataclasses
from typing import Literal

from zoo.checks import check_fields
from zoo.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Attributes: kind; vocab_size, at most; lower_case; path, folder or name of a ready one instead."""

    kind: Literal["wordpiece", "byte_bpe"]
    vocab_size: int
    lower_case: bool = False
    path: str = ""

    def __post_init__(self):
        check_fields(self)


WORDPIECE = TokenizerConfig(kind="wordpiece", vocab_size=8192, lower_case=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What text is read, and how it becomes rows.

    Attributes:
      source: `embedded` (the text in the package); a text file, a folder of them, or a glob; or `tfds:NAME`.
      document: what one document of a text file is.
      text_field: field of a TFDS record that holds the text.
      validation_fraction: share of the documents held out, where the source has no split of its own.
      seq_len: T, tokens in a row.
      whole_row_segment: whether a row is one segment, so that attention crosses documents as GPT-2's does.
    """

    tokenizer: TokenizerConfig
    seq_len: int
    source: str = "embedded"
    document: Literal["paragraph", "line", "file"] = "paragraph"
    text_field: str = "text"
    validation_fraction: float = 0.05
    whole_row_segment: bool = False

    def __post_init__(self):
        check_fields(self)
        if self.seq_len < 2:
            raise ConfigError(f"data.seq_len must be 2 tokens or more; found {self.seq_len}.")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(f"data.validation_fraction must lie between 0 and 1; found {self.validation_fraction!r}.")
