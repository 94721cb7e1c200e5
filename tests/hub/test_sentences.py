# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders of sentence-transformers: they load, `zoo.embed` gives their vectors, and they are saved again."""

import json
import shutil
from pathlib import Path
from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

import zoo
from tests.hub.folders import assert_same
from zoo.embedding import _prompt_length
from zoo.errors import ConfigError, InputError
from zoo.hub.convert import convert
from zoo.nn.pooling import Pooling, PoolingMode

SENTENCES = Path(__file__).resolve().parents[1] / "golden" / "sentences"
TEXTS = [  # of tests/golden/make_sentence_folders.py
    "the cat sat on the mat",
    "a dog",
    "The Cat sat on a mat , the dog sat on the cat , a cat sat on the dog and the mat",
    "mat",
    "",
    "unknown words , the dog",
]
NAMES = ("mean", "cls", "mixed", "weighted", "last")


def expected(name: str, kind: str = "plain") -> np.ndarray:
    with np.load(SENTENCES / "expected.npz") as file:
        return file[f"{name}/{kind}"]


@pytest.mark.parametrize("name", NAMES)
def test_the_vectors_are_those_of_sentence_transformers(name, tmp_path):
    model, tokenizer = zoo.load(SENTENCES / name), zoo.tokenizer(SENTENCES / name)
    prompt = "none" if name == "last" else None
    found = zoo.embed(model, TEXTS, tokenizer=tokenizer, batch_size=4, prompt=prompt)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(name), atol=2e-5)
    if name in ("weighted", "last"):
        prompt = "query" if name == "weighted" else None  # the other's default
        with_prompt = zoo.embed(model, TEXTS, tokenizer=tokenizer, batch_size=4, prompt=prompt)
        np.testing.assert_allclose(with_prompt, expected(name, "prompt"), atol=2e-5)
    convert(SENTENCES / name, tmp_path / "new")
    again = zoo.load(tmp_path / "new")
    assert_same(again, model)
    new = zoo.tokenizer(tmp_path / "new")
    prompt = "none" if name == "last" else None
    np.testing.assert_array_equal(zoo.embed(again, TEXTS, tokenizer=new, batch_size=4, prompt=prompt), found)


def test_a_vector_does_not_depend_on_its_batch():
    model, tokenizer = zoo.load(SENTENCES / "mean"), zoo.tokenizer(SENTENCES / "mean")
    alone = [zoo.embed(model, [text], tokenizer=tokenizer, batch_size=4)[0] for text in TEXTS]
    np.testing.assert_allclose(np.stack(alone), expected("mean"), atol=2e-5)
    assert zoo.embed(model, [], tokenizer=tokenizer).shape == (0, 15)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_does_not_depend_on_the_side_of_the_padding(name, tmp_path):
    """By rank among the row's own tokens: the weights of a weighted mean, what a prompt covers, first and last."""
    folder = Path(shutil.copytree(SENTENCES / name, tmp_path / name))
    (options,) = folder.rglob("tokenizer_config.json")
    edit(options, lambda o: o | {"padding_side": "left"})
    model, tokenizer = zoo.load(folder), zoo.tokenizer(folder)
    assert (tokenizer.encode_batch(TEXTS).segments[1, 0]) == 0
    for prompt, kind in (("none" if name == "last" else None, "plain"), ("query", "prompt")):
        if kind == "plain" or name in ("weighted", "last"):
            found = zoo.embed(model, TEXTS, tokenizer=tokenizer, batch_size=4, prompt=prompt)
            np.testing.assert_allclose(found, expected(name, kind), atol=2e-5)


@pytest.mark.parametrize("mode", get_args(PoolingMode))
def test_tokens_that_are_not_pooled(mode):
    """Neither padding nor the skipped first tokens count; where nothing is left the vector is that of no token."""
    hidden = np.arange(2 * 6, dtype=np.float32).reshape(1, 6, 2) + 1
    pooling, wide = Pooling(modes=(mode,)), np.full((1, 3, 2), 1e6, np.float32)
    segments, padding = np.ones((1, 6), np.int32), np.zeros((1, 3), np.int32)
    for skipped in (0, 2):
        kept, ranks = hidden[0, skipped:], np.arange(skipped + 1, 7)[:, None]
        want = {
            "cls": kept[0],
            "max": kept.max(0),
            "mean": kept.mean(0),
            "mean_sqrt_len": kept.sum(0) / np.sqrt(len(kept)),
            "weightedmean": (kept * ranks).sum(0) / ranks.sum(),
            "lasttoken": kept[-1],
        }[mode]
        for order in ((hidden, wide), (wide, hidden)):
            both = jnp.concatenate(order, axis=1)
            there = np.concatenate([segments if part is hidden else padding for part in order], axis=1)
            np.testing.assert_allclose(pooling(both, jnp.asarray(there), skipped)[0], want, rtol=1e-6)
    if mode != "max":
        np.testing.assert_array_equal(pooling(jnp.asarray(hidden), jnp.asarray(segments), 6), np.zeros((1, 2)))


def test_a_prompt_is_lower_cased_with_its_text(tmp_path):
    """In a cased vocabulary `Query` would be unknown."""
    folder = Path(shutil.copytree(SENTENCES / "weighted", tmp_path / "weighted"))
    edit(folder / "tokenizer_config.json", lambda o: o | {"do_lower_case": False})
    edit(folder / "sentence_bert_config.json", lambda s: s | {"do_lower_case": True})
    edit(folder / "config_sentence_transformers.json", lambda s: s | {"prompts": {"query": "Query : "}})
    found = zoo.embed(zoo.load(folder), TEXTS, tokenizer=zoo.tokenizer(folder), prompt="query")
    np.testing.assert_allclose(found, expected("weighted", "prompt"), atol=2e-5)


def test_a_prompt_ends_where_its_text_begins():
    """A special token is not the end of every tokenizer's texts."""

    class Plain:
        special_ids = (0, 3)

        def encode(self, text):
            return [3, 7, 8] if text == "plain" else [3, 7, 0]

    assert [_prompt_length(Plain(), text) for text in ("plain", "ended")] == [3, 2]


def test_the_declared_similarity_and_length_are_kept(folder, tmp_path):
    edit(folder / "config_sentence_transformers.json", lambda s: s | {"similarity_fn_name": "dot"})
    edit(folder / "1_Pooling" / "config.json", lambda p: {"pooling_mode": "mean_sqrt_len_tokens"})
    edit(folder / "sentence_bert_config.json", lambda s: {})  # as sentence-transformers 5 writes it
    edit(folder / "tokenizer_config.json", lambda o: o | {"model_max_length": 11})
    model, tokenizer = zoo.load(folder), zoo.tokenizer(folder)
    assert model.pooling.modes == ("mean_sqrt_len",)
    zoo.save(model, tmp_path / "new")
    assert zoo.load(tmp_path / "new").pooling.similarity == "dot"
    saved = json.loads((tmp_path / "new" / "config_sentence_transformers.json").read_text())
    assert saved["similarity_fn_name"] == "dot"
    # A normalised vector is that of the mean.
    np.testing.assert_allclose(zoo.embed(model, TEXTS, tokenizer=tokenizer), expected("mean"), atol=2e-5)


@pytest.fixture
def folder(tmp_path) -> Path:
    return Path(shutil.copytree(SENTENCES / "mean", tmp_path / "mean"))


def edit(file: Path, change) -> None:
    value = json.loads(file.read_text())
    file.write_text(json.dumps(change(value)))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("modules.json", lambda m: [*m, m[1] | {"type": "sentence_transformers.models.LSTM"}], "models.LSTM' is not"),
        ("modules.json", lambda m: [*m, m[1] | {"type": "custom.Pooling"}], "'custom.Pooling' is not supported"),
        ("modules.json", lambda m: [m[0], m[2], m[1]], "in this order"),
        ("modules.json", lambda m: m[1:], "first module must be a Transformer"),
        (
            "1_Pooling/config.json",
            lambda p: p | {"pooling_mode_median": True},
            "'pooling_mode_median' is not supported",
        ),
        ("1_Pooling/config.json", lambda p: p | {"word_embedding_dimension": 16}, "vectors of 16"),
        ("1_Pooling/config.json", lambda p: p | {"pooling_mode_mean_tokens": False}, "modes must be some of"),
        ("sentence_bert_config.json", lambda s: s | {"max_seq_length": "long"}, "'max_seq_length' must be"),
        ("config_sentence_transformers.json", lambda s: {"default_prompt_name": "q"}, "the default's among them"),
        ("config_sentence_transformers.json", lambda s: s | {"similarity_fn_name": 3}, "'similarity_fn_name' must be"),
        ("config_sentence_transformers.json", lambda s: s | {"truncate_dim": 4}, "'truncate_dim' is 4, which is not"),
        ("sentence_bert_config.json", lambda s: s | {"transformer_task": "fill-mask"}, "'transformer_task' is 'fill-m"),
        ("sentence_bert_config.json", lambda s: s | {"processing_kwargs": {"text": {}}}, "'processing_kwargs' is"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(folder, file, change, message):
    edit(folder / file, change)
    with pytest.raises(ConfigError) as error:
        zoo.load(folder)
    assert message in str(error.value)


def test_bad_arguments_of_embed(folder, unchecked_types):
    model, tokenizer = zoo.load(folder), zoo.tokenizer(folder)
    with pytest.raises(ConfigError, match="No prompt 'query'"):
        zoo.embed(model, TEXTS, tokenizer=tokenizer, prompt="query")
    with pytest.raises(ConfigError, match="batch_size must be"):
        zoo.embed(model, TEXTS, tokenizer=tokenizer, batch_size=0)
    with pytest.raises(InputError, match="text 1 must be a str"):
        zoo.embed(model, ["a", 3], tokenizer=tokenizer)
    with pytest.raises(InputError, match="must be a list"):
        zoo.embed(model, "a", tokenizer=tokenizer)
    (folder / "modules.json").unlink()
    bare = zoo.load(folder, head=None)
    with pytest.raises(ConfigError, match="does not know how to pool"):
        zoo.embed(bare, TEXTS, tokenizer=tokenizer)
    pooling = Pooling(modes=("mean",), normalize=True, max_length=11)
    np.testing.assert_allclose(
        zoo.embed(bare, TEXTS, tokenizer=tokenizer, batch_size=4, pooling=pooling), expected("mean"), atol=2e-5
    )
