# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""WordPiece (BERT, arXiv:1810.04805, section 3) as a tokenizer of the Rust library."""

from collections.abc import Mapping

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from zoo.text.classes import BERT
from zoo.text.template import classify, frame


def wordpiece(
    vocab: dict[str, int],
    *,
    lower_case: bool,
    strip_accents: bool | None = None,
    split_chinese: bool = True,
    special: Mapping[str, str] = BERT,
) -> tokenizers.Tokenizer:
    """BERT's tokenizer.

    Args:
      strip_accents: None strips them where `lower_case` is on.
      split_chinese: whether each Chinese character is a word.
      special: role to token; without `cls` and `sep`, nothing stands around a text.
    """
    backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=special["unk"]))
    backend.normalizer = normalizers.BertNormalizer(
        handle_chinese_chars=split_chinese, strip_accents=strip_accents, lowercase=lower_case
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    return frame(backend, *classify(special["cls"], special["sep"])) if "cls" in special else backend
