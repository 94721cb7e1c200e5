# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""From a config file to frozen dataclasses."""

import copy
import dataclasses

import ml_collections
import pytest

from zoo.errors import ConfigError
from zoo.train.config import RunConfig

GOOD = {
    "objective": {"type": "clm"},
    "model": {"name": "gpt2", "num_layers": 2},
    "data": {"type": "text", "seq_len": 16, "tokenizer": {"kind": "byte_bpe", "vocab_size": 300}},
    "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2},
    "batch_size": 8,
    "num_steps": 10,
    "evals": {"validation": {"type": "loss"}},
}


def changed(path, value):
    values = copy.deepcopy(GOOD)
    *groups, last = path.split(".")
    group = values
    for name in groups:
        group = group[name]
    group[last] = value
    return values


def test_a_config_dict_becomes_frozen_dataclasses():
    config = RunConfig.from_dict(ml_collections.ConfigDict(GOOD).lock())
    assert config.optimizer.learning_rate == 1e-3
    assert config.data.tokenizer.kind == "byte_bpe"
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.batch_size = 9
    assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("name", "kind", "special"),
    [
        *[
            (name, kind, "roberta")
            for name in ("distilroberta-base", "xlm-roberta-base")
            for kind in ("wordpiece", "byte_bpe")
        ],
        ("camembert-base", "byte_bpe", "roberta"),
        ("electra-small-generator", "byte_bpe", "bert"),
        ("bert-tiny", "wordpiece", ""),
        ("xlnet-base-cased", "wordpiece", "xlnet"),
        ("gpt2", "byte_bpe", ""),
    ],
)
def test_a_new_tokenizer_has_the_special_tokens_that_the_family_needs(name, kind, special):
    values = changed("data.tokenizer.kind", kind) | {"model": {"name": name}}
    config = RunConfig.from_dict(values)
    assert config.data.tokenizer.special == special
    assert RunConfig.from_dict(config.to_dict()) == config
    values["data"]["tokenizer"]["special"] = "gpt2"
    assert RunConfig.from_dict(values).data.tokenizer.special == "gpt2"
    values["data"]["tokenizer"] |= {"special": "", "path": "folder"}
    assert RunConfig.from_dict(values).data.tokenizer.special == ""


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("optimizer.lerning_rate", 1.0, "learning_rate"),
        ("data.tokenizer.vocab", 1, "vocab_size"),
        ("num_step", 1, "num_steps"),
        ("num_steps", True, "num_steps"),
        ("num_steps", "10", "num_steps"),
        ("num_steps", 0, "num_steps and num_epochs are both 0"),
        ("optimizer.learning_rate", None, "learning_rate"),
        ("optimizer.learning_rate", "1e-4", "learning_rate"),
        ("optimizer.learning_rate", -1.0, "0 or more"),
        ("optimizer.schedule", "cosin", "cosine"),
        ("optimizer.b2", 1.0, "below 1"),
        ("optimizer.learning_rate", float("nan"), "finite"),
        ("optimizer.clip_norm", float("inf"), "finite"),
        ("optimizer.eps", 0.0, "above 0"),
        ("optimizer.end_fraction", 1.5, "between 0 and 1"),
        ("optimizer.layer_decay", 0.0, "above 0 and at most 1"),
        ("optimizer.layer_decay", 1.1, "above 0 and at most 1"),
        ("evals.validation.num_batches", -1, "num_batches"),
        ("evals.validation.type", "losss", "did you mean 'loss'"),
        ("evals.a/b", {"type": "loss"}, "another name"),
        ("keep_best", 1, "keep_best"),
        ("early_stopping", -1, "0 or more"),
        ("early_stopping", 2, "keep_best is empty"),
        ("model.widht", 8, "did you mean 'width'"),
        ("model.attention", {"windw": 8}, "did you mean 'window'"),
        ("model.norm_eps", "x", "norm_eps"),
        ("model.family", "bert", "family"),
        ("model.name", "", "init_from"),
        ("seed", -1, "seed must be"),
        ("optimizer.warmup_steps", 11, "exceeds num_steps"),
        ("optimizer", 3, "group of fields"),
        ("grad_accum_steps", 3, "is not divisible"),
        ("objective", {}, "objective.type"),
        ("objective.type", "cml", "did you mean"),
        ("objective.mask_rate", 0.1, "mask_rate"),
        ("data.type", "txt", "did you mean 'text'"),
        ("data.seq_len", 1, "seq_len"),
        ("data.validation_fraction", 1.0, "validation_fraction"),
    ],
)
def test_one_clear_error(path, value, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_dict(changed(path, value))


def test_a_missing_field_is_named():
    with pytest.raises(ConfigError, match="num_steps"):
        RunConfig.from_dict({name: value for name, value in GOOD.items() if name != "num_steps"})


def test_identity_holds_every_leaf_but_what_may_change():
    config = RunConfig.from_dict(GOOD)
    assert config.identity()["data.tokenizer.vocab_size"] == 300
    for name, value in (("checkpoint_every", 7), ("mesh", "data:1")):
        assert RunConfig.from_dict(changed(name, value)).digest() == config.digest()
    kept = {**GOOD, "keep_best": "validation/loss"}
    assert RunConfig.from_dict({**kept, "early_stopping": 2}).digest() == RunConfig.from_dict(kept).digest()
    for path, value in (("seed", 1), ("model.num_layers", 3), ("optimizer.b2", 0.95), ("optimizer.layer_decay", 0.9)):
        assert RunConfig.from_dict(changed(path, value)).digest() != config.digest()


@pytest.mark.parametrize(
    ("fields", "examples", "expected"),
    [
        ({"num_steps": 10}, 100, (10, 2, 1000, 1000)),
        ({"num_steps": 0, "num_epochs": 3.0}, 100, (38, 2, 1000, 1000)),  # 12.5 steps an epoch
        ({"num_steps": 0, "num_epochs": 3.0, "eval_every": 0, "checkpoint_every": 0}, 100, (38, 2, 12, 12)),
        ({"num_steps": 0, "num_epochs": 2.5, "eval_every": 0}, 3, (1, 1, 1, 1000)),
        ({"num_steps": 20, "num_epochs": 3.0, "eval_every": 0}, 100, (20, 2, 12, 1000)),
        ({"num_steps": 0, "num_epochs": 0.5}, None, (500, 2, 1000, 1000)),
    ],
)
def test_the_length_in_epochs(fields, examples, expected):
    values = {**GOOD, **fields, "optimizer": {"learning_rate": 1e-3, "warmup_steps": min(2, expected[0])}}
    found = RunConfig.from_dict(values).in_steps(examples)
    assert (found.num_steps, found.optimizer.warmup_steps, found.eval_every, found.checkpoint_every) == expected
    assert found.in_steps(examples) == found


def test_what_has_no_effect_is_said(caplog):
    optimizer = {"learning_rate": 1e-3, "warmup_steps": 2, "warmup_fraction": 0.5}
    with caplog.at_level("INFO"):
        RunConfig.from_dict({**GOOD, "num_steps": 10, "num_epochs": 3.0, "optimizer": optimizer}).in_steps(100)
        assert [message.partition(";")[0] for message in caplog.messages] == [
            "num_steps is 10, so that num_epochs 3 has no effect",
            "optimizer.warmup_steps is 2, so that warmup_fraction 0.5 has no effect",
        ]
        caplog.clear()
        RunConfig.from_dict({**GOOD, "num_steps": 10}).in_steps(100)
        assert not caplog.messages


def test_the_warm_up_as_a_fraction():
    values = {**GOOD, "num_steps": 0, "num_epochs": 4.0}
    optimizer = {"learning_rate": 1e-3, "warmup_fraction": 0.1}
    assert RunConfig.from_dict({**values, "optimizer": optimizer}).in_steps(100).optimizer.warmup_steps == 5
    assert RunConfig.from_dict({**GOOD, "optimizer": optimizer}).in_steps(100).optimizer.warmup_steps == 1
    given = {**optimizer, "warmup_steps": 7}
    assert RunConfig.from_dict({**values, "optimizer": given}).in_steps(100).optimizer.warmup_steps == 7
    with pytest.raises(ConfigError, match=r"optimizer\.warmup_fraction must be between 0 and 1"):
        RunConfig.from_dict({**values, "optimizer": {**optimizer, "warmup_fraction": 1.5}})
    with pytest.raises(ConfigError, match="are both 0"):
        RunConfig.from_dict({**values, "num_epochs": 0.0})
