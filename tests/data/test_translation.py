# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pairs of texts: what a batch holds, one vocabulary for both sides, buckets, and bad tables."""

import dataclasses

import numpy as np
import pytest

from tests.golden import make_pairs
from zoo.data.buckets import BucketedExamples
from zoo.data.config import TokenizerConfig
from zoo.data.translation import EMBEDDED, TranslationConfig
from zoo.errors import ConfigError, InputError

LEARNED = TokenizerConfig(kind="byte_bpe", vocab_size=512, special="t5")


def test_the_embedded_pairs_are_those_of_their_script(tmp_path, monkeypatch):
    monkeypatch.setattr(make_pairs, "TARGET", tmp_path / "pairs.csv")
    make_pairs.main()
    assert (tmp_path / "pairs.csv").read_bytes() == EMBEDDED.read_bytes()
    known = {80: "quatre-vingts", 71: "soixante et onze", 200_000: "deux cent mille", 95: "quatre-vingt-quinze"}
    assert {number: make_pairs.french(number) for number in known} == known


def test_a_batch_has_both_sides_each_padded_on_its_own(tmp_path):
    data = TranslationConfig(source="embedded", seq_len=64, pad_to_multiple_of=4, tokenizer=LEARNED).open(
        cache_dir=tmp_path
    )
    examples, tokenizer = data.split("validation"), data.tokenizer
    assert len(examples) == 150 and {*data.schema} == {"tokens", "segments", "targets", "target_segments"}
    batch = examples.read(np.array([2, 16, -1]))
    for ids, marks, column in (("tokens", "segments", "text"), ("targets", "target_segments", "target")):
        for row, index in enumerate((2, 16)):
            there = batch[marks][row] > 0
            text = examples.rows[column][index]
            assert batch[ids][row][there].tolist() == tokenizer.encode(text)
            assert batch[ids][row][there][-1] == tokenizer.eos_id and tokenizer.decode(batch[ids][row][there]) == text
        assert not batch[marks][2].any() and batch[ids].shape[1] % 4 == 0
    assert {batch[name].shape[1] for name in ("tokens", "targets")} == {8, 12}
    train = data.split("train")
    visited = BucketedExamples(train, 8).visited(0, 16, seed=0)
    assert np.ptp(train.num_tokens(visited)) < np.ptp(train.num_tokens(np.arange(len(train)))) / 2


def write(folder, text):
    (folder / "pairs.tsv").write_text(text)
    return TranslationConfig(source=str(folder / "pairs.tsv"), seq_len=16, tokenizer=LEARNED, validation_fraction=0.5)


def test_bad_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"pairs\.tsv"):
        write(tmp_path, "source\ttarget\na\tb\nc\t\n").open(cache_dir=tmp_path)
    with pytest.raises(ConfigError, match="pairs of texts are not packed"):
        TranslationConfig(source="embedded", seq_len=16, packing=2, tokenizer=LEARNED)
    config = write(tmp_path, "source\ttarget\na\tb\nc\td\ne\tf\n")
    bare = TokenizerConfig(kind="byte_bpe", vocab_size=300)
    with pytest.raises(ConfigError, match=r"data\.tokenizer\.special=t5"):
        dataclasses.replace(config, tokenizer=bare).open(cache_dir=tmp_path)
