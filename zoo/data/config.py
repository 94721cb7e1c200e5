# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a dataset: a group of the `data` group of a config."""

import dataclasses
from typing import Literal

from zoo.checks import check_fields


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
