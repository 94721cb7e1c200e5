# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Translations of an evaluation are those of `zoo.generate`, and are scored by sacrebleu; what is refused."""

import importlib.util

import jax
import numpy as np
import pytest

import zoo
from zoo.data.config import TokenizerConfig
from zoo.data.translation import TranslationConfig
from zoo.errors import ConfigError
from zoo.evals.translation import Translation, TranslationFindings
from zoo.objectives import Seq2Seq

LEARNED = TokenizerConfig(kind="byte_bpe", vocab_size=400, special="t5")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    config = TranslationConfig(source="embedded", validation_fraction=0.01, seq_len=16, tokenizer=LEARNED)
    return config.open(cache_dir=tmp_path_factory.mktemp("data"))


class Evaluated:
    """A model and data, without a run."""

    def __init__(self, data, model):
        self.data, self.model, self.objective = data, model, Seq2Seq().bind(data.info)

    def examples(self, split):
        return self.data.split(split)

    def batches(self, split, num_batches=0):
        indices = np.append(np.arange(len(self.examples(split))), -1).reshape(-1, 8)
        return [self.examples(split).read(part) for part in indices]

    def losses(self, split, num_batches=0):
        raise NotImplementedError

    def compiled(self, function):
        return jax.jit(lambda batch: function(self.objective, self.model, batch))


def test_translations_are_those_of_generate(data, monkeypatch):
    sizes = dict(vocab_size=400, width=16, num_layers=1, decoder_layers=1, num_heads=2, mlp_width=16, max_length=32)
    ids = dict(pad_id=0, decoder_start_id=0, init_std=0.5)
    model = zoo.create(zoo.config("opus-mt-en-de", **sizes, **ids, eos_id=None), head="seq2seq_lm")
    sources = [data.tokenizer.encode(text)[:16] for text in data.split("validation").rows["text"]]
    free = zoo.generate(model, sources, max_new_tokens=5, num_beams=3, num_return_sequences=3)
    common = np.bincount(np.ravel(free.tokens)).argmax()  # a token with which translations end, early or late
    model = zoo.create(zoo.config("opus-mt-en-de", **sizes, **ids, eos_id=int(common)), head="seq2seq_lm")
    monkeypatch.setattr(
        "zoo.evals.translation._scores", lambda texts, targets: {"bleu": 1.0, "chrf": float(len(texts))}
    )
    evaluated = Evaluated(data, model)
    found = Translation(num_beams=3, max_new_tokens=5, length_penalty=-2.0).examine(evaluated)
    assert found.metrics == {"bleu": 1.0, "chrf": 15.0}
    options = dict(max_new_tokens=5, num_beams=3, length_penalty=-2.0)
    out = zoo.generate(model, [[*row[:15], 1] if len(row) == 16 else row for row in sources], **options)
    assert found.translations == [data.tokenizer.decode(row) for row in out.tokens]
    assert len({*map(len, out.tokens)}) > 1
    assert Translation(num_beams=3, max_new_tokens=5).examine(evaluated).translations != found.translations


def test_scores_and_the_worst_are_those_of_sacrebleu(data, tmp_path):
    pytest.importorskip("sacrebleu")
    rows = data.split("validation").rows
    found = [*rows["target"]]
    found[2] = "rien du tout"
    text = TranslationFindings(metrics={}, translations=found, rows=rows).write(tmp_path)
    assert "(1)" in text and "rien du tout" in (tmp_path / "errors.jsonl").read_text()


def test_what_is_refused(data, monkeypatch):
    objective = Seq2Seq().bind(data.info)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    Translation().check(objective, data.schema)
    with pytest.raises(ConfigError, match="beyond the vocabulary of 400 tokens; give 400"):
        Translation(num_beams=401).check(objective, data.schema)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'zoo\[translation\]'"):
        Translation().check(objective, data.schema)
    with pytest.raises(ConfigError, match="num_beams must be 2 or more; found 1"):
        Translation(num_beams=1)
