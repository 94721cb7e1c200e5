# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows of running text and two segments: the rules of XLNet's code, their probabilities, and the order of streams."""

import random

import numpy as np
import pytest

from tests.data.test_pairs import FIRST, alike, shared, stream
from zoo.data.config import TokenizerConfig
from zoo.data.packed import Frame
from zoo.data.pipeline import Shard, evaluation_batches, train_batches
from zoo.data.segment_pairs import SegmentPairs
from zoo.data.streams import StreamedExamples
from zoo.data.text import TextConfig
from zoo.errors import ConfigError, InputError, IntegrityError

SEP, CLS = 4, 3
FRAME = Frame(suffix=(SEP, CLS), pad_id=5)
SEQ_LEN, STRIDE = 40, 12
CAPACITY = SEQ_LEN - STRIDE - 3


def sizes(count=40, seed=0, most=14):
    """Of so many sentences, in tokens."""
    return np.random.default_rng(seed).integers(1, most + 1, count).tolist()


def pairs(sentences, *, directions="both", vocab_size=10**6, **options):
    """Sentences of these sizes in documents of five."""
    documents = [sentences[first : first + 5] for first in range(0, len(sentences), 5)]
    sized = dict(stride=STRIDE, vocab_size=vocab_size, directions=directions)
    return SegmentPairs(stream(documents), SEQ_LEN, FRAME, **sized, **options)


def in_pass(text, number=1, seed=0):
    """All rows of a pass of a run."""
    return text.read(text.of_passes(np.arange(len(text)), np.full(len(text), number), seed))


def read_back(batch):
    """(text, A, B) of each row, by the places of their tokens in the stream."""
    for tokens, segments in zip(batch["tokens"], batch["segments"], strict=True):
        first = int(np.flatnonzero(tokens == SEP)[0])
        assert (tokens == SEP).nonzero()[0].tolist() == [first, SEQ_LEN - 2] and tokens[-1] == CLS
        assert segments.tolist() == [1] * (first + 1) + [2] * (SEQ_LEN - first - 1)
        places = tokens - FIRST
        yield places[:STRIDE], places[STRIDE:first], places[first + 1 : SEQ_LEN - 2]


# The rules again, one token after another: slow, and easy to check by reading.


def plainly(sentences, rng, *, backward):
    """(text, A, B) of each row of a pass, written from the rules of the authors' code."""
    owners = [number for number, size in enumerate(sentences) for _ in range(size)]
    places = [*range(len(owners))]
    if backward:
        owners, places = owners[::-1], places[::-1]
    last, start = len(places), 0

    def is_end(place):
        return place in (0, last) or owners[place] != owners[place - 1]

    while (begin := start + STRIDE) + CAPACITY <= last:
        ends = [place for place in range(begin + 1, last + 1) if is_end(place)]
        cut = [place for place in ends if place - begin < CAPACITY]
        end = next(place for place in ends if place - begin >= CAPACITY)
        middle = rng.choice(cut) if cut else end
        other, other_end = middle, end
        if not cut or rng.random() < 0.5:
            size = max(1, CAPACITY - (middle - begin))
            other = rng.randrange(last - size)
            other_end = other + size
            while not is_end(other):
                other -= 1
            while not is_end(other_end):
                other_end += 1
        one, two = places[begin:middle], places[other:other_end]
        while len(one) + len(two) > CAPACITY:
            (one if len(one) > len(two) else two).pop()
        yield np.array(places[start:begin]), np.array(one), np.array(two)
        start += STRIDE


def described(rows):
    """Of each row, what chance decides."""
    kinds = [int(abs(two[0] - one[-1]) == 1) for _, one, two in rows]
    return {
        "next": np.array(kinds),
        "first": np.array([len(one) for _, one, _ in rows]),
        "begin": np.array([two[0] for _, _, two in rows]),
        "random": np.array([two[0] for (_, _, two), kind in zip(rows, kinds, strict=True) if not kind]),
    }


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_statistics_are_those_of_the_rules(backward):
    """Of each row of a text that holds short sentences and two that are longer than a row holds."""
    sentences = [3, 5, 30, 9, 2, 8, 6, 4, 27, 7, 5, 3]
    text, rng = pairs(sentences), random.Random(0)
    count = len(text) // 2
    half = slice(count, None) if backward else slice(count)
    ours = [[*read_back(in_pass(text, number))][half] for number in range(600)]
    theirs = [[*plainly(sentences, rng, backward=backward)] for _ in range(600)]
    assert {len(rows) for rows in theirs} == {count}
    for row in range(count):
        one, other = ([rows[row] for rows in each] for each in (ours, theirs))
        for where, there in zip(one, other, strict=True):
            np.testing.assert_array_equal(where[0], there[0])
        (found, expected) = (described(each) for each in (one, other))
        for name in found:
            few = min(len(found[name]), len(expected[name]))
            assert alike(found[name][:few], expected[name][:few]) > 1e-4, (row, name)


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_full_and_segments_end_where_sentences_do(seed):
    sentences = sizes(60, seed)
    text = pairs(sentences, word_starts=True)
    batch, count = in_pass(text), len(text) // 2
    bounds = {0, *np.cumsum(sentences)}
    assert batch["backward"].tolist() == [0.0] * count + [1.0] * count
    assert (batch["positions"] == np.arange(SEQ_LEN)).all()
    for number, (running, one, two) in enumerate(read_back(batch)):
        step = -1 if number >= count else 1
        begin = number % count * STRIDE
        expected = np.arange(begin, begin + STRIDE)
        np.testing.assert_array_equal(running, sum(sentences) - 1 - expected if step < 0 else expected)
        assert one[0] == running[-1] + step and (np.diff(one) == step).all() and (np.diff(two) == step).all()
        assert two[0] + (step < 0) in bounds  # B begins with a sentence, whose end a backward reader meets first
        assert one[-1] + (step > 0) in bounds or len(one) >= len(two)  # A was cut, being the longer
    inner = batch["tokens"] >= FIRST
    np.testing.assert_array_equal(batch["word_starts"][inner], batch["tokens"][inner] % 3 == 0)
    assert (batch["word_starts"][~inner] == 1).all()


def test_half_of_the_second_segments_are_from_anywhere():
    sentences = sizes(400, most=6)
    text, follows, begins = pairs(sentences), [], []
    for number in range(4):
        for _, one, two in read_back(in_pass(text, number)):
            follows.append(abs(two[0] - one[-1]) <= 6)  # up to a sentence may be cut from A
            begins += [] if follows[-1] else [two[0]]
    assert shared(sum(follows), len(follows), 0.5)
    assert shared((np.array(begins) < sum(sentences) / 2).sum(), len(begins), 0.5)


def test_a_pass_is_a_function_of_the_seed_and_its_number():
    text = pairs(sizes())
    one, again = (in_pass(pairs(sizes()), 3, seed=5) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
    for number, seed in ((4, 5), (3, 6)):
        assert not np.array_equal(one["tokens"], in_pass(text, number, seed)["tokens"])
    numbers, passes = np.array([7, 3, len(text) - 1, 7]), np.array([1, 2, 1, 2])
    indices = text.of_passes(numbers, passes, 0)
    batch = text.read(np.append(indices, -1))
    for row, index in enumerate(indices):
        for name, values in text.read(np.array([index])).items():
            np.testing.assert_array_equal(batch[name][row], values[0], err_msg=name)
    assert not any(values[-1].any() for values in batch.values())


def take(text, steps, **options):
    batches = iter(train_batches(text, lambda batch, key: batch, seed=5, **options))
    return [next(batches) for _ in range(steps)]


def test_streams_go_on_in_both_directions():
    """Even rows read forwards and odd ones backwards; each text begins where the one of the step before ends."""
    text = pairs(sizes(200))
    batches = take(StreamedExamples(text, 2), 60, batch_size=6)
    length = len(text) // 2 // 3
    assert length < 60
    for step in range(1, 60):
        before, after = ([*read_back(each)] for each in batches[step - 1 : step + 1])
        assert batches[step]["backward"].tolist() == [0, 1] * 3
        follows = [after[row][0][0] == before[row][0][-1] + (1, -1)[row % 2] for row in range(6)]
        assert follows == [step % length != 0] * 6 == (batches[step]["continues"] > 0).tolist()
    tokens = [batch["tokens"] for batch in batches]
    assert (tokens[0] != tokens[length]).any()  # another pass
    parts = [take(StreamedExamples(text, 2), 9, batch_size=6, shard=Shard(blocks=(i,), count=2)) for i in range(2)]
    for step in range(9):
        joined = np.concatenate([part[step]["tokens"] for part in parts])
        np.testing.assert_array_equal(joined, tokens[step])


def test_an_evaluation_reads_each_row_once_and_the_same_pairs():
    text = StreamedExamples(pairs(sizes()), 2)
    one, other = ([*evaluation_batches(text, lambda batch, _: batch, batch_size=3, seed=s)] for s in (0, 1))
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left["tokens"], right["tokens"])
    rows = np.concatenate([batch["tokens"] for batch in one])
    assert (rows[:, 0] > 0).sum() == len(text)
    backward, follows = (np.array([batch[name] for batch in one]) for name in ("backward", "continues"))
    turns = np.diff(backward, axis=0) > 0  # a stream of forward rows that goes on with backward ones is another text
    assert turns.any() and not follows[1:][turns].any()


def options(**changes):
    tokenizer = TokenizerConfig(kind="byte_bpe", vocab_size=400, special="xlnet")
    sized = dict(seq_len=96, stride=32, word_starts=True, order="stream", segments="pair", sentences="line")
    return dict(tokenizer=tokenizer, **sized) | changes


def test_the_text_of_the_package(tmp_path):
    data = TextConfig(**options(directions="both")).open(cache_dir=tmp_path)
    assert data.info.stride == 32 and data.info.segments == "pair" and {"continues", "backward"} <= set(data.schema)
    before, after = take(data.splits["train"], 2, batch_size=4)
    assert set(before) == set(data.schema)
    separator = data.tokenizer.sep_id
    places = np.argmax(before["tokens"] == separator, axis=1)
    for row, place in enumerate(places):  # A is the beginning of the next row's text, and as long as a few lines
        length = min(place - 32, 32)
        np.testing.assert_array_equal(before["tokens"][row, 32 : 32 + length], after["tokens"][row, :length])
    plain = TextConfig(**options(segments="documents", sentences="")).open(cache_dir=tmp_path, data_dir=tmp_path)
    assert len(plain.splits["train"])  # what was prepared with sentences serves the other kinds of sequences


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(sentences=""), r"set data.sentences to 'line' or 'punctuation'"),
        (dict(segments="sequence"), r"data.stride is 32, .* set data.stride=0, or data.sentences=''"),
        (dict(segments="sequence", stride=0, directions="both"), r"is 'both', .* set data.directions='forward'"),
        (dict(stride=0), r"data.stride is 0; .* must be from 1 to 91, such as 48"),
        (dict(stride=92), r"data.stride is 92; .* must be from 1 to 91, such as 48"),
        (dict(seq_len=5, stride=1), r"data.seq_len is 5, .* set it to 6 or more"),
    ],
)
def test_fields_that_cannot_be(changes, message):
    with pytest.raises(ConfigError, match=message):
        TextConfig(**options(**changes))


def test_the_values_that_errors_name_work():
    assert TextConfig(**options(stride=48)) and TextConfig(**options(stride=91))
    text = SegmentPairs(stream([[4, 4, 4], [5]]), 6, FRAME, stride=1, vocab_size=99)
    assert (text.read(np.arange(len(text)))["tokens"][:, [2, 4, 5]] == [SEP, SEP, CLS]).all()


def test_refusals(tmp_path):
    bert = TokenizerConfig(kind="wordpiece", vocab_size=300)
    with pytest.raises(ConfigError, match=r"this tokenizer has them elsewhere, .*data.tokenizer.special=xlnet"):
        TextConfig(**options(tokenizer=bert)).open(cache_dir=tmp_path / "bert")
    with pytest.raises(ConfigError, match=r"batch_size is 5, .* set batch_size to 6, or data.directions='forward'"):
        take(StreamedExamples(pairs(sizes()), 2), 1, batch_size=5)
    with pytest.raises(InputError, match=r"The text has 36 tokens, fewer than a sequence of data.seq_len 40"):
        pairs([30, 6])  # a row takes 37
    without = stream([[5, 5]])
    without.bounds = None
    with pytest.raises(ConfigError, match=r"data with sentences; prepare"):
        SegmentPairs(without, SEQ_LEN, FRAME, stride=STRIDE, vocab_size=99)
    with pytest.raises(IntegrityError, match="the vocabulary ends at 13"):
        in_pass(pairs(sizes(), vocab_size=14))
    text = pairs(sizes())
    with pytest.raises(IndexError):
        text.read(np.array([len(text)]))
