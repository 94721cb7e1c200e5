# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Pairs of texts: the rules of the authors' code, their probabilities, and the same pairs for whoever reads them."""

import random
import types

import numpy as np
import pytest
from scipy import stats

from zoo.data.packed import Frame
from zoo.data.packing import PackedExamples
from zoo.data.pairs import PairedText, cuts
from zoo.data.pipeline import Shard, evaluation_batches, train_batches
from zoo.data.sentence_pairs import SentencePairsConfig
from zoo.errors import ConfigError, InputError, IntegrityError

CLS, SEP, FIRST = 1, 2, 10  # tokens count up from FIRST, so that each tells where it is from
FRAME = Frame((CLS,), (SEP,), pad_id=3)
CAPACITY = 29  # of a pair in a sequence of 32


def lengths(documents=400, seed=0, most=14):
    """Documents of one to 40 sentences, of 1 to 14 tokens each."""
    rng = np.random.default_rng(seed)
    return [rng.integers(1, most + 1, rng.integers(1, 41)).tolist() for _ in range(documents)]


def stream(documents):
    """A stream of documents, each a list of the lengths of its sentences."""
    sizes = np.array([size for document in documents for size in document])
    tokens = np.arange(FIRST, FIRST + sizes.sum(), dtype=np.int32)
    return types.SimpleNamespace(
        tokens=tokens,
        ends=np.cumsum([sum(document) for document in documents]),
        word_bits=np.packbits(tokens % 3 == 0, bitorder="little"),
        bounds=np.concatenate([[0], np.cumsum(sizes)]),
        check_unchanged=lambda: None,
    )


def paired(documents, *, seq_len=32, kind="next", short=0.1, one="random", vocab_size=10**6, **options):
    rules = dict(kind=kind, short_fraction=short, one_sentence=one)
    return PairedText(stream(documents), seq_len, FRAME, vocab_size=vocab_size, **rules, **options)


def in_pass(text, number=1, seed=0):
    """All pairs of a pass of a run."""
    numbers = np.arange(len(text))
    return text.read(text.of_passes(numbers, np.full(len(text), number), seed))


def read_back(batch):
    """(A, B, label) of each row, the texts by the places of their tokens in the stream."""
    for tokens, segments, types_, label in zip(
        *(batch[name] for name in ("tokens", "segments", "token_types", "label")), strict=True
    ):
        end = segments.sum()
        first = int(np.flatnonzero(tokens == SEP)[0])
        assert tokens[0] == CLS and tokens[end - 1] == SEP and (tokens[end:] == 3).all()
        assert types_.tolist() == [0] * (first + 1) + [1] * (end - first - 1) + [0] * (len(tokens) - end)
        yield tokens[1:first] - FIRST, tokens[first + 1 : end - 1] - FIRST, int(label)


# The rules again, one document after another: slow, and easy to check by reading.


def plainly(documents, rng, *, kind="next", short=0.1, one="random", capacity=CAPACITY):
    """(A, B, label) of one pass, written from the papers and the rules of the authors' code."""
    places, texts = 0, []
    for document in documents:
        texts.append([])
        for size in document:
            texts[-1].append(list(range(places, places + size)))
            places += size
    for number, sentences in enumerate(texts):
        target = rng.randint(2, capacity) if rng.random() < short else capacity
        begin = 0
        while begin < len(sentences):
            end = begin
            while end < len(sentences) and sum(map(len, sentences[begin:end])) < target:
                end += 1
            chunk = sentences[begin:end]
            split = rng.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
            first = [token for sentence in chunk[:split] for token in sentence]
            second = [token for sentence in chunk[split:] for token in sentence]
            changed, begin = rng.random() < 0.5, end
            if len(chunk) == 1 and one == "skipped":
                continue
            if len(chunk) == 1 or (kind == "next" and changed):
                changed, begin = True, end - (len(chunk) - split)
                other = texts[rng.choice([each for each in range(len(texts)) if each != number])]
                second = []
                for sentence in other[rng.randrange(len(other)) :]:
                    second += sentence
                    if len(second) >= target - len(first):
                        break
            elif changed:
                first, second = second, first
            while len(first) + len(second) > capacity:
                longer = first if len(first) > len(second) else second
                longer.pop(0 if rng.random() < 0.5 else -1)
            yield np.array(first), np.array(second), int(changed)


class Places:
    """What is known of a token by its place."""

    def __init__(self, documents):
        each = [(number, len(document)) for number, document in enumerate(documents) for _ in document]
        sizes = [size for document in documents for size in document]
        self.document = np.repeat([number for number, _ in each], sizes)
        self.sentence = np.repeat(np.arange(len(sizes)), sizes)
        self.begin = np.cumsum(sizes) - sizes
        self.end = np.cumsum(sizes)
        self.of_document = np.repeat([count for _, count in each], sizes)


def described(pairs, places):
    """What is compared of pairs: a number of each, by a name."""
    found = {name: [] for name in ("label", "total", "first", "second", "sentences", "front", "back", "b_front", "gap")}
    for first, second, label in pairs:
        found["label"].append(label)
        found["total"].append(len(first) + len(second))
        found["first"].append(len(first))
        found["second"].append(len(second))
        found["sentences"].append(len(np.unique(places.sentence[first])))
        found["front"].append(first[0] - places.begin[places.sentence[first[0]]])
        found["back"].append(places.end[places.sentence[first[-1]]] - 1 - first[-1])
        found["b_front"].append(second[0] - places.begin[places.sentence[second[0]]])
        same = places.document[first[0]] == places.document[second[0]]
        found["gap"].append(int(np.sign(second[0] - first[0])) if same else 2)
    return {name: np.array(values) for name, values in found.items()}


RULES = [
    dict(kind=kind, one=one, short=short)
    for kind in ("next", "order")
    for one in ("random", "skipped")
    for short in (0.1, 0.6)
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: "-".join(map(str, rules.values())))
def test_statistics_are_those_of_the_rules(rules):
    """Of the first, the last and the middle pair of each document: those of a document are not independent."""
    documents = lengths(3000)
    places, text = Places(documents), paired(documents, **rules)
    ours = by_document(read_back(text.read(np.arange(len(text)))), places)
    theirs = by_document(plainly(documents, random.Random(0), **rules), places)
    assert alike(*([len(pairs) for pairs in each.values()] for each in (ours, theirs))) > 1e-4
    for place in (0, -1, 0.5):
        one, other = (described([chosen(pairs, place) for pairs in each.values()], places) for each in (ours, theirs))
        for name in one:
            assert alike(one[name], other[name]) > 1e-4, (name, place)


def by_document(pairs, places):
    found = {}
    for pair in pairs:  # the first text of a pair, or the second of a swapped one, is of its own document
        found.setdefault(places.document[pair[0][0]], []).append(pair)
    return found


def chosen(pairs, place):
    return pairs[len(pairs) // 2] if place == 0.5 else pairs[place]


def alike(one, other):
    """The p-value of two samples being of one distribution; values that are rare count as one."""
    values, numbers = np.unique(np.concatenate([one, other]), return_inverse=True)
    table = np.stack([np.bincount(part, minlength=len(values)) for part in np.split(numbers, [len(one)])])
    common = table.sum(axis=0) >= 20
    table = np.concatenate([table[:, common], table[:, ~common].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    return stats.chi2_contingency(table).pvalue if table.shape[1] > 1 else 1.0


def shared(count, trials, share):
    return stats.binomtest(int(count), int(trials), share).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["next", "order"])
def test_half_of_the_pairs_are_changed(kind):
    text = paired(lengths(), kind=kind, one="skipped")
    labels = np.concatenate([in_pass(text, number)["label"] for number in range(3)])
    assert shared(labels.sum(), len(labels), 0.5)


def test_a_tenth_of_the_documents_have_shorter_pairs_of_any_length():
    documents = [[1] * 40] * 20_000  # sentences of a token, so that a pair has as many as it should
    text = paired(documents)
    batch, places = in_pass(text), Places([[1] * 40] * 20_000)
    begins = batch["label"] == 0
    lengths_of = batch["segments"][begins].sum(axis=1) - 3
    document = places.document[batch["tokens"][begins, 1] - FIRST]
    first = batch["tokens"][begins, 1] - FIRST - 40 * document == 0
    target = lengths_of[first]
    assert set(target) <= set(range(2, CAPACITY + 1)) and len(target) > 9000
    short = target < CAPACITY
    assert shared(short.sum(), len(target), 0.1 * (CAPACITY - 2) / (CAPACITY - 1))
    assert stats.chisquare(np.bincount(target[short])[2:]).pvalue > 1e-3


def test_what_is_too_long_is_cut_at_both_ends():
    """Two sentences of 40 tokens where 29 fit: 25 tokens of the first go, and 26 of the second, which is equal."""
    batch = in_pass(paired([[40]] * 5000, short=0.0))
    tokens = batch["tokens"] - FIRST
    sizes = (batch["token_types"] == 0).sum(axis=1) - (32 - batch["segments"].sum(axis=1)) - 2
    assert (sizes == 15).all() and (batch["segments"] == 1).all()
    for column, cut in ((1, 25), (17, 26)):
        front = tokens[:, column] % 40
        assert front.max() <= cut
        assert shared(front.sum(), 5000 * cut, 0.5)  # each token goes from one end or the other
        expected = 5000 * stats.binom.pmf(np.arange(cut + 1), cut, 0.5)
        middle = expected > 20
        found = np.bincount(front, minlength=cut + 1)
        pooled = [np.append(each[middle], each[~middle].sum()) for each in (found, expected)]
        assert stats.chisquare(*pooled).pvalue > 1e-3


def test_random_texts_begin_at_any_sentence_of_any_other_document():
    documents = [[3] * 4, [3], [3] * 2, [3] * 8, [3] * 4] * 4
    places, text = Places(documents), paired(documents, seq_len=40)
    found = np.zeros((20, 20), int)
    starts = []
    for number in range(400):
        for first, second, label in read_back(in_pass(text, number)):
            one, other = places.document[first[0]], places.document[second[0]]
            assert (one != other) == bool(label)
            if label:
                found[one, other] += 1
                starts.append((other, places.sentence[second[0]]))
    assert (np.diag(found) == 0).all() and found.sum() > 8000
    others = ~np.eye(20, dtype=bool)
    expected = (found.sum(axis=1, keepdims=True) / 19 * others)[others]
    assert stats.chisquare(found[others], expected).pvalue > 1e-3
    for document in (0, 3):  # of four and of eight sentences
        chosen = [sentence for other, sentence in starts if other == document]
        assert stats.chisquare(np.bincount(chosen - min(chosen), minlength=len(documents[document]))).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["next", "order"])
@pytest.mark.parametrize("seed", range(5))
def test_every_sentence_is_in_one_pair_of_a_pass(kind, seed):
    """In its own document's, that is; what a random text replaces opens the next pair, and nothing is lost."""
    documents = [[3] * len(document) for document in lengths(60, seed)]
    places, text = Places(documents), paired(documents, kind=kind, short=0.5)
    seen = []
    for first, second, _ in read_back(text.read(np.arange(len(text)))):
        seen += [*np.unique(places.sentence[first])]
        if places.document[first[0]] == places.document[second[0]]:
            seen += [*np.unique(places.sentence[second])]
    assert sorted(seen) == list(range(len(places.begin)))


@pytest.mark.parametrize("capacity", [2, 3, 29])
def test_cuts_are_one_token_after_the_other(capacity):
    for first in range(1, 45):
        for second in range(1, 45):
            sizes = [first, second]
            while sum(sizes) > capacity:
                sizes[0 if sizes[0] > sizes[1] else 1] -= 1
            cut = cuts(np.array([[first, second]]), capacity)[0]
            assert (first - cut[0], second - cut[1]) == tuple(sizes) and min(sizes) > 0


def test_a_pass_is_a_function_of_the_seed_and_its_number():
    documents = lengths(50)
    one, again = (in_pass(paired(documents), 3, seed=5) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], again[name])
    for number, seed in ((4, 5), (3, 6)):
        assert not np.array_equal(one["tokens"], in_pass(paired(documents), number, seed)["tokens"])


def test_rows_do_not_depend_on_the_others_of_a_batch():
    text = paired(lengths(50))
    numbers, passes = np.array([7, 3, 90, 7]), np.array([1, 2, 1, 2])
    indices = text.of_passes(numbers, passes, 0)
    batch = text.read(np.append(indices, -1))
    for row, index in enumerate(indices):
        alone = text.read(np.array([index]))
        for name, values in batch.items():
            np.testing.assert_array_equal(values[row], alone[name][0], err_msg=name)
    assert not any(values[-1].any() for values in batch.values())
    sizes = text.num_tokens(np.append(indices, -1))
    np.testing.assert_array_equal(sizes, batch["segments"].sum(axis=1))


def _take(text, steps, **options):
    batches = iter(train_batches(text, lambda batch, key: {**batch, "noise": key.uniform(2)}, seed=5, **options))
    return [next(batches) for _ in range(steps)]


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_same_global_batches(processes):
    text = paired(lengths(20))
    whole = _take(text, 8, batch_size=48)  # more than a pass
    assert len(text) < 8 * 48
    shards = [_take(text, 8, batch_size=48, shard=Shard(blocks=(i,), count=processes)) for i in range(processes)]
    for batch, parts in zip(whole, zip(*shards, strict=True), strict=True):
        for name, values in batch.items():
            np.testing.assert_array_equal(values, np.concatenate([part[name] for part in parts]))


def test_passes_differ_and_duplicates_repeat_them():
    text = paired(lengths(20))
    size = len(text)

    def seen(**options):
        batches = _take(text, 4 * size // 4, batch_size=4, **options)
        tokens, noise = (np.concatenate([batch[name] for batch in batches]) for name in ("tokens", "noise"))
        rows = np.concatenate([tokens, noise.view(np.int32)], axis=1)
        return [[{tuple(row) for row in part} for part in np.split(values, 4)] for values in (tokens, rows)]

    (tokens, new), (again, repeated) = seen(), seen(arrangements=2)
    assert [len(one & other) for one in new for other in new if one is not other] == [0] * 12
    assert all(len(one & other) < 0.2 * size for one in tokens for other in tokens if one is not other)
    assert repeated[0] == repeated[2] and repeated[1] == repeated[3] and not repeated[0] & repeated[1]
    assert len(again[0] & again[1]) < 0.2 * size


def test_a_pass_with_more_or_fewer_pairs_is_visited_evenly():
    text = paired(lengths(30))
    sizes = set()
    for number in range(10):
        index = text.of_passes(np.arange(len(text)), np.full(len(text), number), 0)
        firsts = text._firsts(int(index[0]) >> 32)
        visits = np.bincount(np.searchsorted(firsts, text._first(index)), minlength=len(firsts))
        assert visits.sum() == len(text) and visits.max() - visits.min() <= 1
        others = np.flatnonzero(visits != 1)  # left out, or visited twice: all over the documents
        assert len(others) < 4 or 0.3 < others.mean() / len(firsts) < 0.7
        sizes.add(len(firsts))
    assert min(sizes) < len(text) < max(sizes)


def test_evaluations_read_the_same_pairs_always():
    text = paired(lengths(30))
    one, other = (
        list(evaluation_batches(text, lambda batch, _: batch, batch_size=7, seed=seed, num_batches=3))
        for seed in (0, 1)
    )
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left["tokens"], right["tokens"])


def test_words_begin_where_the_stream_says():
    text = paired(lengths(50), word_starts=True)
    batch = in_pass(text)
    inner = batch["tokens"] >= FIRST
    np.testing.assert_array_equal(batch["word_starts"][inner], batch["tokens"][inner] % 3 == 0)
    special = ~inner & (batch["segments"] > 0)
    assert (batch["word_starts"][special] == 1).all() and not batch["word_starts"][batch["segments"] == 0].any()


def test_packed_they_are_the_same_pairs():
    text = paired(lengths(50), short=0.9)
    schema = SentencePairsConfig(seq_len=32).schema
    packed = PackedExamples(text, schema, 64, 4)
    indices = text.of_passes(np.arange(24), np.ones(24, int), 0)
    layout = packed.layout(indices)
    alone, together = text.read(indices), packed.read(layout)
    assert len(layout) <= 16
    order = {index: row for row, index in enumerate(indices)}
    for row, places in enumerate(layout):
        for place, index in enumerate(places):
            if index >= 0:
                there = alone["segments"][order[index]] > 0
                for name in ("tokens", "token_types", "positions"):
                    own = together[name][row][together["segments"][row] == place + 1]
                    np.testing.assert_array_equal(own, alone[name][order[index]][there])
                assert together["label"][row, place] == alone["label"][order[index]]


@pytest.mark.parametrize("processes", [1, 2])
def test_packed_batches_hold_the_pairs_of_the_same_step(processes):
    """As many pairs as the batch has, in fewer rows, of the same passes, whoever reads them."""
    text = paired(lengths(40, most=4), seq_len=64)
    packed = PackedExamples(text, SentencePairsConfig(seq_len=64).schema, 64, 4)
    alone = _take(text, 12, batch_size=32)
    blocks = [Shard(blocks=(index,), count=processes) for index in range(processes)]
    parts = [_take(packed, 12, batch_size=32, shard=shard) for shard in blocks]
    assert len(text) < 12 * 32  # more than a pass
    for step, batch in enumerate(alone):
        expected = sorted(tuple(row[row != 3]) for row in batch["tokens"])
        rows = [row for part in parts for row in zip(part[step]["tokens"], part[step]["segments"], strict=True)]
        found = [tuple(ids[own == place]) for ids, own in rows for place in range(1, own.max() + 1)]
        assert sorted(found) == expected and len(rows) <= 32
        assert sum(part[step]["example_weights"].sum() for part in parts) == 32
        assert sum(part[step]["label"].sum() for part in parts) == batch["label"].sum()


def test_refusals():
    with pytest.raises(InputError, match=r"No document has two sentences .*data\.one_sentence='random'"):
        paired([[40]] * 5, one="skipped")
    without = stream([[5, 5]])
    without.bounds = None
    rules = dict(kind="next", short_fraction=0.1, one_sentence="random", vocab_size=99)
    with pytest.raises(ConfigError, match=r"data with sentences; prepare"):
        PairedText(without, 32, FRAME, **rules)
    other = stream([[5, 5], [4]])
    other.ends = np.array([9, 14])
    with pytest.raises(IntegrityError, match="sentences are not those of the documents"):
        PairedText(other, 32, FRAME, **rules)
    with pytest.raises(IntegrityError, match="the vocabulary ends at 13"):
        in_pass(paired([[5, 5], [4]], vocab_size=14))
    text = paired(lengths(5))
    with pytest.raises(IndexError):
        text.read(np.array([len(text)]))
