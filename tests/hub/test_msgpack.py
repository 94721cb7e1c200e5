# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""flax_model.msgpack: what the Hub's library wrote from Flax loads, and what we write is the same file."""

import json
from pathlib import Path

import jax
import msgpack as codec
import numpy as np
import pytest

import zoo
from zoo.errors import FormatError
from zoo.hub import weights
from zoo.hub.convert import convert
from zoo.hub.formats.msgpack import read_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "flax"
FAMILIES = sorted(folder.name for folder in GOLDEN.iterdir())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_of_the_flax_library_computes_what_it_did_there(family):
    with np.load(GOLDEN / family / "expected.npz") as expected, jax.default_matmul_precision("highest"):
        inputs = {name: expected[name] for name in expected if name != "logits"}
        logits = zoo.load(GOLDEN / family)(**inputs).logits
        np.testing.assert_allclose(logits, expected["logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_we_write_holds_the_same_tree(family, tmp_path):
    convert(GOLDEN / family, tmp_path / "new", form="msgpack")
    found, expected = (
        codec.unpackb((folder / "flax_model.msgpack").read_bytes(), raw=False)
        for folder in (tmp_path / "new", GOLDEN / family)
    )
    assert flat(found) == flat(expected)


def flat(tree: dict, above: str = "") -> dict:
    """Every array's encoding by its path."""
    parts = [
        flat(value, f"{above}/{name}") if isinstance(value, dict) else {f"{above}/{name}": value}
        for name, value in tree.items()
    ]
    return {path: value for part in parts for path, value in part.items()}


def test_shards_read_as_one(tmp_path):
    whole = GOLDEN / "bert" / "flax_model.msgpack"
    tree = codec.unpackb(whole.read_bytes(), raw=False, strict_map_key=False)
    weight_map = {}
    for number, branch in enumerate(tree):
        file = f"flax_model-{number + 1:05}-of-00002.msgpack"
        (tmp_path / file).write_bytes(codec.packb({branch: tree[branch]}))
        weight_map |= {name: file for name in read_file(tmp_path / file)}
    (tmp_path / "flax_model.msgpack.index.json").write_text(json.dumps({"weight_map": weight_map}))
    found, expected = weights.read(tmp_path), read_file(whole)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (codec.packb([1, 2]), "not a tree of arrays"),
        (codec.packb({"a": "text"}), "'a' is str"),
        (codec.packb({1: {}}), "not text"),
        (codec.packb({"a": codec.ExtType(1, codec.packb(((2,), "object", bytes(16))))}), "damaged"),
        (codec.packb({"a": codec.ExtType(1, codec.packb(((3,), "float32", bytes(8))))}), "damaged"),
        (codec.packb({"a": codec.ExtType(77, b"x")}), "'a' is ExtType"),
        ((GOLDEN / "bert" / "flax_model.msgpack").read_bytes()[:-9], "damaged"),
    ],
)
def test_damaged_files_are_refused(data, message, tmp_path):
    (tmp_path / "a.msgpack").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_file(tmp_path / "a.msgpack")
