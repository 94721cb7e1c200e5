# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sequences hold the concatenated documents, each token once, with the document that each came from."""

import numpy as np
import pytest

from zoo.data.packed import Frame, PackedText
from zoo.errors import ConfigError, InputError, IntegrityError


class Listed:
    """Documents in memory, with a separator after each; tokens count up from 10, so that any loss shows."""

    def __init__(self, lengths, separator=None):
        end = [] if separator is None else [separator]
        starts = 10 + np.cumsum(lengths) - lengths
        self.documents = [np.arange(i, i + n, dtype=np.int32) for i, n in zip(starts, lengths, strict=True)]
        pieces = [np.array([*document, *end], np.uint16) for document in self.documents]
        self.tokens, self.ends = np.concatenate(pieces), np.cumsum([len(piece) for piece in pieces])
        self.word_bits = np.packbits(self.tokens % 3 == 0, bitorder="little")

    def check_unchanged(self):
        pass


def packed(lengths, seq_len, *, segments="documents", vocab_size=10**6, stride=0, **frame):
    frame = Frame(**{name: tuple(ids) if isinstance(ids, list) else ids for name, ids in frame.items()})
    options = dict(segments=segments, vocab_size=vocab_size, stride=stride)
    return PackedText(Listed(lengths, frame.separator), seq_len, frame, **options)


def every(text):
    return text.read(np.arange(len(text)))


def plain(documents, seq_len, frame, segments):
    """One sequence after another and one document after another: slow, and easy to check by reading."""
    end = [] if frame.separator is None else [frame.separator]
    stream = [(token, owner) for owner, ids in enumerate(documents) for token in [*ids, *end]]
    capacity = seq_len - len(frame.prefix) - len(frame.suffix)
    for start in range(0, len(stream), capacity):
        tokens, owners = zip(*stream[start : start + capacity], strict=True)
        owners = [owner - owners[0] + 1 if segments == "documents" else 1 for owner in owners]
        owners = [owners[0]] * len(frame.prefix) + owners + [owners[-1]] * len(frame.suffix)
        tokens = [*frame.prefix, *tokens, *frame.suffix]
        padding = [0] * (seq_len - len(tokens))
        positions = [place - owners.index(owner) for place, owner in enumerate(owners)]
        yield [*tokens, *(frame.pad_id for _ in padding)], owners + padding, positions + padding


def test_by_hand():
    batch = every(packed([3, 4, 1], 5, pad_id=9))
    assert batch["tokens"].tolist() == [[10, 11, 12, 13, 14], [15, 16, 17, 9, 9]]
    assert batch["segments"].tolist() == [[1, 1, 1, 2, 2], [1, 1, 2, 0, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 0, 0]]
    assert {value.dtype for value in batch.values()} == {np.dtype(np.int32)}


def test_frame_and_separator():
    batch = every(packed([2, 2], 5, prefix=[1], suffix=[2]))
    assert batch["tokens"].tolist() == [[1, 10, 11, 12, 2], [1, 13, 2, 0, 0]]
    assert batch["segments"].tolist() == [[1, 1, 1, 2, 2], [1, 1, 1, 0, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 2, 0, 0]]
    batch = every(packed([2, 1], 4, separator=7))
    assert batch["tokens"].tolist() == [[10, 11, 7, 12], [7, 0, 0, 0]]
    assert batch["segments"].tolist() == [[1, 1, 1, 2], [1, 0, 0, 0]]


@pytest.mark.parametrize("total", [3, 6, 7, 8, 20, 21, 22])
@pytest.mark.parametrize("stride", [1, 2, 5])
def test_sequences_that_overlap(total, stride):
    """Each begins so many tokens behind the one before, and the last is the first that reaches the end."""
    text = packed([total], 7, suffix=[1, 2], stride=stride, segments="sequence")
    rows = [row[row >= 10].tolist() for row in every(text)["tokens"]]
    stream = list(range(10, 10 + total))
    assert rows == [stream[number * stride :][:5] for number in range(len(rows))]
    assert rows[-1][-1] == stream[-1] and (len(rows) == 1 or rows[-2][-1] < stream[-1])


def test_a_stride_that_leaves_text_out():
    with pytest.raises(
        ConfigError, match=r"data.stride 6 exceeds the 5 tokens of .* data.seq_len 7 holds; set it to 5"
    ):
        packed([20], 7, suffix=[1, 2], stride=6)


def test_whole_sequence_is_one_segment():
    batch = every(packed([2, 2, 2], 4, segments="sequence"))
    assert batch["segments"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["positions"].tolist() == [[0, 1, 2, 3], [0, 1, 0, 0]]


FRAMES = [{}, {"separator": 7}, {"prefix": [1], "suffix": [2]}, {"prefix": [1, 3], "suffix": [2, 4, 5], "pad_id": 6}]


@pytest.mark.parametrize("segments", ["documents", "sequence"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(25))
def test_as_packed_one_document_at_a_time(seed, frame, segments):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, rng.integers(2, 40), rng.integers(1, 60))
    lengths[rng.integers(len(lengths))] += 1
    seq_len = int(rng.integers(len(frame.get("prefix", ())) + len(frame.get("suffix", ())) + 1, 40))
    text = packed(lengths, seq_len, segments=segments, **frame)
    rows = plain(text._stream.documents, seq_len, text._frame, segments)
    expected = [np.array(values) for values in zip(*rows, strict=True)]
    indices = rng.permutation(len(text))
    batch = text.read(indices)
    for name, values in zip(("tokens", "segments", "positions"), expected, strict=True):
        np.testing.assert_array_equal(batch[name], values[indices], err_msg=name)


class Reversed(Listed):
    """The same documents, read from the end."""

    def __init__(self, lengths, separator=None):
        super().__init__(lengths, separator)
        starts = np.concatenate([[0], self.ends[:-1]])
        self.ends = len(self.tokens) - starts[::-1]
        bits = np.unpackbits(self.word_bits, bitorder="little")[: len(self.tokens)]
        self.tokens, self.word_bits = self.tokens[::-1].copy(), np.packbits(bits[::-1], bitorder="little")


@pytest.mark.parametrize("segments", ["documents", "sequence"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(10))
def test_backwards_it_is_the_reversed_text(seed, frame, segments):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 12, 40)
    frame = Frame(**{name: tuple(ids) if isinstance(ids, list) else ids for name, ids in frame.items()})
    seq_len = int(rng.integers(8, 30))
    stride = int(rng.integers(1, seq_len - len(frame.prefix) - len(frame.suffix) + 1))
    options = dict(segments=segments, vocab_size=10**6, word_starts=True, stride=stride)
    plain, turned = (
        PackedText(kind(lengths, frame.separator), seq_len, frame, **options) for kind in (Listed, Reversed)
    )
    both = PackedText(Listed(lengths, frame.separator), seq_len, frame, **options, directions="both")
    count = len(both) // 2
    assert 0 <= len(plain) - count <= 1 and len(both) == 2 * count
    indices = rng.permutation(len(both))
    batch = both.read(np.append(indices, -1))
    np.testing.assert_array_equal(batch.pop("backward"), np.append(indices >= count, False))
    expected = {
        name: np.concatenate([rows[:count], turned.read(np.arange(count))[name], rows[:1] * 0])
        for name, rows in every(plain).items()
    }
    for name, values in batch.items():
        np.testing.assert_array_equal(values, expected[name][[*indices.tolist(), -1]], err_msg=name)


def test_a_text_that_fills_no_sequence_has_no_directions():
    text = Listed([5])
    with pytest.raises(InputError, match=r"has 5 tokens, .* data.seq_len 7 holds; .*data.directions='forward'"):
        PackedText(text, 7, Frame(), segments="sequence", vocab_size=99, directions="both")
    assert len(PackedText(text, 7, Frame(), segments="sequence", vocab_size=99)) == 1


@pytest.mark.parametrize("seq_len", [1, 2, 3, 7, 13, 100])
def test_no_token_is_lost(seq_len):
    text = packed(np.random.default_rng(0).integers(0, 9, 30), seq_len)
    batch = every(text)
    np.testing.assert_array_equal(batch["tokens"][batch["segments"] > 0], text._stream.tokens)


@pytest.mark.parametrize("segments", ["documents", "sequence"])
@pytest.mark.parametrize("frame", FRAMES)
def test_index_minus_one_is_a_row_of_zeros(frame, segments):
    text = packed([5, 4, 30], 7, segments=segments, **frame)
    batch = text.read(np.array([1, -1, 0]))
    for name, values in batch.items():
        assert (values[1] == 0).all()
        np.testing.assert_array_equal(values[[0, 2]], text.read(np.array([1, 0]))[name])


def test_refusals():
    with pytest.raises(ConfigError, match="must exceed"):
        packed([5], 2, prefix=[1], suffix=[2])
    with pytest.raises(InputError, match="no tokens"):
        packed([0, 0], 2)
    for index in (3, -2):
        with pytest.raises(IndexError):
            packed([5], 2).read(np.array([index]))
    with pytest.raises(IntegrityError, match="ids from 14 to 14, and the vocabulary ends at 13"):
        packed([5], 2, vocab_size=14).read(np.array([2]))


def of_sentences(documents, seq_len, *, segments="sequence", **frame):
    """Documents of sentences of such lengths, and where each sentence begins in the stream."""
    separator = [frame.get("separator", ())] * ("separator" in frame)
    sizes = [size for document in documents for size in [*document[:-1], document[-1] + len(separator)]]
    bounds = np.cumsum([0, *sizes])
    stream = Listed([sum(document) for document in documents], *separator)
    options = dict(segments=segments, vocab_size=10**6, bounds=bounds)
    return bounds, PackedText(stream, seq_len, Frame(**frame), **options)


def test_whole_sentences_by_hand():
    """Two documents, with a separator behind each; the second sentence of the last is longer than a sequence."""
    _, text = of_sentences([[2, 2], [3, 8, 1]], 8, prefix=(1,), suffix=(2,), separator=2)
    assert every(text)["tokens"].tolist() == [
        [1, 10, 11, 12, 13, 2, 2, 0],
        [1, 14, 15, 16, 2, 0, 0, 0],
        [1, 17, 18, 19, 20, 21, 22, 2],
        [1, 23, 24, 25, 2, 2, 0, 0],
    ]
    assert every(text)["segments"].sum(1).tolist() == [7, 5, 8, 6]
    _, text = of_sentences([[2, 2], [2]], 9, segments="documents", prefix=(1,), suffix=(2,), separator=2)
    found = every(text)
    assert found["tokens"].tolist() == [[1, 10, 11, 12, 13, 2, 2, 0, 0], [1, 14, 15, 2, 2, 0, 0, 0, 0]]
    _, text = of_sentences([[1, 1], [2]], 9, segments="documents", prefix=(1,), suffix=(2,), separator=2)
    found = every(text)
    assert found["tokens"].tolist() == [[1, 10, 11, 2, 12, 13, 2, 2, 0]]
    assert found["segments"].tolist() == [[1, 1, 1, 1, 2, 2, 2, 2, 0]]
    assert found["positions"].tolist() == [[0, 1, 2, 3, 0, 1, 2, 3, 0]]


@pytest.mark.parametrize("stretch", [3, 2**15])
@pytest.mark.parametrize("seed", range(20))
def test_as_many_whole_sentences_as_fit(seed, stretch, monkeypatch):
    monkeypatch.setattr("zoo.data.packed._STRETCH", stretch)
    rng = np.random.default_rng(seed)
    documents = [rng.integers(1, 14, rng.integers(1, 6)).tolist() for _ in range(rng.integers(1, 30))]
    capacity = int(rng.integers(4, 40))
    bounds, text = of_sentences(documents, capacity + 2, prefix=(1,), suffix=(2,), separator=2)
    order = rng.permutation(len(text))
    batch = text.read(order)
    sizes = batch["segments"].sum(1)
    rows = [batch["tokens"][row, 1 : sizes[row] - 1] for row in np.argsort(order)]
    np.testing.assert_array_equal(np.concatenate(rows), text._stream.tokens)
    ends = np.cumsum([len(row) for row in rows])
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        following = bounds[min(np.searchsorted(bounds, end, side="right"), len(bounds) - 1)]  # the end of the next one
        stops = end in bounds[::stretch] or end == bounds[-1]
        assert end - begin == capacity if end not in bounds else end - begin <= capacity < following - begin or stops
    assert (batch["tokens"][:, 0] == 1).all() and (batch["tokens"][np.arange(len(order)), sizes - 1] == 2).all()
