# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders of sentence-transformers: they load, `zoo.embed` gives their vectors, and they are saved again."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.hub.folders import assert_same
from zoo.errors import ConfigError, InputError
from zoo.hub.convert import convert
from zoo.nn.pooling import Pooling

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
