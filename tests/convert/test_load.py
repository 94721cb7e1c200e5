# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Strict loading: other spellings load, what does not fit is refused in one error, and nothing saved is lost."""

import functools
import json
import logging
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from benchmarks import load_memory
from zoo import registry
from zoo.convert import hub, safetensors, weights
from zoo.convert.families import FAMILIES
from zoo.convert.files import fetch
from zoo.convert.table import conditions
from zoo.errors import ConfigError, FormatError, ZooError
from zoo.generation import generate
from zoo.parallel.mesh import make_mesh

GOLDEN = Path(__file__).parents[1] / "golden"
SIZES = dict(vocab_size=24, width=16, num_layers=2, num_heads=4, mlp_width=32, max_length=8)


def make(family: str, head: str | None = None, **changes):
    """A model with random parameters, drawn by numpy, which compiles nothing."""
    rng = np.random.default_rng(3)
    kind = registry.FAMILIES[family]
    config = kind.suit(next(iter(kind.sizes.values())).replace(**(SIZES | changes)), head)
    graphdef, state = nnx.split(kind.abstract(config, head=head))
    values = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape), leaf.dtype), state)
    return nnx.merge(graphdef, values)


@pytest.fixture
def bert(tmp_path):
    """A folder with the body, pooler and both pretraining heads."""
    hub.save(make("bert", "pretraining"), tmp_path)
    return tmp_path


def edit(folder, change) -> None:
    """Rewrites the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(dict(tensors)), folder / "model.safetensors")


def edit_config(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in (config | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept))


def assert_same(ours, theirs) -> None:
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(ours)), nnx.to_pure_dict(nnx.state(theirs)))


@pytest.mark.parametrize(
    ("family", "head"), [(f, head) for f, tables in FAMILIES.items() for head in tables.weights.heads]
)
def test_rows_cover_every_parameter_once(family, head):
    for tied in (True, False):
        model = registry.FAMILIES[family].abstract(make(family, tie_embeddings=tied).config, head=head)
        paths = [".".join(path) for path, _ in nnx.to_flat_state(nnx.state(model))]
        parts = FAMILIES[family].weights.parts(head, conditions(model.config), paths)
        rows = [row for part in parts for row in part]
        assert sorted(path for row in rows for path in row.paths) == sorted(paths)


def test_a_projection_that_the_config_does_not_have_is_unexpected(tmp_path):
    hub.save(make("electra", embed_width=None), tmp_path)
    edit(tmp_path, lambda tensors: tensors | {"embeddings_project.bias": np.zeros(16, np.float32)})
    with pytest.raises(FormatError, match=r"unexpected: embeddings_project.bias \[16\]"):
        hub.load(tmp_path)


def test_sinusoids_that_are_others_are_refused(tmp_path):
    hub.save(make("marian", decoder_layers=1, pad_id=0, decoder_start_id=0), tmp_path)
    hub.load(tmp_path)
    edit(tmp_path, lambda tensors: tensors | {"encoder.embed_positions.weight": np.zeros((8, 16), np.float32)})
    with pytest.raises(FormatError, match=r"'encoder.embed_positions.weight' is not what its config.json makes of it"):
        hub.load(tmp_path)


def test_causal_or_not_is_the_checkpoints_own(bert, tmp_path, caplog):
    """A new causal_lm head is causal; a saved one is what its config.json says, and does not generate unless causal."""
    assert not hub.load(bert).config.attention.causal
    model = hub.load(bert, head="causal_lm")
    assert model.config.attention.causal and "is_decoder" not in caplog.text
    hub.save(model, tmp_path / "lm")
    assert hub.load(tmp_path / "lm", head="causal_lm").config.attention.causal
    edit_config(tmp_path / "lm", is_decoder=False)
    for head in ("auto", "causal_lm"):
        model = hub.load(tmp_path / "lm", head=head)
        assert model.head_name == "causal_lm" and not model.config.attention.causal
    assert "'is_decoder' is false" in caplog.text
    with pytest.raises(ConfigError, match="'is_decoder': false"):
        generate(model, [[1]])


def test_gpt2_old_spellings_load(tmp_path):
    model = make("gpt2", "causal_lm")
    hub.save(model, tmp_path)
    buffers = {f"h.{layer}.attn.{name}": np.ones(1, np.float32) for layer in (0, 1) for name in ("bias", "masked_bias")}
    edit(tmp_path, lambda t: {name.removeprefix("transformer."): x for name, x in t.items()} | buffers)
    assert_same(hub.load(tmp_path), model)
    edit(tmp_path, lambda t: t | {"lm_head.weight": t["wte.weight"]})
    assert_same(hub.load(tmp_path), model)
    edit(tmp_path, lambda t: {name: x for name, x in t.items() if name != "wte.weight"})
    assert_same(hub.load(tmp_path), model)


def test_bert_old_spellings_load(bert):
    model = hub.load(bert)

    def age(tensors):
        old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): x for name, x in tensors.items()}
        old = {name.replace("LayerNorm.bias", "LayerNorm.beta"): x for name, x in old.items()}
        old["bert.embeddings.position_ids"] = np.arange(8)[None]
        old["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        old["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
        return old

    edit(bert, age)
    assert_same(hub.load(bert), model)


def test_a_tied_tensor_that_differs_is_refused_or_untied(bert):
    edit(bert, lambda t: t | {"cls.predictions.decoder.weight": t["bert.embeddings.word_embeddings.weight"] + 1})
    with pytest.raises(FormatError, match="tie_word_embeddings"):
        hub.load(bert)
    edit_config(bert, tie_word_embeddings=False)
    model = hub.load(bert)
    table = model.embed.token.embedding[...]
    np.testing.assert_array_equal(model.head.vocabulary.kernel[...], (table + 1).T)


def test_every_misfit_is_listed_at_once(bert):
    def damage(tensors):
        del tensors["bert.encoder.layer.1.output.dense.bias"]
        tensors["bert.embeddings.word_embeddings.weight"] = np.zeros((24, 17), np.float32)
        tensors["cls.predictions.bias"] = np.zeros(24, np.int32)
        tensors["bert.encoder.layer.2.output.dense.bias"] = np.zeros(16, np.float32)
        tensors["extra"] = np.zeros(3, np.float32)
        return tensors

    edit(bert, damage)
    with pytest.raises(FormatError) as error:
        hub.load(bert)
    for line in (
        "missing: bert.encoder.layer.1.output.dense.bias [16]",
        "not as expected: bert.embeddings.word_embeddings.weight: expected [24, 16], found [24, 17]",
        "not as expected: cls.predictions.bias: expected floating-point numbers, found int32",
        "unexpected: bert.encoder.layer.2.output.dense.bias [16]",
        "unexpected: extra [3]",
    ):
        assert line in str(error.value)


def test_two_spellings_of_one_tensor_are_refused(bert):
    edit(bert, lambda t: t | {"pooler.dense.bias": t["bert.pooler.dense.bias"]})
    with pytest.raises(FormatError, match=r"pooler\.dense\.bias.*two names"):
        hub.load(bert)


def test_a_new_head_must_be_asked_for_and_is_said(bert, caplog):
    model = hub.load(bert, head="token_classification", num_labels=3, seed=5)
    kernel = model.head.classifier.kernel[...]
    assert model.config.num_labels == 3 and kernel.shape == (16, 3)
    assert 0.01 < float(jnp.std(kernel)) < 0.03 and not model.head.classifier.bias[...].any()
    assert "new random parameters: head.classifier.kernel, head.classifier.bias" in caplog.text
    edit_config(bert, architectures=["BertForTokenClassification"])
    with pytest.raises(FormatError, match=r"missing: classifier\.weight \[2, 16\](.|\n)*head='token_classification'"):
        hub.load(bert)


def test_half_a_head_is_damage_even_if_asked_for(bert):
    edit(bert, lambda t: {name: x for name, x in t.items() if name != "cls.seq_relationship.bias"})
    with pytest.raises(FormatError, match=r"missing: cls\.seq_relationship\.bias"):
        hub.load(bert, head="next_sentence")


def test_tensors_of_other_heads_are_passed_over_and_said(bert, caplog):
    with caplog.at_level(logging.INFO):
        model = hub.load(bert, head=None)
    assert model.head is None and "cls.predictions.bias" in caplog.text


def test_dtypes_of_storage_and_computation(bert):
    model = hub.load(bert, dtype=jnp.bfloat16, param_dtype="bfloat16")
    assert model.config.dtype == "bfloat16" and {x.dtype.name for x in jax.tree.leaves(nnx.state(model))} == {
        "bfloat16"
    }
    hub.save(model, bert)
    assert load_file(bert / "model.safetensors")["bert.pooler.dense.bias"].dtype == jnp.bfloat16
    assert_same(hub.load(bert, param_dtype="bfloat16"), model)


@pytest.mark.parametrize("rules", ["dp", "fsdp", "fsdp_tp"])
def test_onto_a_mesh(rules, tmp_path):
    model = make("gpt2")
    hub.save(model, tmp_path)
    placed = hub.load(tmp_path, mesh=make_mesh("fsdp:4,tensor:2"), rules=rules)
    assert_same(placed, model)
    kernel = placed.stack.blocks.attention.query.kernel[...]
    shard = {"dp": (2, 16, 4, 4), "fsdp": (2, 4, 4, 4), "fsdp_tp": (2, 4, 2, 4)}[rules]
    assert kernel.sharding.shard_shape(kernel.shape) == shard


def test_shards_round_trip_and_replace_one_another(tmp_path):
    model = make("gpt2", "causal_lm")
    hub.save(model, tmp_path)
    hub.save(model, tmp_path, max_shard_bytes=4000)
    names = {path.name for path in tmp_path.iterdir()}
    assert "model.safetensors" not in names and "model.safetensors.index.json" in names and len(names) > 5
    assert_same(hub.load(tmp_path), model)
    hub.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1  # whoever may read one may read the other


def test_a_save_that_fails_leaves_the_last_one(bert, monkeypatch):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}
    monkeypatch.setattr(hub, "write_json", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ConfigError, match="No space left"):
        hub.save(make("bert", "pretraining"), bert)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before


def test_what_the_torch_library_cannot_express_is_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="norm_order is 'pre'"):
        hub.save(make("bert", norm_order="pre"), tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": "16"}, "'hidden_size' must be int; found '16'"),
        ({"hidden_size": True}, "'hidden_size' must be int; found True"),
        ({"hidden_size": ..., "hiden_size": 16}, "lacks 'hidden_size'. Is 'hiden_size' a misspelling"),
        ({"num_hidden_layers": 10**9}, "between 1 and"),
        ({"num_attention_heads": 3}, "does not divide"),
        ({"hidden_dropout_prob": None}, "must be float; found None"),
        ({"layer_norm_eps": math.inf}, "Infinity is no JSON"),
        ({"hidden_act": "mish"}, "'hidden_act' is 'mish'"),
        ({"position_embedding_type": "relative_key"}, 'supports only "absolute"'),
        ({"add_cross_attention": True}, "supports only false"),
        ({"auto_map": {"AutoModel": "x.y"}}, "code to download"),
        ({"_attn_implementation_internal": "user/kernel"}, "is refused"),
        ({"id2label": {"0": "a", "2": "b"}}, "'id2label' must map"),
        ({"model_type": "bort"}, "'model_type' is 'bort'"),
        ({"architectures": ["BertForSomething"]}, "choose one, such as head=None"),
    ],
)
def test_bad_configs_are_refused(bert, changes, message):
    edit_config(bert, **changes)
    with pytest.raises(ZooError) as error:
        hub.load(bert)
    assert message in str(error.value)


def test_harmless_keys_of_real_configs_are_accepted(bert):
    edit_config(bert, _attn_implementation_autoset=True, gradient_checkpointing=False, use_cache=True, auto_map=None)
    hub.load(bert)


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
            hub.load(bert, **wrong)


def test_unknown_sources_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="did you mean gpt2-medium"):
        hub.load("gpt2-meduim")
    with pytest.raises(ConfigError, match="does not exist"):
        hub.load(tmp_path / "nowhere")
    with pytest.raises(FormatError, match=r"config\.json cannot be read"):
        hub.load(tmp_path)
    hub.save(make("bert"), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FormatError, match=r"pytorch_model\.bin is damaged, or no file of torch"):
        hub.load(tmp_path)
    (tmp_path / "pytorch_model.bin").rename(tmp_path / "tf_model.h5")
    with pytest.raises(FormatError, match=r"holds no weights: expected model\.safetensors, pytorch_model\.bin"):
        hub.load(tmp_path)


def test_a_name_without_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="pass its folder instead"):
        hub.load("bert-base-uncased")


@pytest.mark.parametrize("form", hub.FORMS)
def test_convert_both_ways_and_never_over_another(form, bert, tmp_path):
    model = hub.load(bert)
    (bert / "vocab.txt").write_text("[PAD]\n")
    hub.convert(bert, tmp_path / "there", form=form)
    hub.convert(tmp_path / "there", tmp_path / "back")
    assert_same(hub.load(tmp_path / "back"), model)
    assert (tmp_path / "back" / "vocab.txt").exists()
    assert_same(hub.load(tmp_path / "there", mesh=make_mesh("fsdp:8")), model)
    with pytest.raises(ConfigError, match="not overwritten"):
        hub.convert(bert, tmp_path / "there", form=form)


def test_a_full_disk_is_said_and_leaves_the_last_one(bert, monkeypatch):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(safetensors, "save_file", full)
    with pytest.raises(ConfigError, match="No space left"):
        hub.save(make("bert", "pretraining"), bert)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before


def test_another_model_is_not_overwritten(bert, tmp_path):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}
    for other in (make("bert", "masked_lm"), make("gpt2", "causal_lm")):
        with pytest.raises(ConfigError, match=r"another model \(bert, head 'pretraining'\), which is not overwritten"):
            hub.save(other, bert)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before
    model = hub.load(bert)
    model.head.bias[...] = model.head.bias[...] + 1.0
    hub.save(model, bert)
    assert_same(hub.load(bert), model)
    few, many = (make("bert", "sequence_classification", num_labels=count) for count in (3, 5))
    hub.save(few, bert / "labels")
    with pytest.raises(ConfigError, match="another model"):
        hub.save(many, bert / "labels")
    (bert / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="holds a model that is not this one"):
        hub.save(model, bert)


def test_the_launcher_converts_and_refuses(bert, tmp_path):
    command = [sys.executable, "-m", "launch.convert", f"--source={bert}", f"--target={tmp_path / 'new'}"]
    run = functools.partial(subprocess.run, command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    done = run()
    assert done.returncode == 0, done.stderr
    assert load_file(tmp_path / "new" / "model.safetensors").keys() == load_file(bert / "model.safetensors").keys()
    refused = run()
    assert refused.returncode == 2 and "ConfigError" in refused.stderr and "Traceback" not in refused.stderr


def test_config_of_a_folder_and_of_a_name(tmp_path):
    config = hub.config("bert-tiny", vocab_size=37, num_layers=1, norm_eps=0.25)
    hub.save(registry.create(config, head="masked_lm"), tmp_path)
    assert hub.config(tmp_path).norm_eps == 0.25
    assert hub.config(str(tmp_path), max_length=64) == hub.config(tmp_path).replace(max_length=64)
    with pytest.raises(ConfigError, match="did you mean bert-tiny"):
        hub.config("bert-tinny")


def test_a_model_for_inference_computes_the_same_and_is_not_saved(tmp_path):
    model = registry.create(registry.config("bert-tiny", vocab_size=37), head="masked_lm")
    fast, tokens = model.for_inference().for_inference(), np.arange(7, dtype=np.int32)[None]
    np.testing.assert_allclose(fast(tokens).logits, model(tokens).logits, atol=1e-5)
    with pytest.raises(ConfigError, match="for_inference"):
        hub.save(fast, tmp_path)


def test_a_dropout_rate_that_config_json_cannot_hold_is_said(tmp_path, caplog):
    config = registry.config("bert-tiny", vocab_size=37, num_layers=1, hidden_dropout=0.25)
    hub.save(registry.create(config, head="masked_lm"), tmp_path)
    assert "hidden_dropout 0.25 from 0.1" in caplog.text or "embed_dropout 0.1 from 0.25" in caplog.text


def test_loading_takes_little_memory_beyond_the_model(tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs /proc to measure")
    hub.save(registry.create(registry.config("bert-small")), tmp_path, max_shard_bytes=32_000_000)
    largest = max(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert load_memory.beyond_model(tmp_path) < 1.3 * largest


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_file_cut_short_while_it_is_read_is_an_error_and_no_signal(form, tmp_path):
    name = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}[form]
    if form == "bin":
        shutil.copy(GOLDEN / "torch" / "zip.bin", tmp_path / name)
    else:
        hub.save(make("bert"), tmp_path)
    tensors = weights.read(tmp_path)
    os.truncate(tmp_path / name, 100)
    with pytest.raises(FormatError, match="cut short while"):
        for tensor in tensors.values():
            fetch(tensor)


def test_every_family_has_its_tables():
    assert set(FAMILIES) == set(registry.FAMILIES)


def test_sentence_order_is_the_pair_of_a_pretrained_model(tmp_path):
    still = dict(embed_dropout=0.0, hidden_dropout=0.0, attention_dropout=0.0)
    whole, ids = make("albert", "pretraining", **still), jnp.arange(8, dtype=jnp.int32)[None]
    hub.save(whole, tmp_path)
    order = hub.load(tmp_path, head="sentence_order")
    np.testing.assert_array_equal(order(ids).logits, whole(ids).pair_logits)
    key = jax.random.key(0)
    assert (order(ids, dropout_key=key).logits != order(ids).logits).any()


@pytest.mark.parametrize("head", ["token_classification", "question_answering"])
def test_heads_of_gpt_that_the_torch_library_lacks_come_back(head, tmp_path):
    model, ids = make("gpt", head, mlp_width=64, num_labels=5), jnp.arange(8, dtype=jnp.int32)[None]
    hub.save(model, tmp_path)
    again = hub.load(tmp_path)
    assert again.head_name == head
    assert_same(again, model)
    layer = model.head.classifier
    expected = np.asarray(model(ids).hidden @ layer.kernel[...]) + np.asarray(layer.bias[...])
    np.testing.assert_allclose(again(ids).logits, expected, atol=1e-6)


def test_an_encoder_alone_loads_from_the_whole_model(tmp_path):
    whole, ids = make("t5", "seq2seq_lm"), jnp.arange(8, dtype=jnp.int32)[None]
    hub.save(whole, tmp_path / "whole")
    assert hub.load(tmp_path / "whole", head="token_classification").head_name == "token_classification"
    encoder = hub.load(tmp_path / "whole", head="encoder")
    np.testing.assert_allclose(encoder(ids).hidden, whole.encode(ids).hidden, atol=1e-6)
    hub.save(encoder, tmp_path / "encoder")
    assert_same(hub.load(tmp_path / "encoder"), encoder)
    with pytest.raises(FormatError, match=r"missing: decoder\.block\.0"):
        hub.load(tmp_path / "encoder", head="seq2seq_lm")


def test_weights_that_are_not_finite_are_said(bert, caplog):
    tensors = load_file(bert / "model.safetensors")
    tensors["bert.encoder.layer.1.output.dense.bias"][3] = np.nan
    tensors["bert.embeddings.LayerNorm.weight"][0] = -np.inf
    save_file(tensors, bert / "model.safetensors")
    hub.load(bert, mesh=make_mesh("fsdp:8"))
    said = "NaN or infinity in 2 tensors: bert.embeddings.LayerNorm.weight, bert.encoder.layer.1.output.dense.bias"
    assert said in caplog.text


def test_a_misspelled_key_with_a_default_is_said(bert, caplog):
    edit_config(bert, layer_norm_eps=..., layer_norm_epss=1e-3)
    hub.load(bert)
    assert "'layer_norm_epss' is no key of bert and is not used; is it 'layer_norm_eps'?" in caplog.text


def test_a_table_of_other_lengths_is_refused(tmp_path):
    hub.save(make("marian"), tmp_path)
    edit_config(tmp_path, max_position_embeddings=9)
    with pytest.raises(FormatError, match=r"not what its config\.json makes of it"):
        hub.load(tmp_path, head=None)


@pytest.mark.parametrize("key", ["num_layers", "num_decoder_layers", "d_kv", "relative_attention_num_buckets"])
def test_absurd_sizes_are_refused_at_once(key, tmp_path):
    hub.save(make("t5", "seq2seq_lm"), tmp_path)
    edit_config(tmp_path, **{key: 10**9})
    with pytest.raises(ConfigError, match=f"'{key}' must lie between"):
        hub.load(tmp_path)


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("bert", {"pad_token_id": 2**31}, "'pad_token_id' must lie between 0"),
        ("bert", {"eos_token_id": -1}, "'eos_token_id' must lie between 0"),
        ("roberta", {"pad_token_id": 10**9}, "'pad_token_id' must lie between 0"),
        ("bert", {"layer_norm_eps": 10**400}, "'layer_norm_eps' must lie between -16777216"),
        ("bert", {"layer_norm_eps": -1}, "norm_eps must be at least 0"),
        ("bert", {"initializer_range": -0.5}, "init_std must be at least 0"),
        ("bert", {"classifier_dropout": 10**400}, "'classifier_dropout' must lie between -16777216"),
        ("t5", {"initializer_factor": 1e308}, "'initializer_factor' must lie between -16777216"),
        ("t5", {"decoder_start_token_id": 2**63}, "'decoder_start_token_id' must lie between 0"),
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
    hub.save(make(family, **({"num_layers": 4} if family == "gpt-neo" else {})), tmp_path)
    edit_config(tmp_path, **changes)
    start = time.monotonic()
    with pytest.raises(ConfigError) as refusal:
        hub.load(tmp_path)
    assert message in str(refusal.value)
    assert time.monotonic() - start < 1


def test_paths_that_are_none_are_refused():
    for path in ("", "a" * 100_000):
        with pytest.raises(ConfigError, match="named by a folder"):
            hub.load(path)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_words_that_a_release_bans_are_never_said(file, tmp_path):
    """Marian begins with padding, and would go on with it."""
    model = make("marian", "seq2seq_lm", pad_id=3, decoder_start_id=3)
    model.head.bias[...] = model.head.bias[...].at[0, 3].set(1e4)
    hub.save(model, tmp_path)
    assert generate(hub.load(tmp_path), [[5, 6]], max_new_tokens=4).tokens == [[3] * 4]
    settings = json.loads((tmp_path / file).read_text()) if (tmp_path / file).exists() else {}
    (tmp_path / file).write_text(json.dumps(settings | {"bad_words_ids": [[3]]}))
    if file == "generation_config.json":
        edit_config(tmp_path, bad_words_ids=...)
    loaded = hub.load(tmp_path)
    assert loaded.config.banned_ids == (3,)
    assert 3 not in generate(loaded, [[5, 6]], max_new_tokens=4).tokens[0]
    hub.save(loaded, tmp_path / "again")
    assert hub.load(tmp_path / "again").config.banned_ids == (3,)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "flax_model.msgpack", "a.index"])
def test_a_link_out_of_the_folder_is_not_followed(name, bert, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "file"
    shutil.move(bert / "model.safetensors", outside)
    (bert / name).symlink_to(outside)
    with pytest.raises(FormatError, match="is not a file of its own folder"):
        hub.load(bert)
