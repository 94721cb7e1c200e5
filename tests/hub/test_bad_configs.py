# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Invalid values of config.json, arguments and sources: each is refused at once, with its key."""

import math
import time

import pytest

import zoo
from tests.hub.folders import edit_config, make
from zoo.errors import ConfigError, FormatError, ZooError
from zoo.sharding.mesh import make_mesh


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": "16"}, "'hidden_size' must be int; found '16'"),
        ({"hidden_size": True}, "'hidden_size' must be int; found True"),
        ({"hidden_size": ..., "hiden_size": 16}, "lacks 'hidden_size'. Is 'hiden_size' a misspelling"),
        ({"num_hidden_layers": 10**9}, "between 1 and"),
        ({"num_attention_heads": 3}, "is not divisible by"),
        ({"hidden_dropout_prob": None}, "must be float; found None"),
        ({"layer_norm_eps": math.inf}, "Infinity is not JSON"),
        ({"hidden_act": "mish"}, "'hidden_act' is 'mish'"),
        ({"position_embedding_type": "relative_key"}, 'supports only "absolute"'),
        ({"add_cross_attention": True}, "supports only false"),
        ({"auto_map": {"AutoModel": "x.y"}}, "code to download"),
        ({"_attn_implementation_internal": "user/kernel"}, "is refused"),
        (
            {"id2label": {"0": "a", "2": "b"}, "architectures": ["BertForTokenClassification"]},
            "'id2label' must map",
        ),
        ({"model_type": "bort"}, "'model_type' is 'bort'"),
        ({"architectures": ["BertForSomething"]}, "choose one, such as head=None"),
    ],
)
def test_bad_configs_are_refused(bert, changes, message):
    edit_config(bert, **changes)
    with pytest.raises(ZooError) as error:
        zoo.load(bert)
    assert message in str(error.value)


def test_harmless_keys_of_real_configs_are_accepted(bert):
    edit_config(bert, _attn_implementation_autoset=True, gradient_checkpointing=False, use_cache=True, auto_map=None)
    zoo.load(bert)


def test_bad_arguments_are_refused(bert, unchecked_types):
    for wrong in (
        dict(head="regression"),
        dict(num_labels=3),
        dict(head=[]),
        dict(mesh=3),
        dict(seed="x"),
        dict(seed=2**64),
        dict(dtype=None),
        dict(param_dtype=None),
        dict(dtype="int8"),
        dict(dtype="float33"),
        dict(rules="fsdp"),
        dict(mesh=make_mesh("data:8"), rules="magic"),
    ):
        with pytest.raises(ConfigError):
            zoo.load(bert, **wrong)


def test_unknown_sources_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="did you mean gpt2-medium"):
        zoo.load("gpt2-meduim")
    with pytest.raises(ConfigError, match="does not exist"):
        zoo.load(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"config\.json cannot be read"):
        zoo.load(tmp_path)
    zoo.save(make("bert"), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FormatError, match=r"pytorch_model\.bin is damaged, or no file of torch"):
        zoo.load(tmp_path)
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "tf_model.h5")
    with pytest.raises(FormatError, match=r"holds no weights: expected model\.safetensors, pytorch_model\.bin"):
        zoo.load(tmp_path)


def test_the_message_for_a_name_without_network(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="pass its folder instead"):
        zoo.load("bert-base-uncased")


def test_a_misspelled_key_with_a_default_is_logged(bert, caplog):
    edit_config(bert, layer_norm_eps=..., layer_norm_epss=1e-3)
    zoo.load(bert)
    assert "'layer_norm_epss' is not a key of bert and is not used; is it 'layer_norm_eps'?" in caplog.text


@pytest.mark.parametrize("key", ["num_layers", "num_decoder_layers", "d_kv", "relative_attention_num_buckets"])
def test_absurd_sizes_are_refused_at_once(key, tmp_path):
    zoo.save(make("t5", "seq2seq_lm"), tmp_path)
    edit_config(tmp_path, **{key: 10**9})
    with pytest.raises(ConfigError, match=f"'{key}' must be between"):
        zoo.load(tmp_path)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("bert", {"pad_token_id": 2**31}, "'pad_token_id' must be between 0"),
        ("bert", {"eos_token_id": -1}, "'eos_token_id' must be between 0"),
        ("roberta", {"pad_token_id": 10**9}, "'pad_token_id' must be between 0"),
        ("bert", {"layer_norm_eps": 10**400}, "'layer_norm_eps' must be between -16777216"),
        ("bert", {"layer_norm_eps": -1}, "norm_eps must be at least 0"),
        ("bert", {"initializer_range": -0.5}, "init_std must be at least 0"),
        ("bert", {"classifier_dropout": 10**400}, "'classifier_dropout' must be between -16777216"),
        ("t5", {"initializer_factor": 1e308}, "'initializer_factor' must be between -16777216"),
        ("t5", {"decoder_start_token_id": 2**63}, "'decoder_start_token_id' must be between 0"),
        ("bert", {"architectures": 0}, "'architectures' must be a list"),
        ("bert", {"architectures": {}}, "'architectures' must be a list"),
        ("xlnet", {"d_head": 5}, "'d_head' must be d_model / n_head, which is 4"),
        ("marian", {"max_position_embeddings": 2**24}, "makes a table of positions"),
        ("marian", {"bad_words_ids": [[0, 1]]}, "must be lists of one token"),
        ("gpt-neo", {"attention_types": [[["global"] * 20_000, 10**9]]}, "for 4 layers"),
        ("gpt-neo", {"attention_types": [[["global", "local"], 2], [["global"], -5]]}, "for 4 layers"),
    ],
)
def test_numbers_that_no_model_has_are_refused_by_their_key(family, changes, message, tmp_path):
    zoo.save(make(family, **({"num_layers": 4} if family == "gpt-neo" else {})), tmp_path)
    edit_config(tmp_path, **changes)
    start = time.thread_time()
    with pytest.raises(ConfigError) as refusal:
        zoo.load(tmp_path)
    assert message in str(refusal.value)
    assert time.thread_time() - start < 1


def test_paths_that_are_none_are_refused():
    for path in ("", "a" * 100_000):
        with pytest.raises(ConfigError, match="named by a folder"):
            zoo.load(path)
