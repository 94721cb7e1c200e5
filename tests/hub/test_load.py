# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Strict loading: other spellings load, and what does not fit is refused in one error."""

import json
import logging
import os
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from benchmarks import load_memory
from tests.hub.folders import assert_same, edit, edit_config, make
from zoo.errors import ConfigError, FormatError
from zoo.generation import generate
from zoo.hub import weights
from zoo.hub.table import conditions
from zoo.hub.tables import FAMILIES
from zoo.hub.tensors import fetch
from zoo.models import registry
from zoo.sharding.mesh import make_mesh

GOLDEN = Path(__file__).parents[1] / "golden"


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
    zoo.save(make("electra", embed_width=None), tmp_path)
    edit(tmp_path, lambda tensors: tensors | {"embeddings_project.bias": np.zeros(16, np.float32)})
    with pytest.raises(FormatError, match=r"unexpected: embeddings_project.bias \[16\]"):
        zoo.load(tmp_path)


def test_sinusoids_that_are_others_are_refused(tmp_path):
    zoo.save(make("marian", decoder_layers=1, pad_id=0, decoder_start_id=0), tmp_path)
    zoo.load(tmp_path)
    edit(tmp_path, lambda tensors: tensors | {"encoder.embed_positions.weight": np.zeros((8, 16), np.float32)})
    with pytest.raises(FormatError, match=r"'encoder.embed_positions.weight' is not what its config.json makes of it"):
        zoo.load(tmp_path)


def test_causal_or_not_is_the_checkpoints_own(bert, tmp_path, caplog):
    """A new causal_lm head is causal; a saved one is what its config.json says, and does not generate unless causal."""
    assert not zoo.load(bert).config.attention.causal
    model = zoo.load(bert, head="causal_lm")
    assert model.config.attention.causal and "is_decoder" not in caplog.text
    zoo.save(model, tmp_path / "lm")
    assert zoo.load(tmp_path / "lm", head="causal_lm").config.attention.causal
    edit_config(tmp_path / "lm", is_decoder=False)
    for head in ("auto", "causal_lm"):
        model = zoo.load(tmp_path / "lm", head=head)
        assert model.head_name == "causal_lm" and not model.config.attention.causal
    assert "'is_decoder' is false" in caplog.text
    with pytest.raises(ConfigError, match="'is_decoder': false"):
        generate(model, [[1]])


def test_gpt2_old_spellings_load(tmp_path):
    model = make("gpt2", "causal_lm")
    zoo.save(model, tmp_path)
    buffers = {f"h.{layer}.attn.{name}": np.ones(1, np.float32) for layer in (0, 1) for name in ("bias", "masked_bias")}
    edit(tmp_path, lambda t: {name.removeprefix("transformer."): x for name, x in t.items()} | buffers)
    assert_same(zoo.load(tmp_path), model)
    edit(tmp_path, lambda t: t | {"lm_head.weight": t["wte.weight"]})
    assert_same(zoo.load(tmp_path), model)
    edit(tmp_path, lambda t: {name: x for name, x in t.items() if name != "wte.weight"})
    assert_same(zoo.load(tmp_path), model)


def test_bert_old_spellings_load(bert):
    model = zoo.load(bert)

    def age(tensors):
        old = {name.replace("LayerNorm.weight", "LayerNorm.gamma"): x for name, x in tensors.items()}
        old = {name.replace("LayerNorm.bias", "LayerNorm.beta"): x for name, x in old.items()}
        old["bert.embeddings.position_ids"] = np.arange(8)[None]
        old["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
        old["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
        return old

    edit(bert, age)
    assert_same(zoo.load(bert), model)


def test_a_tied_tensor_that_differs_is_refused_or_untied(bert):
    edit(bert, lambda t: t | {"cls.predictions.decoder.weight": t["bert.embeddings.word_embeddings.weight"] + 1})
    with pytest.raises(FormatError, match="tie_word_embeddings"):
        zoo.load(bert)
    edit_config(bert, tie_word_embeddings=False)
    model = zoo.load(bert)
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
        zoo.load(bert)
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
        zoo.load(bert)


def test_a_new_head_must_be_requested_and_is_logged(bert, caplog):
    model = zoo.load(bert, head="token_classification", num_labels=3, seed=5)
    kernel = model.head.classifier.kernel[...]
    assert model.config.num_labels == 3 and kernel.shape == (16, 3)
    assert 0.01 < float(jnp.std(kernel)) < 0.03 and not model.head.classifier.bias[...].any()
    assert "new random parameters: head.classifier.kernel, head.classifier.bias" in caplog.text
    edit_config(bert, architectures=["BertForTokenClassification"])
    with pytest.raises(FormatError, match=r"missing: classifier\.weight \[2, 16\](.|\n)*head='token_classification'"):
        zoo.load(bert)


def test_half_a_head_is_an_error_even_if_requested(bert):
    edit(bert, lambda t: {name: x for name, x in t.items() if name != "cls.seq_relationship.bias"})
    with pytest.raises(FormatError, match=r"missing: cls\.seq_relationship\.bias"):
        zoo.load(bert, head="next_sentence")


def test_tensors_of_other_heads_are_ignored_and_logged(bert, caplog):
    with caplog.at_level(logging.INFO):
        model = zoo.load(bert, head=None)
    assert model.head is None and "cls.predictions.bias" in caplog.text


def test_dtypes_of_storage_and_computation(bert):
    model = zoo.load(bert, dtype=jnp.bfloat16, param_dtype="bfloat16")
    assert model.config.execution.dtype == "bfloat16" and {x.dtype.name for x in jax.tree.leaves(nnx.state(model))} == {
        "bfloat16"
    }
    zoo.save(model, bert)
    assert load_file(bert / "model.safetensors")["bert.pooler.dense.bias"].dtype == jnp.bfloat16
    assert_same(zoo.load(bert, param_dtype="bfloat16"), model)


@pytest.mark.parametrize("rules", ["dp", "fsdp", "fsdp_tp"])
def test_onto_a_mesh(rules, tmp_path):
    model = make("gpt2")
    zoo.save(model, tmp_path)
    mesh = make_mesh("fsdp:4,tensor:2" if rules == "fsdp_tp" else "data:2,fsdp:4")
    placed = zoo.load(tmp_path, mesh=mesh, rules=rules)
    assert_same(placed, model)
    kernel = placed.stack.blocks.attention.query.kernel[...]
    shard = {"dp": (2, 16, 4, 4), "fsdp": (2, 4, 4, 4), "fsdp_tp": (2, 4, 2, 4)}[rules]
    assert kernel.sharding.shard_shape(kernel.shape) == shard


def test_config_of_a_folder_and_of_a_name(tmp_path):
    config = zoo.config("bert-tiny", vocab_size=37, num_layers=1, norm_eps=0.25)
    zoo.save(registry.create(config, head="masked_lm"), tmp_path)
    assert zoo.config(tmp_path).norm_eps == 0.25
    assert zoo.config(str(tmp_path), max_length=64) == zoo.config(tmp_path).replace(max_length=64)
    with pytest.raises(ConfigError, match="did you mean bert-tiny"):
        zoo.config("bert-tinny")


def test_loading_takes_little_memory_beyond_the_model(tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs /proc to measure")
    zoo.save(registry.create(registry.config("bert-small")), tmp_path, max_shard_bytes=32_000_000)
    largest = max(file.stat().st_size for file in tmp_path.glob("*.safetensors"))
    assert load_memory.beyond_model(tmp_path) < 1.3 * largest


@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_a_file_cut_short_while_it_is_read_is_an_error_and_no_signal(form, tmp_path):
    name = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}[form]
    if form == "bin":
        shutil.copy(GOLDEN / "torch" / "zip.bin", tmp_path / name)
    else:
        zoo.save(make("bert"), tmp_path)
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
    zoo.save(whole, tmp_path)
    order = zoo.load(tmp_path, head="sentence_order")
    np.testing.assert_array_equal(order(ids).logits, whole(ids).pair_logits)
    key = jax.random.key(0)
    assert (order(ids, dropout_key=key).logits != order(ids).logits).any()


@pytest.mark.parametrize("head", ["token_classification", "question_answering"])
def test_heads_of_gpt_that_transformers_lacks_come_back(head, tmp_path):
    model, ids = make("gpt", head, mlp_width=64, num_labels=5), jnp.arange(8, dtype=jnp.int32)[None]
    zoo.save(model, tmp_path)
    again = zoo.load(tmp_path)
    assert again.head_name == head
    assert_same(again, model)
    layer = model.head.classifier
    expected = np.asarray(model(ids).hidden @ layer.kernel[...]) + np.asarray(layer.bias[...])
    np.testing.assert_allclose(again(ids).logits, expected, atol=1e-6)


def test_an_encoder_alone_loads_from_the_whole_model(tmp_path):
    whole, ids = make("t5", "seq2seq_lm"), jnp.arange(8, dtype=jnp.int32)[None]
    zoo.save(whole, tmp_path / "whole")
    assert zoo.load(tmp_path / "whole", head="token_classification").head_name == "token_classification"
    encoder = zoo.load(tmp_path / "whole", head="encoder")
    np.testing.assert_allclose(encoder(ids).hidden, whole.encode(ids).hidden, atol=1e-6)
    zoo.save(encoder, tmp_path / "encoder")
    assert_same(zoo.load(tmp_path / "encoder"), encoder)
    with pytest.raises(FormatError, match=r"missing: decoder\.block\.0"):
        zoo.load(tmp_path / "encoder", head="seq2seq_lm")


def test_weights_that_are_not_finite_are_logged(bert, caplog):
    tensors = load_file(bert / "model.safetensors")
    tensors["bert.encoder.layer.1.output.dense.bias"][3] = np.nan
    tensors["bert.embeddings.LayerNorm.weight"][0] = -np.inf
    save_file(tensors, bert / "model.safetensors")
    zoo.load(bert, mesh=make_mesh("fsdp:8"))
    said = "NaN or infinity in 2 tensors: bert.embeddings.LayerNorm.weight, bert.encoder.layer.1.output.dense.bias"
    assert said in caplog.text


def test_a_table_of_other_lengths_is_refused(tmp_path):
    zoo.save(make("marian"), tmp_path)
    edit_config(tmp_path, max_position_embeddings=9)
    with pytest.raises(FormatError, match=r"not what its config\.json makes of it"):
        zoo.load(tmp_path, head=None)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
def test_tokens_that_a_release_suppresses_are_never_generated(file, tmp_path):
    """Marian begins with padding, and would go on with it."""
    model = make("marian", "seq2seq_lm", pad_id=3, decoder_start_id=3)
    model.head.bias[...] = model.head.bias[...].at[0, 3].set(1e4)
    zoo.save(model, tmp_path)
    assert generate(zoo.load(tmp_path), [[5, 6]], max_new_tokens=4).tokens == [[3] * 4]
    settings = json.loads((tmp_path / file).read_text()) if (tmp_path / file).exists() else {}
    (tmp_path / file).write_text(json.dumps(settings | {"bad_words_ids": [[3]]}))
    if file == "generation_config.json":
        edit_config(tmp_path, bad_words_ids=...)
    loaded = zoo.load(tmp_path)
    assert loaded.config.suppress_tokens == (3,)
    assert 3 not in generate(loaded, [[5, 6]], max_new_tokens=4).tokens[0]
    zoo.save(loaded, tmp_path / "again")
    assert zoo.load(tmp_path / "again").config.suppress_tokens == (3,)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "flax_model.msgpack", "a.index"])
def test_a_link_out_of_the_folder_is_not_followed(name, bert, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "file"
    shutil.move(bert / "model.safetensors", outside)
    (bert / name).symlink_to(outside)
    with pytest.raises(FormatError, match="is not a file of its own folder"):
        zoo.load(bert)
