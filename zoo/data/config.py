# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of a dataset: a group of the `data` group of a config."""

import dataclasses
from typing import Literal

from zoo.checks import check_fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """The tokenizer that a dataset is encoded with.

    Attributes:
      kind: the algorithm of one that is trained here. vocab_size: its tokens, at most.
      path: folder or name of a ready one instead.
      special: the family whose special tokens a new one gets; empty is what the model's family needs, else BERT's for
        WordPiece and GPT-2's for byte_bpe.
    """

    kind: Literal["wordpiece", "byte_bpe"]
    vocab_size: int
    lower_case: bool = False
    path: str = ""
    special: Literal["", "bert", "roberta", "gpt2", "t5", "xlnet"] = ""

    def __post_init__(self):
        check_fields(self)


WORDPIECE = TokenizerConfig(kind="wordpiece", vocab_size=8192, lower_case=True)
