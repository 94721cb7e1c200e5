# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""n-gram models: probabilities against the formulas, distributions, counting in shards, sampling, files."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.models.ngram_reference import Reference
from zoo.errors import ConfigError, FormatError, InputError
from zoo.models.ngram import ModifiedKneserNey, NgramModel, NgramVocabulary, Smoothing, StupidBackoff, WittenBell
from zoo.models.ngram import model as scoring
from zoo.models.ngram.counts import count, merge

VOCAB_SIZE, EOS, UNK = 61, 3, 5  # the token 5 never occurs
FALLBACK = (0.5, 1.0, 1.5)
SMOOTHINGS: dict[str, Smoothing] = {
    "kneser_ney": ModifiedKneserNey(),
    "witten_bell": WittenBell(),
    "stupid_backoff": StupidBackoff(factor=0.4),
}


def corpus(seed: int = 0, documents: int = 150, size: int = VOCAB_SIZE) -> list[list[int]]:
    """Documents of a first-order chain with skewed probabilities, a few of them empty but for their end."""
    draw = np.random.default_rng(seed)
    weights = draw.dirichlet(np.full(size, 0.1), size) / np.arange(1, size + 1) ** 1.5
    weights[:, [EOS, UNK]] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    found = []
    for length in draw.integers(0, 12, documents):
        tokens = [0]
        for _ in range(length):
            tokens.append(int(draw.choice(size, p=weights[tokens[-1]])))
        found.append([*tokens[1:], EOS])
    return found


def flat(documents: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([*itertools.chain(*documents)], np.int32), np.cumsum([len(d) for d in documents])


def fitted(documents, order: int, smoothing: Smoothing, **fields) -> NgramModel:
    vocabulary = NgramVocabulary(VOCAB_SIZE, eos_id=EOS, unk_id=UNK)
    return NgramModel.fit(*flat(documents), vocabulary, order=order, smoothing=smoothing, **fields)


def contexts(documents, order: int) -> list[tuple[int, ...]]:
    """All that occur, shorter ones too, and some that do not; in no order."""
    whole = [[VOCAB_SIZE, *document] for document in documents]
    found = {tuple(ids[i : i + n]) for ids in whole for n in range(order) for i in range(len(ids))}
    draw = np.random.default_rng(1)
    unseen = {
        tuple(draw.integers(0, VOCAB_SIZE + (n == 0), n + 1).tolist()) for n in range(order - 1) for _ in range(20)
    }
    return [tuple(context) for context in draw.permutation(np.array(sorted(found | unseen), object)).tolist()]


def reference(kind: str, documents, order: int) -> Callable[[int, tuple[int, ...]], float]:
    return getattr(Reference(documents, order, VOCAB_SIZE), kind)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_distributions_are_those_of_the_formulas(kind, order):
    documents = corpus()
    model, expected = fitted(documents, order, SMOOTHINGS[kind]), reference(kind, documents, order)
    for context in [(), (VOCAB_SIZE,), *contexts(documents, order)[:60]][: 60 if order > 1 else 1]:
        found = np.exp(model.next_log_probs(context))
        np.testing.assert_allclose(
            found, [expected(w, context) for w in range(VOCAB_SIZE)], rtol=0, atol=1e-12, err_msg=str(context)
        )


@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_the_tokens_of_a_text_have_these_probabilities(kind, order):
    model, expected = fitted(corpus(), order, SMOOTHINGS[kind]), reference(kind, corpus(), order)
    text = [*corpus(seed=7, documents=40), [UNK, 1, UNK, 2], [], [EOS, 0]]
    wanted = [
        expected(token, tuple([VOCAB_SIZE, *document[:i]][-order + 1 :] if order > 1 else ()))
        for document in text
        for i, token in enumerate(document)
    ]
    found = model.log_probs(*flat(text))
    np.testing.assert_allclose(np.exp(found), wanted, rtol=0, atol=1e-12)
    if kind != "stupid_backoff":
        assert model.perplexity(*flat(text)) == pytest.approx(math.exp(-np.mean(np.log(wanted))), rel=1e-12)
    score = model.score(*flat(text))
    assert (score.tokens, score.unknown) == (len(wanted), 2)
    known = [p for p, token in zip(wanted, flat(text)[0], strict=True) if token != UNK]
    with np.errstate(divide="ignore"):
        assert math.log(score.known_perplexity) == pytest.approx(-np.mean(np.log(known)), rel=1e-12)


@pytest.mark.parametrize("block", [1, 2, 7])
@pytest.mark.parametrize("kind", SMOOTHINGS)
def test_blocks_do_not_matter(monkeypatch, kind, block):
    scorer, text = fitted(corpus(), 4, SMOOTHINGS[kind]), flat([*corpus(7, 20), [], [EOS, 0]])
    whole = scorer.log_probs(*text)
    monkeypatch.setattr(scoring, "_BLOCK", block)
    assert scorer.log_probs(*text).tolist() == whole.tolist()


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("kind", ["kneser_ney", "witten_bell"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_every_distribution_sums_to_one(kind, order, seed):
    documents = corpus(seed)
    model = fitted(documents, order, SMOOTHINGS[kind])
    sums = [np.exp(model.next_log_probs(context)).sum() for context in contexts(documents, order)]
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", [1, 3, 6])
@pytest.mark.parametrize("shard_tokens", [1, 2, 7, 64])
def test_shards_and_threads_do_not_matter(order, shard_tokens):
    tokens, ends = flat([*corpus(0, 40), [], *corpus(1, 2), []])
    whole = count(tokens, ends, order=order, vocab_size=VOCAB_SIZE, threads=1)
    parts = count(tokens, ends, order=order, vocab_size=VOCAB_SIZE, shard_tokens=shard_tokens, threads=3)
    np.testing.assert_array_equal(whole.unigrams, parts.unigrams)
    for one, other in zip(whole.levels, parts.levels, strict=True):
        for name in ("keys", "counts", "suffixes"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_counts_are_those_of_windows():
    documents, order, size = corpus(), 4, VOCAB_SIZE + 1
    expected = Reference(documents, order, VOCAB_SIZE).counts
    counts = count(*flat(documents), order=order, vocab_size=VOCAB_SIZE, shard_tokens=50)
    grams = [(token,) for token in range(size)]
    assert [expected[gram] for gram in grams[:-1]] == counts.unigrams[:-1].tolist()
    for level in counts.levels:
        below, grams = grams, [(*grams[key // size], int(key % size)) for key in level.keys]
        assert dict(zip(grams, level.counts.tolist(), strict=True)) == {
            gram: n for gram, n in expected.items() if len(gram) == len(grams[0])
        }
        assert [below[i] for i in level.suffixes] == [gram[1:] for gram in grams]


def test_merging_is_associative():
    parts = [count(*flat(corpus(seed, 20)), order=3, vocab_size=VOCAB_SIZE) for seed in range(3)]
    left, right = merge([merge(parts[:2]), parts[2]]), merge([parts[0], merge(parts[1:])])
    for one, other in zip(left.levels, right.levels, strict=True):
        for found, expected in zip(one, other, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint16, np.int64])
def test_large_vocabularies_and_other_integers(dtype):
    tokens, ends = flat(corpus())
    few = NgramModel.fit(tokens, ends, NgramVocabulary(VOCAB_SIZE), order=3)
    scattered = NgramVocabulary(250_002 if dtype == np.int64 else 2**16)
    many = NgramModel.fit((tokens * 1000).astype(dtype), ends.astype(np.uint64), scattered, order=3)
    assert few.num_ngrams[1:] == many.num_ngrams[1:]
    some = tokens[:30] * 1000
    found = many.log_probs(some.astype(dtype), np.array([30]))
    sums = [np.exp(many.next_log_probs(some[i - 2 : i])).sum() for i in range(3, 30)]
    np.testing.assert_allclose(sums, 1, rtol=0, atol=1e-10)
    assert (found < few.log_probs(tokens[:30], np.array([30]))).all()  # the uniform distribution has more to share


def test_a_document_without_an_end_ends():
    model = NgramModel.fit(
        np.array([0, 1, 0, 1, 0]), np.array([2, 5]), NgramVocabulary(2), order=3, smoothing=WittenBell()
    )
    assert np.exp(model.next_log_probs([0, 1])).sum() == pytest.approx(1, abs=1e-12)
    two = NgramModel.fit(np.array([0, 1, 0, 1, 0]), np.array([5]), NgramVocabulary(2), order=3, smoothing=WittenBell())
    assert two.num_ngrams != model.num_ngrams


def test_the_fallback_takes_the_place_of_missing_discounts_only():
    documents = [[0, 1, 2, EOS]] * 3 + [[2, 1, 0, EOS], [1, EOS], [0, 4, EOS]]
    smoothing, order = ModifiedKneserNey(discount_fallback=FALLBACK), 3
    model = fitted(documents, order, smoothing)
    expected = Reference(documents, order, VOCAB_SIZE, FALLBACK)
    for context in contexts(documents, order):
        wanted = [expected.kneser_ney(w, context) for w in range(VOCAB_SIZE)]
        np.testing.assert_allclose(np.exp(model.next_log_probs(context)), wanted, rtol=0, atol=1e-12)
    assert fitted(corpus(), 3, smoothing).estimates[2].log_probs.tolist() == (
        fitted(corpus(), 3, ModifiedKneserNey()).estimates[2].log_probs.tolist()
    )


def test_a_corpus_too_small_for_discounts_is_refused():
    with pytest.raises(InputError, match=r"1-grams.*none that count 1.*discount_fallback"):
        fitted([[0, 1, EOS]] * 4, 1, ModifiedKneserNey())
    with pytest.raises(InputError, match=r"3-grams.*none that count 1"):
        fitted(corpus() * 2, 3, ModifiedKneserNey())  # of which the lower orders count what stands before


def test_samples_follow_the_distribution():
    model = fitted(corpus(), 3, ModifiedKneserNey())
    start = [model.vocabulary.bos_id]
    drawn = [int(tokens[0]) for tokens in model.sample(1500, max_new_tokens=1, seed=3)]
    found = np.bincount(drawn, minlength=VOCAB_SIZE) / 1500
    np.testing.assert_allclose(found, np.exp(model.next_log_probs(start)), rtol=0, atol=0.05)
    after = [int(tokens[0]) for tokens in model.sample(1500, max_new_tokens=1, prompt=[1, 2], seed=3)]
    found = np.bincount(after, minlength=VOCAB_SIZE) / 1500
    np.testing.assert_allclose(found, np.exp(model.next_log_probs([1, 2])), rtol=0, atol=0.05)


def test_samples_depend_on_seed_and_number_alone():
    model = fitted(corpus(), 3, ModifiedKneserNey())
    many = model.sample(6, max_new_tokens=20, seed=5)
    assert [s.tolist() for s in model.sample(2, max_new_tokens=20, seed=5)] == [s.tolist() for s in many[:2]]
    assert [s.tolist() for s in model.sample(6, max_new_tokens=20, seed=6)] != [s.tolist() for s in many]
    assert all(EOS not in s[:-1] and (len(s) == 20 or s[-1] == EOS) for s in many)


def test_samples_are_the_likeliest_or_leave_tokens_out():
    model = fitted(corpus(), 3, WittenBell())
    (greedy,) = model.sample(max_new_tokens=5, temperature=0.0)
    context = [model.vocabulary.bos_id]
    for token in greedy:
        assert token == np.argmax(model.next_log_probs(context))
        context.append(int(token))
    banned = [EOS, UNK, 0]
    long = np.concatenate(model.sample(20, max_new_tokens=30, suppress_tokens=banned))
    assert len(long) == 600 and not np.isin(long, banned).any()


def test_a_saved_model_is_the_same(tmp_path):
    words = tuple(f"w{i}" for i in range(VOCAB_SIZE))
    for smoothing in SMOOTHINGS.values():
        vocabulary = NgramVocabulary(VOCAB_SIZE, eos_id=EOS, unk_id=UNK, words=words)
        model = NgramModel.fit(*flat(corpus()), vocabulary, order=4, smoothing=smoothing)
        model.save(tmp_path / "model")
        loaded = NgramModel.load(tmp_path / "model")
        text = flat(corpus(9, 30))
        assert loaded.log_probs(*text).tolist() == model.log_probs(*text).tolist()
        assert loaded.vocabulary == vocabulary and loaded.num_ngrams == model.num_ngrams
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["config.json", "model.safetensors"]


def damaged(folder, name: str, change: Callable[[bytes], bytes]) -> None:
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("model.safetensors", lambda data: data[:-8], r"model.safetensors is not a safetensors file"),
        ("model.safetensors", lambda data: data.replace(b"2.keys", b"2.kays"), r"2.keys must be int64.*found nothing"),
        ("model.safetensors", lambda data: data.replace(b"2.log_probs", b"3.log_probs", 1), r"safetensors"),
        ("config.json", lambda data: data.replace(b'"ngram"', b'"bert"'), r"expected model_type 'ngram'; found 'bert'"),
        ("config.json", lambda data: data.replace(b'"order": 3', b'"order": 0'), r"order must be.*found 0"),
        (
            "config.json",
            lambda data: data.replace(b'"vocab_size": 61', b'"vocab_size": 60'),
            r"1-grams have \[61, 62, 62\]",
        ),
        ("config.json", lambda data: data.replace(b": 0.0", b': "no"'), r"unseen_log_backoff.*found 'no'"),
        ("config.json", lambda data: data.replace(b": 0.0", b": 0.5"), r"unseen_log_backoff.*found 0.5"),
        ("config.json", lambda data: data.replace(b'"eos_token_id": 3', b'"eos_token_id": 99'), r"eos_id.*found 99"),
        ("config.json", lambda data: data[:40], r"not valid JSON"),
    ],
)
def test_damaged_folders_are_refused(tmp_path, name, change, message):
    fitted(corpus(), 3, WittenBell()).save(tmp_path)
    damaged(tmp_path, name, change)
    with pytest.raises(FormatError, match=message):
        NgramModel.load(tmp_path)


def test_damaged_tables_are_refused(tmp_path):
    model = fitted(corpus(), 3, WittenBell())
    first, second, third = model.estimates
    for estimates, message in [
        ((first, second._replace(keys=second.keys[::-1].copy()), third), "2-grams that are not in order"),
        ((first, second, third._replace(keys=third.keys + 10**9)), "3-grams that are not in order"),
        ((first, second, third._replace(log_probs=-third.log_probs)), "3-gram with a probability above 1"),
        ((first, second._replace(log_backoffs=second.log_backoffs * np.nan), third), "2-gram with a backoff"),
    ]:
        NgramModel(model.vocabulary, estimates).save(tmp_path)
        with pytest.raises(FormatError, match=message):
            NgramModel.load(tmp_path)


def test_another_models_folder_is_kept(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="holds a model of type 'bert'"):
        fitted(corpus(), 2, WittenBell()).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_that_cannot_be_written_is_left_clean(tmp_path):
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        fitted(corpus(), 2, WittenBell()).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"order": 0}, ConfigError, "order must be from 1 to 16; found 0"),
        ({"order": -2}, ConfigError, "found -2"),
        ({"order": 17}, ConfigError, "found 17"),
        ({"tokens": [], "ends": []}, InputError, "the corpus is empty"),
        ({"tokens": [], "ends": [0, 0]}, InputError, "the corpus is empty"),
        ({"tokens": [0, VOCAB_SIZE, 1]}, InputError, "ids from 0 to 60; found 61 at 1"),
        ({"tokens": [0, 1, -1]}, InputError, "found -1 at 2"),
        ({"ends": [2]}, InputError, r"up to the number of tokens, 3; found \[2\]"),
        ({"ends": [2, 1, 3]}, InputError, "ends must increase"),
        ({"ends": []}, InputError, "ends must increase"),
        ({"shard_tokens": 0}, ConfigError, "shard_tokens and threads must be at least 1; found 0"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    fields = {"tokens": [0, 1, 2], "ends": [3], "order": 2, **change}
    tokens, ends = (np.array(fields.pop(name), np.int64) for name in ("tokens", "ends"))
    with pytest.raises(error, match=message):
        NgramModel.fit(tokens, ends, NgramVocabulary(VOCAB_SIZE), smoothing=WittenBell(), **fields)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ModifiedKneserNey(discount_fallback=(0.5, 1.0)), "3 discounts.*found"),
        (lambda: ModifiedKneserNey(discount_fallback=(1.5, 1.0, 1.5)), "from 0 to 1, 2 and 3"),
        (lambda: StupidBackoff(factor=0.0), "factor must be above 0.*found 0.0"),
        (lambda: NgramVocabulary(0), "size must be from 1"),
        (lambda: NgramVocabulary(3, eos_id=3), "eos_id must be an id from 0 to 2"),
        (lambda: NgramVocabulary(2, words=("a",)), "as many as size says, 2; found 1"),
        (lambda: NgramVocabulary(2, words=("a", "a")), "words must differ; found 'a' 2 times"),
        (lambda: NgramVocabulary(2, words=("a", "b c")), "no space; found 'b c'"),
        (lambda: NgramVocabulary(2, words=("a", "")), "no space; found ''"),
        (lambda: NgramVocabulary(2, words=("a", "<s>")), "must not hold <s> at 1"),
        (lambda: NgramVocabulary(2, eos_id=0, words=("a", "</s>")), "must not hold </s> at 1"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_bad_requests_are_refused():
    model = fitted(corpus(), 2, StupidBackoff())
    with pytest.raises(InputError, match="ids from 0 to 61"):
        model.next_log_probs([62])
    with pytest.raises(InputError, match="without tokens"):
        model.perplexity(np.zeros(0, np.int64), np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="temperature a number from 0 on"):
        model.sample(max_new_tokens=1, temperature=-1.0)
    with pytest.raises(ConfigError, match=r"suppress_tokens must be ids from 0 to 60; found \[61\]"):
        model.sample(max_new_tokens=1, suppress_tokens=[61])
    with pytest.raises(ConfigError, match="leaves no token"):
        model.sample(max_new_tokens=1, suppress_tokens=range(VOCAB_SIZE))
    with pytest.raises(ConfigError, match="has probability 0"):
        model.sample(max_new_tokens=1, suppress_tokens=[i for i in range(VOCAB_SIZE) if i != UNK])
    with pytest.raises(InputError, match="the corpus is empty"):
        NgramModel.fit_lines([])
    with pytest.raises(InputError, match="ends must increase"):
        model.log_probs(np.array([0, 1, 2]), np.array([2, 1, 3], np.uint64))
    assert model.perplexity(np.array([UNK]), np.array([1])) == math.inf
