# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Generation: what the cache may not change, how sampling behaves, and when it stops."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

import zoo
from zoo.errors import ConfigError, FormatError, InputError
from zoo.generation import sample
from zoo.hub import generation_config
from zoo.nn.config import AttentionConfig
from zoo.text.train import train_tokenizer

PROMPTS = [[5, 1, 7], [2], [9, 9, 3, 4, 8]]


@pytest.fixture(scope="module", params=["loop", "scan"])
def model(request):
    config = zoo.config(
        "gpt2",
        vocab_size=37,
        width=12,
        num_layers=2,
        num_heads=2,
        mlp_width=24,
        max_length=40,
        init_std=0.4,
        eos_id=None,
    )
    return zoo.create(
        config.replace(stack=request.param, attention=AttentionConfig(causal=True, window=(None, 6))),
        head="causal_lm",
        seed=3,
    )


def naive(model, prompt: list[int], count: int) -> list[int]:
    """Greedy decoding without a cache, one whole forward pass a token."""
    run, ids = jax.jit(lambda tokens: model(tokens).logits), list(prompt)
    for _ in range(count):
        padded = np.zeros((1, 40), np.int32)
        padded[0, : len(ids)] = ids
        ids.append(int(np.argmax(run(padded)[0, len(ids) - 1])))
    return ids[len(prompt) :]


def test_cache_equals_no_cache_for_prompts_of_any_length(model):
    out = zoo.generate(model, PROMPTS, max_new_tokens=9)
    assert out.tokens == [naive(model, prompt, 9) for prompt in PROMPTS]
    assert out.finish == ["length"] * 3


def test_a_model_made_to_train_with_remat_generates_too(model):
    config = model.config.replace(remat="cheap")
    same = zoo.create(config, head="causal_lm", seed=0)
    nnx.update(same, nnx.state(model))
    assert zoo.generate(same, PROMPTS, max_new_tokens=4) == zoo.generate(model, PROMPTS, max_new_tokens=4)


def test_a_row_does_not_depend_on_its_batch(model):
    together = zoo.generate(model, PROMPTS, max_new_tokens=6)
    for prompt, tokens in zip(PROMPTS, together.tokens, strict=True):
        assert zoo.generate(model, [prompt], max_new_tokens=6).tokens == [tokens]


def test_new_parameters_are_not_mistaken_for_the_old(model):
    graphdef, params = nnx.split(model)
    copy = nnx.merge(graphdef, params)
    before = zoo.generate(copy, PROMPTS, max_new_tokens=6).tokens
    nnx.update(copy, jax.tree.map(lambda leaf: -leaf, params))
    after = zoo.generate(copy, PROMPTS, max_new_tokens=6).tokens
    assert after != before and after == [naive(copy, prompt, 6) for prompt in PROMPTS]


def test_repeated_call_traces_nothing(model):
    zoo.generate(model, PROMPTS, max_new_tokens=6, temperature=0.7, top_k=5, seed=1)
    before = sample.sample._cache_size()
    zoo.generate(model, [[1, 2], [3], [4]], max_new_tokens=6, temperature=1.3, top_k=5, seed=2)
    assert sample.sample._cache_size() == before


def test_end_token_stops_a_row(model):
    tokens = zoo.generate(model, [PROMPTS[0]], max_new_tokens=9).tokens[0]
    out = zoo.generate(model, PROMPTS, max_new_tokens=9, eos_id=tokens[3])
    assert out.finish[0] == "eos" and out.tokens[0] == tokens[: tokens.index(tokens[3]) + 1]


def test_stops_where_the_positions_end(model):
    prompt = list(range(36))
    out = zoo.generate(model, [prompt, [1]], max_new_tokens=20)
    # Forty positions hold 36 tokens and 4 more; the token after the last of them is still known.
    assert (len(out.tokens[0]), len(out.tokens[1])) == (5, 20) and out.finish == ["length", "length"]
    assert out.tokens[0][:4] == naive(model, prompt, 4)


def test_sampling_follows_the_distribution(model):
    def run(**kw):
        return np.array(zoo.generate(model, [[5, 1, 7]] * 400, max_new_tokens=1, eos_id=-1, **kw).tokens).ravel()

    logits = np.asarray(model(np.array([[5, 1, 7]], np.int32)).logits[0, -1], np.float64)
    ranked = np.argsort(-logits)
    probs = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    counts = np.bincount(run(temperature=1.0, seed=1), minlength=37)
    # Within five standard deviations of a binomial, token by token.
    assert (np.abs(counts - 400 * probs) <= 5 * np.sqrt(400 * probs * (1 - probs)) + 1).all()
    assert set(run(temperature=5.0, top_k=3, seed=2)) == set(ranked[:3])
    nucleus = ranked[: int(np.searchsorted(np.cumsum(probs[ranked]), 0.6)) + 1]
    assert set(run(temperature=1.0, top_p=0.6, seed=3)) <= set(nucleus)
    assert set(run(temperature=1.0, top_p=1e-6, seed=3)) == {ranked[0]}
    np.testing.assert_array_equal(run(temperature=1.0, seed=4), run(temperature=1.0, seed=4))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (dict(prompts=[[]]), InputError, "Prompt 0 is empty"),
        (dict(prompts=[]), InputError, "prompts is empty"),
        (dict(prompts=["text"]), InputError, "tokenizer="),
        (dict(prompts="text"), InputError, "must be a list"),
        (dict(prompts=[[1, 37]]), InputError, "is 37; expected 0 to 36"),
        (dict(prompts=[[1] * 41]), InputError, "41 tokens; the model has positions for 40"),
        (dict(max_new_tokens=0), ConfigError, "max_new_tokens"),
        (dict(max_new_tokens=True), ConfigError, "whole number"),
        (dict(temperature=float("inf")), ConfigError, "finite"),
        (dict(temperature=-1.0), ConfigError, "temperature"),
        (dict(temperature=float("nan")), ConfigError, "temperature"),
        (dict(top_k=0), ConfigError, "top_k"),
        (dict(top_p=1.5), ConfigError, "top_p"),
    ],
)
def test_refuses(model, changes, error, message):
    with pytest.raises(error, match=message):
        zoo.generate(model, **(dict(prompts=[[1]]) | changes))


def test_a_tokenizer_of_another_model_is_refused(model, caplog):
    class Tokens:
        def __init__(self, vocab_size):
            self.vocab_size = vocab_size

        def encode(self, text):
            return [1]

        def decode(self, row):
            raise InputError("id 30 at index 0 is outside the vocabulary of 5 tokens.")

    with pytest.raises(ConfigError, match="The tokenizer has 99 tokens and the model 37"):
        zoo.generate(model, ["a"], tokenizer=Tokens(99))
    with pytest.raises(InputError, match="Their vocabularies have 37 and 5 tokens"):
        zoo.generate(model, ["a"], tokenizer=Tokens(5))
    zoo.generate(model, [[1]], top_k=3)
    assert "top_k and top_p change nothing" in caplog.text


def test_refuses_a_model_without_a_language_head():
    with pytest.raises(ConfigError, match="causal_lm"):
        zoo.generate(zoo.create(zoo.config("bert-tiny", num_layers=1), head="masked_lm"), [[1]])


def declare(model, folder, fields):
    """The model as a folder with this generation_config.json would give it."""
    (folder / "generation_config.json").write_text(json.dumps(fields))
    copy = nnx.merge(*nnx.split(model))
    copy.generation_config = generation_config.read(folder)
    return copy


def test_any_of_several_end_tokens_stops_a_row(model, tmp_path):
    tokens = zoo.generate(model, [PROMPTS[0]], max_new_tokens=9).tokens[0]
    unused = next(token for token in range(37) if token not in tokens)
    out = zoo.generate(model, [PROMPTS[0]], max_new_tokens=9, eos_id=[unused, tokens[2]])
    assert out.finish == ["eos"] and out.tokens[0] == tokens[: tokens.index(tokens[2]) + 1]
    named = declare(model, tmp_path, {"eos_token_id": [unused, tokens[2]]})
    assert zoo.generate(named, [PROMPTS[0]], max_new_tokens=9) == out
    assert zoo.generate(named, [PROMPTS[0]], max_new_tokens=9, eos_id=-1).tokens[0] == tokens


def test_options_that_are_not_supported_are_refused_by_name(model, tmp_path):
    early = declare(model, tmp_path, {"min_length": 4, "repetition_penalty": 1.0})
    with pytest.raises(ConfigError, match=r"min_length=4.*ignore=\['min_length'\]"):
        zoo.generate(early, PROMPTS, max_new_tokens=2)
    plain = zoo.generate(model, PROMPTS, max_new_tokens=2)
    assert zoo.generate(early, PROMPTS, max_new_tokens=2, ignore=["min_length"]) == plain


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *{"typical_p": 0.5, "min_p": 0.1, "epsilon_cutoff": 3e-4, "eta_cutoff": 3e-4, "top_h": 0.4}.items(),
        *{"encoder_repetition_penalty": 1.2, "stop_strings": ["x"], "max_time": 1.0}.items(),
    ],
)
def test_options_of_sampling_are_refused_by_name_where_tokens_are_sampled(model, tmp_path, option, value):
    """Whether the file says that tokens are sampled, or an argument."""
    plain = declare(model, tmp_path, {"top_k": 5})
    for fields, arguments in (({"do_sample": True}, {}), ({}, {"temperature": 0.7})):
        named = declare(model, tmp_path, fields | {"top_k": 5, option: value})
        with pytest.raises(ConfigError, match=rf"{option}={re.escape(repr(value))}.*ignore=\['{option}'\]"):
            zoo.generate(named, PROMPTS, max_new_tokens=2, **arguments)
        with_it = zoo.generate(named, PROMPTS, max_new_tokens=2, **arguments, ignore=[option])
        assert with_it == zoo.generate(plain, PROMPTS, max_new_tokens=2, temperature=arguments.get("temperature", 1.0))
    if option in ("typical_p", "min_p", "epsilon_cutoff", "eta_cutoff", "top_h"):
        greedy = zoo.generate(named, PROMPTS, max_new_tokens=2)
        assert greedy == zoo.generate(model, PROMPTS, max_new_tokens=2)


def test_the_declared_number_of_tokens_is_the_default(model, tmp_path):
    named = declare(model, tmp_path, {"max_new_tokens": 3})
    assert [len(row) for row in zoo.generate(named, PROMPTS, eos_id=-1).tokens] == [3, 3, 3]
    assert [len(row) for row in zoo.generate(named, PROMPTS, max_new_tokens=2, eos_id=-1).tokens] == [2, 2, 2]
    assert len(zoo.generate(model, [[1]], eos_id=-1).tokens[0]) == 40  # the positions end before the usual 64


def test_the_declared_length_counts_the_prompt(model, tmp_path):
    named = declare(model, tmp_path, {"max_length": 7})
    whole = zoo.generate(model, PROMPTS, max_new_tokens=6, eos_id=-1).tokens
    found = zoo.generate(named, PROMPTS, eos_id=-1).tokens
    assert found == [row[: 7 - len(prompt)] for prompt, row in zip(PROMPTS, whole, strict=True)]
    assert zoo.generate(named, PROMPTS, max_new_tokens=6, eos_id=-1).tokens == whole
    with pytest.raises(ConfigError, match="max_length=7, which counts prompts, and prompt 1 has 7 tokens"):
        zoo.generate(named, [[1], [1] * 7])
    both = declare(model, tmp_path, {"max_length": 7, "max_new_tokens": 6})
    assert zoo.generate(both, PROMPTS, eos_id=-1).tokens == whole


def test_the_declared_length_counts_the_first_token_of_a_decoder(tmp_path):
    config = zoo.config("t5-small", vocab_size=37, width=12, kv_width=4, num_heads=3, num_layers=1, decoder_layers=1)
    named = declare(zoo.create(config, head="seq2seq_lm"), tmp_path, {"max_length": 5})
    assert [len(row) for row in zoo.generate(named, [[3, 4], [5]], eos_id=-1).tokens] == [4, 4]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("suppress_tokens", 5.5),
        ("eos_token_id", "7"),
        ("top_k", 2.5),
        ("max_new_tokens", "9"),
        ("max_length", 9.5),
        ("bad_words_ids", [["a"]]),
    ],
)
def test_a_setting_of_the_wrong_type_is_an_error(model, tmp_path, option, value):
    with pytest.raises(FormatError, match=option):
        declare(model, tmp_path, {option: value})


def test_a_suppressed_token_is_not_generated(model, tmp_path):
    first = zoo.generate(model, [[1]], max_new_tokens=1).tokens[0][0]
    named = declare(model, tmp_path, {"suppress_tokens": [first]})
    assert first not in zoo.generate(named, [[1]], max_new_tokens=6).tokens[0]


def test_first_tokens_for_each_row_of_a_batch_are_refused(model, tmp_path):
    assert declare(model, tmp_path, {"decoder_start_token_id": [7, 7]}).generation_config.decoder_start_id == 7
    named = declare(model, tmp_path, {"decoder_start_token_id": [7, 8]})
    with pytest.raises(ConfigError, match="decoder_start_token_id"):
        zoo.generate(named, PROMPTS)


@pytest.mark.parametrize("temperature", [1e-46, 1e-40, 1e-31])
def test_a_vanishing_temperature_takes_the_likeliest_token(model, temperature):
    likeliest = zoo.generate(model, PROMPTS, max_new_tokens=4)
    assert zoo.generate(model, PROMPTS, max_new_tokens=4, temperature=temperature) == likeliest


@pytest.mark.parametrize("eos_id", [[0, 99], "7", 1.5, [True]])
def test_a_bad_end_token_is_refused(unchecked_types, model, eos_id):
    with pytest.raises(ConfigError, match="eos_id"):
        zoo.generate(model, [[1]], eos_id=eos_id)


def test_declared_sampling_is_used_unless_arguments_override_it(model, tmp_path):
    named = declare(model, tmp_path, {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.9})
    explicit = zoo.generate(model, PROMPTS, max_new_tokens=8, temperature=5.0, top_k=3, top_p=0.9, seed=1)
    assert zoo.generate(named, PROMPTS, max_new_tokens=8, seed=1) == explicit
    greedy = zoo.generate(model, PROMPTS, max_new_tokens=8)
    assert greedy != explicit and zoo.generate(named, PROMPTS, max_new_tokens=8, temperature=0.0) == greedy


def test_what_was_declared_is_saved(model, tmp_path):
    named = declare(model, tmp_path, {"eos_token_id": [3, 4], "num_beams": 2})
    assert generation_config.write(named, tmp_path) == [tmp_path / generation_config.NAME]
    (tmp_path / f"{generation_config.NAME}").unlink()
    (written,) = tmp_path.iterdir()
    assert json.loads(written.read_text()) == {"eos_token_id": [3, 4], "num_beams": 2}


def test_the_launcher_refuses_a_model_whose_tokens_see_ahead():
    command = [sys.executable, "-m", "launch.generate", "--model=bert-tiny", "--prompt=a"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.strip().startswith(
        "ConfigError: This model's attention is bidirectional"
    )
    assert "new random parameters" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_the_launcher_refuses_a_checkpoint_without_a_language_model_head(tmp_path):
    sizes = dict(vocab_size=37, width=12, num_layers=1, num_heads=2, mlp_width=24, max_length=40, eos_id=None)
    config = zoo.config("gpt2", **sizes, tie_embeddings=False)
    zoo.save(zoo.create(config, head="sequence_classification"), tmp_path)
    command = [sys.executable, "-m", "launch.generate", f"--model={tmp_path}", "--prompt=a"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "has no causal_lm head: it lacks lm_head.weight" in done.stderr
    assert "new random parameters" not in done.stderr


def test_the_launcher_prints_every_text_behind_its_prompt(tmp_path):
    """Two texts of a beam search for each prompt, with the reason why each ends and its score."""
    tokenizer = train_tokenizer(["To be, or not to be"], kind="byte_bpe", vocab_size=300)
    ids = {"vocab_size": tokenizer.vocab_size, "bos_id": tokenizer.eos_id, "eos_id": tokenizer.eos_id}
    sizes = {"width": 12, "num_layers": 1, "num_heads": 2, "mlp_width": 24, "max_length": 40}
    zoo.save(zoo.create(zoo.config("gpt2", **ids, **sizes, init_std=0.4), head="causal_lm"), tmp_path)
    tokenizer.save(tmp_path)
    prompts, options = ["To be", "Or not"], {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 5}
    command = [sys.executable, "-m", "launch.generate", f"--model={tmp_path}"]
    command += [f"--prompt={prompt}" for prompt in prompts] + [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    out = zoo.generate(zoo.load(tmp_path), prompts, tokenizer=tokenizer, **options)
    assert len(out.texts) == 4 and len(set(out.texts)) == 4
    behind = [prompt for prompt in prompts for _ in range(2)]
    expected = [
        f"{prompt}{text}\n[{finish}, score {score:.3f}]\n"
        for prompt, text, finish, score in zip(behind, out.texts, out.finish, out.scores, strict=True)
    ]
    assert done.stdout == "".join(expected)
