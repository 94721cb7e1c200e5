# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Saving and converting: what is written comes back, and nothing saved before is lost."""

import functools
import json
import resource
import subprocess
import sys
import weakref
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from tests.hub.folders import assert_same, make
from zoo.errors import ConfigError
from zoo.hub.convert import FORMS, convert
from zoo.hub.formats import safetensors
from zoo.hub.tensors import Pending, partial
from zoo.models import registry
from zoo.nn.pooling import Dense, Pooling
from zoo.sharding.mesh import make_mesh


def test_shards_round_trip_and_replace_one_another(tmp_path):
    model = make("gpt2", "causal_lm")
    zoo.save(model, tmp_path)
    zoo.save(model, tmp_path, max_shard_bytes=4000)
    names = {path.name for path in tmp_path.iterdir()}
    assert "model.safetensors" not in names and "model.safetensors.index.json" in names and len(names) > 5
    assert_same(zoo.load(tmp_path), model)
    zoo.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1  # whoever may read one may read the other


def _no_space(*_) -> None:
    raise OSError(28, "No space left on device")


def test_a_save_that_fails_leaves_the_last_one(bert, monkeypatch):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}
    monkeypatch.setattr("zoo.hub.save.write_json", _no_space)
    with pytest.raises(ConfigError, match="No space left"):
        zoo.save(make("bert", "pretraining"), bert)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before


def test_what_transformers_cannot_express_is_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="norm_order is 'pre'"):
        zoo.save(make("bert", norm_order="pre"), tmp_path / "never")
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("form", FORMS)
def test_convert_both_ways_and_never_over_another(form, bert, tmp_path):
    model = zoo.load(bert)
    (bert / "vocab.txt").write_text("[PAD]\n")
    convert(bert, tmp_path / "there", form=form)
    convert(tmp_path / "there", tmp_path / "back")
    assert_same(zoo.load(tmp_path / "back"), model)
    assert (tmp_path / "back" / "vocab.txt").exists()
    assert_same(zoo.load(tmp_path / "there", mesh=make_mesh("fsdp:8")), model)
    assert not any(leaf._committed for leaf in jax.tree.leaves(nnx.state(zoo.load(tmp_path / "there"))))
    with pytest.raises(ConfigError, match="already exists and is not empty"):
        convert(bert, tmp_path / "there", form=form)


def test_a_full_disk_is_an_error_and_leaves_the_last_model(bert):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before["model.safetensors"]) // 2, limits[1]))
    try:
        with pytest.raises(ConfigError, match="File too large"):
            zoo.save(make("bert", "pretraining"), bert)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before


def test_files_are_the_librarys_to_the_byte(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"b.kernel": (3, 5), "a": (), "a.b": (7,), "c": (0, 2), "z\u00e9": (2, 3, 4)}
    dtypes = [np.dtype(dtype) for dtype in (np.float32, ml_dtypes.bfloat16, np.float16, np.float32, np.float64)]
    arrays = {
        name: np.asarray(rng.standard_normal(shape)).astype(dtype)
        for (name, shape), dtype in zip(shapes.items(), dtypes, strict=True)
    }
    pending = {
        name: Pending(array.shape, array.dtype, functools.partial(np.array, array), "kernel")
        for name, array in arrays.items()
    }
    (path,) = safetensors.write(tmp_path, pending, max_shard_bytes=10**6)
    save_file(arrays, tmp_path / "theirs", {"format": "pt"})
    assert partial(path).read_bytes() == (tmp_path / "theirs").read_bytes()


def test_no_two_tensors_are_in_memory_at_a_time(tmp_path):
    """Process 0 cannot hold more of a large model than one tensor."""
    alive, most = set(), 0

    def make_one():
        nonlocal most
        array = np.ones(1000, np.float32)
        alive.add(id(array))
        weakref.finalize(array, alive.discard, id(array))
        most = max(most, len(alive))
        return array

    pending = {f"t{number}": Pending((1000,), np.dtype(np.float32), make_one, "kernel") for number in range(9)}
    safetensors.write(tmp_path, pending, max_shard_bytes=10**6)
    assert most <= 2  # the last is dropped when the next is there


def test_another_model_is_not_overwritten(bert, tmp_path):
    before = {path.name: path.read_bytes() for path in bert.iterdir()}
    for other in (make("bert", "masked_lm"), make("gpt2", "causal_lm")):
        with pytest.raises(ConfigError, match=r"another model \(bert, head 'pretraining'\), which is not overwritten"):
            zoo.save(other, bert)
    assert {path.name: path.read_bytes() for path in bert.iterdir()} == before
    model = zoo.load(bert)
    model.head.bias[...] = model.head.bias[...] + 1.0
    zoo.save(model, bert)
    assert_same(zoo.load(bert), model)
    few, many = (make("bert", "sequence_classification", num_labels=count) for count in (3, 5))
    zoo.save(few, bert / "labels")
    with pytest.raises(ConfigError, match="another model"):
        zoo.save(many, bert / "labels")
    (bert / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="holds a model that is not this one"):
        zoo.save(model, bert)


def test_what_another_model_left_is_removed_and_a_tokenizer_stays(tmp_path, caplog):
    folder = tmp_path / "model"
    zoo.save(make("gpt2", "causal_lm"), folder)
    (folder / "generation_config.json").write_text('{"num_beams": 4}')
    (folder / "vocab.json").write_text("{}")
    declaring = zoo.load(folder)
    zoo.save(declaring, folder)
    assert (folder / "generation_config.json").exists()
    zoo.save(make("gpt2", "causal_lm"), folder)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "vocab.json"}
    assert "removed generation_config.json" in caplog.text
    assert zoo.load(folder).generation_config != declaring.generation_config
    pooled = make("bert")
    pooled.pooling = Pooling(normalize=True)
    zoo.save(pooled, tmp_path / "sentences")
    assert zoo.load(tmp_path / "sentences").pooling is not None
    zoo.save(make("bert"), tmp_path / "sentences")
    assert "removed modules.json" in caplog.text and zoo.load(tmp_path / "sentences").pooling is None


@pytest.mark.parametrize("form", ["orbax", "msgpack", "sentences"])
def test_weights_in_another_form_are_not_left_beside_the_new(form, bert, tmp_path):
    """An Orbax checkpoint would even be read in place of what was saved."""
    model, folder = zoo.load(bert), tmp_path / "there"
    if form == "sentences":
        zoo.save(model, folder / "0_Transformer")
        kinds = {"0_Transformer": "Transformer", "1_Pooling": "Pooling"}
        modules = [{"path": name, "type": f"sentence_transformers.models.{kind}"} for name, kind in kinds.items()]
        (folder / "modules.json").write_text(json.dumps(modules))
    else:
        convert(bert, folder, form=form)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=r"another form or file .*choose another folder, or remove"):
        zoo.save(model, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_new_folder_appears_when_it_is_whole(tmp_path, monkeypatch):
    model = make("bert")
    model.pooling = Pooling(dense=(Dense(np.ones((16, 3), np.float32)),), normalize=True, similarity="dot")
    monkeypatch.setattr("zoo.hub.save.write_json", _no_space)
    with pytest.raises(ConfigError, match="No space left"):
        zoo.save(model, tmp_path / "deep" / "new")
    assert not list((tmp_path / "deep").iterdir())
    monkeypatch.undo()
    monkeypatch.setattr("zoo.hub.sentence_transformers.write_json", _no_space)
    zoo.save(make("bert"), tmp_path / "old")
    before = {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()}
    for folder in (tmp_path / "old", tmp_path / "new"):
        with pytest.raises(ConfigError, match="No space left"):
            zoo.save(model, folder)
    assert {path: path.read_bytes() for path in (tmp_path / "old").rglob("*") if path.is_file()} == before
    assert not (tmp_path / "new").exists() and {path.name for path in tmp_path.iterdir()} == {"deep", "old"}


def test_a_converted_folder_appears_when_it_is_whole(bert, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.hub.convert.shutil.copyfile", _no_space)
    (bert / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(ConfigError, match="No space left"):
        convert(bert, tmp_path / "new", form="orbax")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".*"))


def test_the_launcher_converts_and_refuses(bert, tmp_path):
    command = [sys.executable, "-m", "launch.convert", f"--source={bert}", f"--target={tmp_path / 'new'}"]
    run = functools.partial(subprocess.run, command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    done = run()
    assert done.returncode == 0, done.stderr
    assert load_file(tmp_path / "new" / "model.safetensors").keys() == load_file(bert / "model.safetensors").keys()
    refused = run()
    assert refused.returncode == 2 and "ConfigError" in refused.stderr and "Traceback" not in refused.stderr


def test_a_model_for_inference_computes_the_same_and_is_not_saved(tmp_path):
    model = registry.create(registry.config("bert-tiny", vocab_size=37), head="masked_lm")
    fast, tokens = model.for_inference().for_inference(), np.arange(7, dtype=np.int32)[None]
    np.testing.assert_allclose(fast(tokens).logits, model(tokens).logits, atol=1e-5)
    with pytest.raises(ConfigError, match="for_inference"):
        zoo.save(fast, tmp_path)


def test_a_dropout_rate_that_config_json_cannot_hold_is_logged(tmp_path, caplog):
    config = registry.config("bert-tiny", vocab_size=37, num_layers=1, hidden_dropout=0.25)
    zoo.save(registry.create(config, head="masked_lm"), tmp_path)
    assert "hidden_dropout 0.25 from 0.1" in caplog.text or "embed_dropout 0.1 from 0.25" in caplog.text
