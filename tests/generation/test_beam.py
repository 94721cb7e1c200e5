# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Beam search against a plain one without cache or batch, and against a search of all texts; penalties; bad input."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.errors import ConfigError, FormatError
from zoo.generation import beam, constraints, sample
from zoo.hub import generation_config
from zoo.hub.generation_config import GenerationConfig
from zoo.nn.cache import Cache

PROMPTS = [[5, 1, 7], [2], [9, 9, 3, 4, 8], [30, 1, 1, 6]]
VOCAB, LONGEST, ENDS = 37, 24, (3, 15)


@pytest.fixture(scope="module")
def model():
    sizes = dict(vocab_size=VOCAB, width=12, num_layers=2, num_heads=2, mlp_width=24, max_length=LONGEST)
    return zoo.create(zoo.config("gpt2", **sizes, init_std=0.4, eos_id=None), head="causal_lm", seed=3)


@pytest.fixture(scope="module")
def log_probs(model):
    """The log probabilities of the token that follows, without a cache, in float64."""
    run = jax.jit(lambda tokens: jax.nn.log_softmax(model(tokens).logits[0]))

    def follow(tokens: list[int]) -> np.ndarray:
        padded = np.zeros((1, LONGEST), np.int32)
        padded[0, : len(tokens)] = tokens
        return np.asarray(run(padded))[len(tokens) - 1].astype(np.float64)

    return follow


def penalized(scores, tokens, new, options):
    """The rules for one text, token by token."""
    scores = scores.copy()
    for token in set(tokens):
        factor = options.get("repetition_penalty", 1.0)
        scores[token] = scores[token] * factor if scores[token] < 0 else scores[token] / factor
    if size := options.get("no_repeat_ngram_size", 0):
        for start in range(len(tokens) - size + 1):
            gram = tokens[start : start + size]
            if len(tokens) >= size - 1 and gram[:-1] == tokens[len(tokens) - size + 1 :]:
                scores[gram[-1]] = -np.inf
    if new < options.get("min_new_tokens", 0):
        scores[list(ENDS)] = -np.inf
    return scores


def plain_search(follow, prompt, count, options):
    """A beam search of one prompt over lists: the hypotheses, the best first, as (score, new tokens)."""
    beams, power = options["num_beams"], options.get("length_penalty", 1.0)
    early = options.get("early_stopping", False)
    running, found = [(0.0, [])], []
    for step in range(1, count + 1):
        candidates = []
        for total, new in running:
            scores = penalized(follow(prompt + new), prompt + new, len(new), options)
            candidates += [(total + score, [*new, token]) for token, score in enumerate(scores) if score > -np.inf]
        candidates.sort(key=lambda each: -each[0])
        stopped = [(total, new) for total, new in candidates[:beams] if new[-1] in ENDS or step == count]
        found += [(total / step**power, new) for total, new in stopped]
        found = sorted(found, key=lambda each: -each[0])[:beams]
        running = [each for each in candidates if each[1][-1] not in ENDS][:beams]
        hope = running[0][0] / (count if early == "never" and power > 0 else step) ** power
        if len(found) == beams and (early is True or hope <= found[-1][0]):
            break
    return found


@pytest.mark.parametrize(
    "options",
    [
        dict(num_beams=4, num_return_sequences=4),
        dict(num_beams=3, early_stopping=True, length_penalty=0.6, num_return_sequences=2),
        dict(num_beams=5, early_stopping="never", length_penalty=1.7, no_repeat_ngram_size=2, min_new_tokens=3),
        dict(num_beams=3, length_penalty=-0.5, repetition_penalty=1.4, no_repeat_ngram_size=3),
    ],
)
def test_a_search_is_the_plain_one(model, log_probs, options):
    """All prompts in a batch, each as if alone and without padding."""
    out = zoo.generate(model, PROMPTS, max_new_tokens=7, eos_id=ENDS, **options)
    texts = options.get("num_return_sequences", 1)
    expected = [plain_search(log_probs, prompt, 7, options)[:texts] for prompt in PROMPTS]
    flat = list(itertools.chain(*expected))
    assert out.tokens == [new for _, new in flat]
    np.testing.assert_allclose(out.scores, [score for score, _ in flat], rtol=1e-5)
    assert out.finish == ["eos" if new[-1] in ENDS else "length" for _, new in flat]


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.5])
def test_as_many_beams_as_there_are_texts_find_the_best(model, log_probs, length_penalty):
    """With all tokens but four suppressed, 36 beams follow every text of three tokens."""
    allowed = [3, 15, 22, 30]
    named = declared(model, suppress_tokens=tuple(sorted({*range(VOCAB)} - {*allowed})))
    options = dict(num_beams=36, early_stopping="never", length_penalty=length_penalty, num_return_sequences=36)
    out = zoo.generate(named, PROMPTS, max_new_tokens=3, eos_id=ENDS, **options)
    for index, prompt in enumerate(PROMPTS):
        best = {}
        for new in itertools.product(allowed, repeat=3):
            end = next((place + 1 for place, token in enumerate(new) if token in ENDS), 3)
            scores = [log_probs([*prompt, *new[:place]])[new[place]] for place in range(end)]
            best[new[:end]] = sum(scores) / end**length_penalty
        ranked = sorted(best, key=lambda new: -best[new])
        assert len(ranked) == 2 + 2 * 2 + 2 * 2 * 4
        mine = slice(36 * index, 36 * index + 36)
        assert [tuple(new) for new in out.tokens[mine]] == ranked + [()] * (36 - len(ranked))
        np.testing.assert_allclose(out.scores[mine][: len(ranked)], [best[new] for new in ranked], rtol=1e-5)
        assert out.scores[mine][len(ranked) :] == [-np.inf] * (36 - len(ranked))


def declared(model, **fields):
    copy = nnx.merge(*nnx.split(model))
    copy.generation_config = GenerationConfig(**fields)
    return copy


def test_one_prompt_is_searched_as_among_others(model):
    options = dict(max_new_tokens=6, num_beams=3, num_return_sequences=2, eos_id=ENDS)
    together = zoo.generate(model, PROMPTS, **options)
    for index, prompt in enumerate(PROMPTS):
        assert zoo.generate(model, [prompt], **options).tokens == together.tokens[2 * index : 2 * index + 2]


def test_a_search_ends_where_the_positions_do(model, log_probs):
    long = list(range(4, LONGEST + 2))
    out = zoo.generate(model, [long, [1]], max_new_tokens=6, num_beams=3, eos_id=ENDS)
    # The positions hold two tokens more, and the one after them is still known.
    expected = [plain_search(log_probs, long, 3, dict(num_beams=3)), plain_search(log_probs, [1], 6, dict(num_beams=3))]
    assert out.tokens == [found[0][1] for found in expected]


def test_a_repeated_search_traces_nothing(model):
    options = dict(max_new_tokens=6, num_beams=3, num_return_sequences=2)
    zoo.generate(model, PROMPTS, length_penalty=0.5, repetition_penalty=1.3, min_new_tokens=2, **options)
    before = beam.search._cache_size()
    zoo.generate(
        model, [[1], [2, 4], [3], [4]], length_penalty=2.0, repetition_penalty=1.1, min_new_tokens=1, **options
    )
    assert beam.search._cache_size() == before


def test_rules_are_those_of_one_text(model):
    """Of random tokens with many repetitions, in rows of different lengths."""
    rng = np.random.default_rng(0)
    options = dict(repetition_penalty=1.7, no_repeat_ngram_size=2, min_new_tokens=4)
    for size, new in itertools.product((1, 2, 3, 4), (0, 3, 6)):
        options["no_repeat_ngram_size"] = size
        lengths = rng.integers(1, 9, 12)
        tokens = rng.integers(0, 4, (12, 8 + new))
        before, after = tokens[:, :8], np.pad(tokens[:, 8:], ((0, 0), (0, 3)), constant_values=-1)
        before[np.arange(8)[::-1] >= lengths[:, None]] = -1  # padding comes first
        scores = rng.standard_normal((12, VOCAB)).astype(np.float32)
        settings, values = settings_of(model, options, eos_id=ENDS)
        with jax.numpy_rank_promotion("raise"):
            found = constraints.constrain(
                *map(jax.numpy.asarray, (scores, before, after, np.int32(new), np.zeros(12, bool))), settings, values
            )
        for row in range(12):
            text = [*before[row][before[row] >= 0].tolist(), *tokens[row, 8:].tolist()]
            np.testing.assert_allclose(found[row], penalized(scores[row], text, new, options), rtol=1e-6)


def settings_of(model, options, **arguments):
    """What `generate` makes of options, taken from its call of the loop."""
    caught = []

    def catch(graphdef, params, tokens, segments, key, values, *, settings):
        caught.append((settings, values))
        return sample.Found(np.zeros((1, 1), int), np.ones(1, int), np.ones(1, bool))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.generation.generation.sample", catch)
        zoo.generate(model, [[1]], **options, **arguments)
    return caught[0]


def test_samples_keep_the_rules_and_come_several_a_prompt(model):
    options = dict(temperature=1.5, max_new_tokens=10, eos_id=ENDS, no_repeat_ngram_size=1, min_new_tokens=5)
    out = zoo.generate(model, PROMPTS, num_return_sequences=6, seed=2, **options)
    assert len(out.tokens) == 24 and len({*map(tuple, out.tokens)}) > 20 and out.scores is None
    for index, new in enumerate(out.tokens):
        text = {*PROMPTS[index // 6]} | {*new}
        assert len(new) > 5 and len(text) == len({*PROMPTS[index // 6]}) + len(new)
    wild = dict(temperature=1.0, max_new_tokens=12, eos_id=-1, num_return_sequences=40, seed=1)
    repeats = [
        np.mean([len(new) - len({*new}) for new in zoo.generate(model, [[5]], **wild, **changes).tokens])
        for changes in ({}, {"repetition_penalty": 3.0})
    ]
    assert repeats[1] < 0.5 * repeats[0]


def test_a_forced_end_is_the_last_token(model, tmp_path):
    for fields in ({}, {"num_beams": 3}):
        (tmp_path / "generation_config.json").write_text(f'{{"forced_eos_token_id": 15, "max_length": {LONGEST}}}')
        copy = declared(model)
        copy.generation_config = generation_config.read(tmp_path)
        out = zoo.generate(copy, PROMPTS, eos_id=15, **fields)
        assert [row[-1] for row in out.tokens] == [15] * 4 and out.finish == ["eos"] * 4
        free = zoo.generate(copy, PROMPTS, eos_id=15, ignore=["forced_eos_token_id"], **fields)
        assert "length" in free.finish


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(num_beams=38), "beyond the vocabulary of 37 tokens; give 37"),
        (dict(num_beams=0), "num_beams must be a whole number, 1 or more; found 0"),
        (dict(num_beams=2.5), "num_beams must be a whole number"),
        (dict(num_beams=2, num_return_sequences=3), "Give num_return_sequences=2, num_beams=3"),
        (dict(num_return_sequences=2), "or a temperature above 0 to sample"),
        (dict(num_beams=2, temperature=0.7), "Give temperature=0 to search, or num_beams=1 to sample"),
        (dict(num_beams=2, early_stopping="always"), "early_stopping must be True, False or 'never'; found 'always'"),
        (dict(num_beams=2, length_penalty=float("nan")), "length_penalty must be a finite number; found nan. Give 1.0"),
        (dict(repetition_penalty=0.0), "repetition_penalty must be above 0; found 0.0. Give 1.0"),
        (dict(repetition_penalty=float("inf")), "repetition_penalty must be a finite number"),
        (dict(no_repeat_ngram_size=-1), "no_repeat_ngram_size must be a whole number, 0 or more; found -1. Give 0"),
        (dict(min_new_tokens=9, max_new_tokens=8), "give min_new_tokens=8"),
        (dict(min_new_tokens=-1), "min_new_tokens must be a whole number, 0 or more"),
    ],
)
def test_refuses(unchecked_types, model, options, message):
    with pytest.raises(ConfigError, match=message):
        zoo.generate(model, [[1]], **options)


def test_declared_options_are_used_unless_arguments_or_ignore_say_otherwise(model, tmp_path, caplog):
    (tmp_path / "generation_config.json").write_text('{"num_beams": 4, "length_penalty": 2, "early_stopping": "never"}')
    named = declared(model)
    named.generation_config = generation_config.read(tmp_path)
    explicit = dict(num_beams=4, length_penalty=2.0, early_stopping="never")
    common = dict(max_new_tokens=6, eos_id=ENDS)
    assert zoo.generate(named, PROMPTS, **common) == zoo.generate(model, PROMPTS, **common, **explicit)
    fewer = zoo.generate(named, PROMPTS, **common, num_beams=2)
    assert fewer == zoo.generate(model, PROMPTS, **common, **explicit | {"num_beams": 2})
    assert not caplog.records
    greedy = zoo.generate(named, PROMPTS, **common, ignore=["num_beams"])
    assert greedy == zoo.generate(model, PROMPTS, **common) and greedy.scores is None
    zoo.generate(model, PROMPTS, **common, length_penalty=2.0)
    assert "num_beams is 1, so there is no beam search; without effect: length_penalty." in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"num_beams": "4"}', "num_beams must be a whole number, 1 or more; found '4'"),
        ('{"repetition_penalty": -1}', "repetition_penalty must be above 0; found -1"),
        ('{"forced_eos_token_id": "2"}', "forced_eos_token_id must be a token id"),
    ],
)
def test_a_declared_option_of_the_wrong_kind_is_an_error(unchecked_types, tmp_path, text, message):
    (tmp_path / "generation_config.json").write_text(text)
    with pytest.raises(FormatError, match=f"generation_config.json: {message}"):
        generation_config.read(tmp_path)


@pytest.mark.parametrize(("layers", "batch"), [("stacked", 3), ("apart", 3), ("apart", 1)])
def test_a_cache_gives_the_sequences_that_are_taken(model, layers, batch):
    rng, tokens = np.random.default_rng(0), 4
    cache = Cache.empty(model.config, batch, tokens, layers=layers)
    cache = jax.tree.map(lambda leaf: jax.numpy.asarray(rng.integers(0, 9, leaf.shape), leaf.dtype), cache)
    for rows in ([2, 0, 0, 1], [0]) if batch == 3 else ([0, 0], [0]):
        taken = cache.take(jax.numpy.asarray(rows))
        assert taken.segments.tolist() == np.asarray(cache.segments)[rows].tolist() and taken.length == cache.length
        for layer in range(2):
            for ours, theirs in zip(taken.read(layer), cache.read(layer), strict=True):
                np.testing.assert_array_equal(ours, theirs[np.asarray(rows)])
        assert dataclasses.replace(taken, key=taken.value).capacity == tokens
