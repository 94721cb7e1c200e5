# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences of whole documents: every token once, no document cut that fits, little padding."""

import time

import numpy as np
import pytest

import zoo
from tests.data.test_packed import Listed, every
from zoo.data import TextConfig, WholeDocumentsConfig
from zoo.data.config import TokenizerConfig
from zoo.data.fitted import FittedText
from zoo.data.packed import Frame
from zoo.errors import ConfigError, InputError, IntegrityError

FRAMES = {
    "bare": Frame(pad_id=9),
    "bert": Frame((1,), (2,), pad_id=0),
    "gpt": Frame(separator=7, pad_id=7),
    "long": Frame((1, 3), (2, 4, 5), pad_id=6),
}


def fitted(lengths, seq_len, frame=FRAMES["bare"], **options):
    stream = Listed(lengths, frame.separator)
    return stream, FittedText(stream, seq_len, frame, **{"vocab_size": 10**6, **options})


def test_by_hand():
    _, text = fitted([3, 4, 1, 7], 5)
    assert len(text) == 3 and text.fill == 1.0
    found = every(text)
    assert found["tokens"].tolist() == [[18, 19, 20, 21, 22], [13, 14, 15, 16, 17], [10, 11, 12, 23, 24]]
    assert found["segments"].tolist() == [[1] * 5, [1, 1, 1, 1, 2], [1, 1, 1, 2, 2]]
    assert found["positions"].tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 0], [0, 1, 2, 0, 1]]
    assert {values.dtype for values in found.values()} == {np.dtype(np.int32)}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seq_len", [8, 16, 61])
def test_every_token_once_and_whole(frame, seq_len):
    """Each segment is a document in its frame, or a part of one that is longer than a sequence."""
    lengths = np.random.default_rng(seq_len).geometric(0.05, 300)
    lengths[7] = 0
    stream, text = fitted(lengths, seq_len, FRAMES[frame], word_starts=True)
    batch, prefix, suffix = every(text), FRAMES[frame].prefix, FRAMES[frame].suffix
    capacity = seq_len - len(prefix) - len(suffix)
    parts, words = [], []
    for tokens, segments, positions, starts in zip(*batch.values(), strict=True):
        assert (np.diff(segments[segments > 0]) >= 0).all() and (np.diff(np.minimum(segments, 1)) <= 0).all()
        assert (tokens[segments == 0] == FRAMES[frame].pad_id).all() and not starts[segments == 0].any()
        assert not positions[segments == 0].any()
        for segment in range(1, segments.max() + 1):
            inside = segments == segment
            assert positions[inside].tolist() == [*range(inside.sum())]
            ids = tokens[inside]
            end = len(ids) - len(suffix)
            assert ids[: len(prefix)].tolist() == [*prefix] and ids[end:].tolist() == [*suffix]
            parts.append(ids[len(prefix) : end].tolist())
            words.append(starts[inside])
            assert words[-1][: len(prefix)].all() and words[-1][end:].all()
            assert (words[-1][len(prefix) : end] == (ids[len(prefix) : end] % 3 == 0)).all()
    wanted = []
    for first, last in zip([0, *stream.ends[:-1]], stream.ends, strict=True):
        wanted += [stream.tokens[i : min(i + capacity, last)].tolist() for i in range(first, last, capacity)]
    assert sorted(map(tuple, parts)) == sorted(map(tuple, wanted))


def test_little_is_padding_and_it_is_quick():
    """Lengths as of web pages, log-normal: 98 % full at least, assigned in a second and read at millions of tokens."""
    lengths = np.exp(np.random.default_rng(0).normal(5.0, 1.2, 20_000)).astype(int) + 1
    _, text = fitted(lengths, 512, FRAMES["bert"], vocab_size=2**31)
    assert text.fill > 0.98
    found = text.read(np.arange(len(text)))
    assert text.fill == (found["segments"] > 0).mean()
    start = time.perf_counter()
    for first in range(0, 640, 128):
        text.read(np.arange(first, first + 128))
    assert 5 * 128 * 512 / (time.perf_counter() - start) > 1e6  # 3e6 on free cores


def test_some_rows_and_none():
    _, text = fitted(np.arange(1, 40), 16, FRAMES["bert"])
    whole = every(text)
    chosen = np.array([3, -1, 0, 3])
    for name, values in text.read(chosen).items():
        np.testing.assert_array_equal(values, np.where(chosen[:, None] < 0, 0, whole[name][chosen]))
    assert text.read(np.array([], int))["tokens"].shape == (0, 16)
    with pytest.raises(IndexError):
        text.read(np.array([len(text)]))


def test_bad_input():
    with pytest.raises(ConfigError, match="seq_len 2"):
        fitted([4], 2, FRAMES["bert"])
    with pytest.raises(InputError, match="no tokens"):
        fitted([0], 8)
    with pytest.raises(IntegrityError, match="prepare the data again"):
        every(fitted([20], 8, vocab_size=15)[1])


def test_a_model_reads_documents_as_if_alone():
    """BERT's output for each document of a sequence is the one for that document in a row of its own."""
    _, text = fitted([5, 9, 3, 12, 2], 16, FRAMES["bert"])
    rows = every(text)
    config = zoo.config(
        "bert-base-uncased", vocab_size=64, width=16, num_layers=2, num_heads=2, mlp_width=24, max_length=16
    )
    model = zoo.create(config, seed=1)
    assert rows["segments"].max() == 2
    whole = np.asarray(model(rows["tokens"], segments=rows["segments"], positions=rows["positions"]).hidden)
    for row, segments in enumerate(rows["segments"]):
        for segment in range(1, segments.max() + 1):
            inside = segments == segment
            alone = model(rows["tokens"][row, inside][None]).hidden[0]
            np.testing.assert_allclose(whole[row, inside], alone, atol=1e-5)


def test_as_a_config(tmp_path):
    """A folder that was prepared as text is opened as whole documents, which say how full they are."""
    (tmp_path / "text.txt").write_text("\n\n".join(f"{'the cat sat on a mat ' * (n % 7 + 1)}." for n in range(80)))
    options = dict(
        source=str(tmp_path / "text.txt"), seq_len=24, tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=80)
    )
    folder = TextConfig(**options).prepare(tmp_path / "prepared")
    config = WholeDocumentsConfig(**options, word_starts=True)
    data = config.open(cache_dir=tmp_path, data_dir=folder)
    assert data.info.segments == "documents" and set(data.schema) == set(config.outline(data.info.vocabulary).schema)
    train = data.split("train")
    batch = train.read(np.arange(len(train)))
    assert set(batch) == set(data.schema)
    assert data.summaries["train"].size == f"{len(train)} sequences of 24 tokens, {train.fill:.2%} of them filled"
    assert (batch["tokens"] == data.tokenizer.cls_id).sum() == batch["segments"].max(1).sum()
