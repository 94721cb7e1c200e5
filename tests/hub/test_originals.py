# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as their authors released them: they compute what Transformers made of them, or are refused."""

import json
import logging
import os
import pickle
import shutil
import tarfile
import time
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError, FormatError
from zoo.hub.formats import npy, tf_checkpoint
from zoo.hub.tensors import fetch

ORIGINALS = Path(__file__).parents[1] / "golden" / "originals"
INDEX, DATA = "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"

HEADS = {
    "bert": "pretraining",
    "albert": "pretraining",
    "electra_discriminator": "replaced_token_detection",
    "electra_generator": "masked_lm",
    "xlnet": "permutation_lm",
    "gpt2": "causal_lm",
    "gpt": "causal_lm",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_release_computes_what_transformers_made_of_it(name):
    head, golden = HEADS[name], np.load(ORIGINALS / f"{name}.npz")
    asked = {"head": head} if name == "electra_generator" else {}
    model = zoo.load(ORIGINALS / name.partition("_")[0], **asked)
    assert model.head_name == head
    out = model(golden["tokens"], token_types=golden.get("token_types"))
    for kind in set(golden) & {"logits", "pair_logits"}:
        np.testing.assert_allclose(getattr(out, kind), golden[kind], atol=1e-4)
    assert "logits" in golden


@pytest.fixture
def bert(tmp_path):
    return shutil.copytree(ORIGINALS / "bert", tmp_path / "bert")


def test_optimizer_state_is_ignored_and_logged(bert, caplog):
    with caplog.at_level(logging.INFO):
        tensors = tf_checkpoint.read_file(bert / INDEX)
    assert "passed over 3 tensors of the optimizer" in caplog.text
    assert not [name for name in tensors if "adam" in name or "global_step" in name]


def test_any_head_and_the_bare_model_load(bert):
    assert zoo.load(bert, head=None).head_name is None
    assert zoo.load(bert, head="masked_lm").head_name == "masked_lm"
    assert zoo.load(bert, head="token_classification", num_labels=5).config.num_labels == 5


def test_a_release_becomes_a_hub_folder(bert, tmp_path):
    zoo.save(zoo.load(bert), tmp_path / "hub")
    golden = np.load(ORIGINALS / "bert.npz")
    out = zoo.load(tmp_path / "hub")(golden["tokens"], token_types=golden["token_types"])
    np.testing.assert_allclose(out.logits, golden["logits"], atol=1e-4)


def test_one_of_several_is_named_as_tensorflow_does(bert):
    for name in (INDEX, DATA):
        shutil.copy(bert / name, bert / name.replace("bert_model", "other"))
    with pytest.raises(FormatError, match=f"several checkpoints; pass the path of one of {INDEX}, other"):
        zoo.load(bert)
    for path in (bert / "other.ckpt", bert / "other.ckpt.index"):
        assert zoo.load(path).head_name == "pretraining"


def test_a_config_json_goes_before_the_authors(bert):
    config = json.loads((bert / "bert_config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "model_type": "bert", "num_attention_heads": 4}))
    assert zoo.config(bert).num_heads == 4
    assert zoo.load(bert, head="masked_lm").config.num_heads == 4


@pytest.mark.parametrize(
    "name, file", [("bert", "bert_config.json"), ("xlnet", "xlnet_config.json"), ("gpt2", "hparams.json")]
)
def test_a_missing_config_is_an_error_that_names_it(name, file, tmp_path):
    folder = shutil.copytree(ORIGINALS / name, tmp_path / name)
    (folder / file).unlink()
    with pytest.raises(FormatError, match=f"lacks config.json or {file}"):
        zoo.load(folder)


def test_a_config_of_other_sizes_lists_what_does_not_fit(bert):
    path = bert / "bert_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 3, "vocab_size": 38}))
    with pytest.raises(FormatError) as refusal:
        zoo.load(bert)
    assert "missing: bert/encoder/layer_2/attention/self/query/kernel [24, 24]" in str(refusal.value)
    assert "bert/embeddings/word_embeddings: expected [38, 24], found [37, 24]" in str(refusal.value)


def test_layers_beyond_the_config_are_unexpected(bert):
    path = bert / "bert_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 1}))
    with pytest.raises(FormatError, match="unexpected: bert/encoder/layer_1/attention/output/LayerNorm/beta"):
        zoo.load(bert)


def test_every_truncation_of_the_index_is_refused(bert):
    whole = (bert / INDEX).read_bytes()
    for size in [*range(0, len(whole), 17), len(whole) - 1]:
        (bert / INDEX).write_bytes(whole[:size])
        with pytest.raises(FormatError, match="damaged, or not the index of a TensorFlow checkpoint"):
            tf_checkpoint.read_file(bert / INDEX)


def test_every_flipped_byte_of_the_index_is_refused_or_changes_nothing(bert):
    whole, expected = (bert / INDEX).read_bytes(), tf_checkpoint.read_shapes(bert / INDEX)
    for place in range(0, len(whole), 7):
        (bert / INDEX).write_bytes(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :])
        try:
            assert tf_checkpoint.read_shapes(bert / INDEX) == expected
        except FormatError:
            continue


def test_a_flipped_byte_of_the_data_is_found_by_its_checksum(bert):
    data = bytearray((bert / DATA).read_bytes())
    data[len(data) // 2] ^= 1
    (bert / DATA).write_bytes(data)
    with pytest.raises(FormatError, match=r"checksum of 'bert/encoder/.*' is wrong"):
        zoo.load(bert)


def test_data_that_is_truncated_or_absent_is_refused(bert):
    os.truncate(bert / DATA, 1000)
    with pytest.raises(FormatError, match=r"has 1000 bytes; '.*' ends at byte"):
        zoo.load(bert)
    (bert / DATA).unlink()
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        zoo.load(bert)
    os.mkfifo(bert / DATA)
    with pytest.raises(FormatError, match="not a regular file"):
        zoo.load(bert)


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def block(entries: list[tuple[bytes, bytes]], kind: int = 0) -> bytes:
    body = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    body += bytes(4) + (1).to_bytes(4, "little") + bytes([kind])
    checksum = google_crc32c.value(body)
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) % 2**32
    return body + masked.to_bytes(4, "little")


def index(entries: list[tuple[bytes, bytes]], *, kind: int = 0, repeat: int = 1, header: bytes | None = None) -> bytes:
    """A table of one block, which its own index names once or several times."""
    first = block([(b"", field(1, 1) if header is None else header), *entries], kind)
    handle = varint(0) + varint(len(first) - 5)
    second = block([(b"~", handle)] * repeat)
    footer = handle + varint(len(first)) + varint(len(second) - 5)
    return first + second + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def entry(kind: int = 1, shape: tuple[int, ...] = (2,), size: int = 8, shard: int = 0, more: bytes = b"") -> bytes:
    dims = b"".join(field(2, field(1, dim)) for dim in shape)
    return field(1, kind) + field(2, dims) + field(3, shard) + field(4, 0) + field(5, size) + more


def test_the_helper_makes_what_is_read(tmp_path):
    (tmp_path / "m.index").write_bytes(index([(b"a", entry()), (b"text", entry(kind=7))]))
    assert tf_checkpoint.read_shapes(tmp_path / "m.index") == {"a": (2,)}


HOSTILE = {
    "a compressed block": (index([(b"a", entry())], kind=1), "compressed blocks"),
    "one block again and again": (index([(b"a", entry())], repeat=2), "blocks that overlap"),
    "one tensor twice": (index([(b"a", entry())] * 2), "has 'a' twice"),
    "a tensor in slices": (index([(b"a", entry(more=field(7, b"")))]), "in slices"),
    "an unknown kind": (index([(b"a", entry(kind=20))]), "has 'a' of kind 20"),
    "a file that is not there": (index([(b"a", entry(shard=1))]), "in data file 1 of 1"),
    "a shape of other bytes": (index([(b"a", entry(shape=(3,)))]), r"of shape \[3\] in 8 bytes"),
    "a negative size": (index([(b"a", entry(shape=(2**64 - 1,)))]), "of shape"),
    "an overflow": (index([(b"a", entry(shape=(2**32, 2**32)))]), "of shape"),
    "no header": (index([], header=b""), "declares 0 data files"),
    "many files": (index([], header=field(1, 10**6)), "1000000 data files"),
    "another byte order": (index([], header=field(1, 1) + field(2, 1)), "big-endian"),
    "a message cut short": (index([(b"a", b"\x12\x7f")]), "cut short"),
    "a number without end": (index([(b"a", b"\xff" * 12)]), "number without an end"),
    "a long name": (index([(b"a" * 2000, entry())]), "entries do not fit"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_indexes_are_refused_at_once(kind, tmp_path):
    data, message = HOSTILE[kind]
    (tmp_path / "m.index").write_bytes(data)
    start = time.thread_time()
    with pytest.raises(FormatError, match=message):
        tf_checkpoint.read_file(tmp_path / "m.index")
    assert time.thread_time() - start < 1


def test_names_of_no_release_are_refused(tmp_path):
    name = b"layer-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"  # as TensorFlow 2 saves
    (tmp_path / "m.index").write_bytes(index([(name, entry())]))
    with pytest.raises(FormatError, match=r"such as 'layer-0.*', are of no known release: those of bert, albert"):
        zoo.load(tmp_path)
    (tmp_path / "config.json").write_text((ORIGINALS / "bert" / "bert_config.json").read_text())
    with pytest.raises(ConfigError, match="has neither 'model_type'"):
        zoo.load(tmp_path)


def test_a_family_without_a_release_is_refused(bert):
    config = json.loads((bert / "bert_config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
    with pytest.raises(FormatError, match="no release of roberta in this format is known"):
        zoo.load(bert)


def test_electra_of_other_heads_needs_a_config(tmp_path):
    shapes = {
        b"electra/embeddings/word_embeddings": (7, 3),
        b"electra/encoder/layer_0/intermediate/dense/kernel": (9, 8),
    }
    entries = [(name, entry(shape=shape, size=4 * shape[0] * shape[1])) for name, shape in shapes.items()]
    (tmp_path / "m.index").write_bytes(index(entries))
    with pytest.raises(ConfigError, match=r"width 9 is not a multiple of 64; put a config\.json"):
        zoo.load(tmp_path)
    (tmp_path / "m.index").write_bytes(index(entries[:1]))
    with pytest.raises(ConfigError, match="'electra/encoder/layer_0/intermediate/dense/kernel' is missing"):
        zoo.load(tmp_path)


@pytest.fixture
def gpt(tmp_path):
    return shutil.copytree(ORIGINALS / "gpt", tmp_path / "gpt")


def test_the_real_layout_of_gpt_reads_number_for_number(assets, tmp_path):
    with tarfile.open(assets / "weights" / "gpt1-format-fixture" / "transformer_small.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "model"
    with pytest.raises(ConfigError, match="width 10 is not a multiple of 64"):
        zoo.load(folder)
    sizes = dict(vocab_size=50, n_embd=10, n_layer=2, n_head=2, n_positions=50)
    (folder / "config.json").write_text(json.dumps({"model_type": "openai-gpt", **sizes}))
    state = zoo.load(folder)
    vector = np.concatenate([np.load(folder / f"params_{number}.npy") for number in range(2)])
    np.testing.assert_array_equal(state.embed.position.embedding[...], vector[:500].reshape(50, 10))
    np.testing.assert_array_equal(state.embed.token.embedding[...], vector[500:1000].reshape(50, 10))
    np.testing.assert_array_equal(state.stack.blocks.mlp_norm.bias[...][1], vector[-10:])


def test_files_that_disagree_with_the_shapes_are_refused(gpt):
    (gpt / "params_9.npy").unlink()
    with pytest.raises(FormatError, match=r"describes \d+ numbers; params_\*.npy hold \d+"):
        zoo.load(gpt)
    shapes = json.loads((gpt / "params_shapes.json").read_text())
    (gpt / "params_shapes.json").write_text(json.dumps(shapes[:-1]))
    with pytest.raises(FormatError, match="two shapes and twelve a layer"):
        zoo.load(gpt)


class Canary:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("kind", ["pickle", "npz", "text", "ints", "matrix", "short"])
def test_arrays_of_other_kinds_are_refused_and_nothing_is_run(kind, gpt, tmp_path):
    path, canary = gpt / "params_3.npy", tmp_path / "canary"
    data = path.read_bytes()
    if kind == "pickle":
        np.save(path, np.array([Canary(canary)], object), allow_pickle=True)
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, a=np.zeros(3))
    elif kind == "text":
        path.write_bytes(pickle.dumps(Canary(canary)))
    elif kind == "ints":
        np.save(path, np.arange(3))
    elif kind == "matrix":
        np.save(path, np.zeros((3, 1), np.float32))
    else:
        path.write_bytes(data[:-4])
    with pytest.raises(FormatError, match=r"params_3.npy (must hold a vector of floats|is damaged)"):
        zoo.load(gpt)
    assert not canary.exists()


@pytest.mark.parametrize("shape", ["x", [0], [-1], [2.0], [True], [2**40], []])
def test_shapes_that_are_none_are_refused(shape, gpt):
    shapes = json.loads((gpt / "params_shapes.json").read_text())
    (gpt / "params_shapes.json").write_text(json.dumps([*shapes[:-1], shape]))
    with pytest.raises(FormatError, match="two shapes and twelve a layer"):
        npy.read_shapes(gpt / "params_shapes.json")


def test_a_file_cut_short_after_it_was_opened_is_an_error(bert):
    tensors = tf_checkpoint.read_file(bert / INDEX)
    os.truncate(bert / DATA, 10)
    with pytest.raises(FormatError, match="cut short while"):
        fetch(tensors["bert/pooler/dense/kernel"])
