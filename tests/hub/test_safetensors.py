# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The reader takes what the format allows, and refuses every malformed file with a FormatError."""

import json
import os
import time
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from zoo.errors import FormatError
from zoo.hub import weights
from zoo.hub.formats import safetensors


def entry(start=0, stop=4, shape=(1,), dtype="F32", **more) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, stop]} | more


def raw(header, data=b"\0" * 4, length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


MALFORMED = {
    "empty": b"",
    "seven bytes": b"\0" * 7,
    "length beyond the file": raw({"a": entry()}, length=10**6),
    "length 2^64 - 1": raw({"a": entry()}, length=2**64 - 1),
    "no JSON": raw(b"{not json"),
    "not UTF-8": raw(b'{"\xff": 1}'),
    "leading space": raw(b' {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'),
    "a list": raw(b"[]", b""),
    "deep": raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "huge number": raw(b'{"a": ' + b"9" * 10_000 + b"}"),
    "repeated key": raw(b'{"a": %s, "a": %s}' % ((json.dumps(entry()).encode(),) * 2)),
    "unknown field": raw({"a": entry(extra=1)}),
    "unknown dtype": raw({"a": entry(dtype="F4")}),
    "dtype no text": raw({"a": entry(dtype=["F32"])}),
    "truncated": raw({"a": entry()}, b"\0" * 3),
    "trailing": raw({"a": entry()}, b"\0" * 5),
    "hole": raw({"a": entry(), "b": entry(5, 9)}, b"\0" * 9),
    "overlap": raw({"a": entry(), "b": entry(2, 6)}, b"\0" * 6),
    "reversed": raw({"a": entry(4, 0)}),
    "negative": raw({"a": entry(shape=(-1, -1))}),
    "bool": raw({"a": entry(shape=(True,))}),
    "float": raw({"a": entry(shape=(1.0,))}),
    "wrong product": raw({"a": entry(shape=(2,))}),
    "overflow": raw({"a": entry(0, 0, shape=(0, 2**62))}, b""),
    "metadata": raw({"__metadata__": {"a": 1}, "a": entry()}),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_files_are_refused(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(MALFORMED[kind])
    with pytest.raises(FormatError, match=r"model\.safetensors"):
        safetensors.read_file(path)


def test_every_dtype_reads_as_the_library_writes_it(tmp_path):
    floats = [np.float64, np.float32, np.float16, ml_dtypes.bfloat16]
    kinds = [*floats, np.int64, np.int32, np.int16, np.int8, np.uint8, bool]
    tensors = {np.dtype(kind).name: np.arange(6).reshape(2, 3).astype(kind) for kind in kinds}
    tensors |= {"scalar": np.array(3, np.float32), "none": np.zeros((0, 5), np.float32)}
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    found = weights.read(tmp_path)
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_any_truncation_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.arange(4, dtype=np.float32), "b": np.ones((2, 2), np.float32)}, path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            safetensors.read_file(path)


@pytest.fixture
def sharded(tmp_path):
    """A folder with two shards, beside a file that is none of its business."""
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"secret": np.ones(1, np.float32)}, tmp_path / "outside.safetensors")
    for name in ("a", "b"):
        save_file({name: np.ones(1, np.float32)}, folder / f"{name}.safetensors")
    return folder


def index(folder, weight_map) -> None:
    (folder / safetensors.INDEX).write_text(json.dumps({"weight_map": weight_map}))


GOOD = {"a": "a.safetensors", "b": "b.safetensors"}


def test_shards_read_as_one(sharded):
    index(sharded, GOOD)
    assert set(weights.read(sharded)) == {"a", "b"}


@pytest.mark.parametrize(
    "weight_map",
    [
        {},
        [],
        {"secret": "../outside.safetensors"},
        {"secret": "..\\outside.safetensors"},
        {"secret": "link.safetensors"},
        {"a": "a.safetensors\0"},
        {"a": ""},
        {"a": ".."},
        {"a": 7},
        {"a": None},
        {"a": True},
        {"a": ["a.safetensors"]},
        {"a": "pipe.safetensors"},
        {"a": "absent.safetensors"},
        {"a": "./a.safetensors"},
        {"a": "a.safetensors"} | {"b": "a.safetensors"},
        {"b": "b.safetensors", "c": "a.safetensors"},
    ],
)
def test_indexes_that_lead_astray_are_refused(sharded, weight_map):
    (sharded / "link.safetensors").symlink_to(sharded.parent / "outside.safetensors")
    os.mkfifo(sharded / "pipe.safetensors")
    index(sharded, weight_map)
    with pytest.raises(FormatError):
        weights.read(sharded)


def test_an_absolute_path_and_a_repeated_tensor_are_refused(sharded):
    index(sharded, {"secret": str(sharded.parent / "outside.safetensors")})
    with pytest.raises(FormatError, match="not a file of its own folder"):
        weights.read(sharded)
    (sharded / safetensors.INDEX).write_text('{"weight_map": {"a": "a.safetensors", "a": "b.safetensors"}}')
    with pytest.raises(FormatError, match="appears twice"):
        weights.read(sharded)


def test_a_hub_cache_is_read_through_its_links(sharded):
    snapshot, blobs = sharded / "snapshots" / "revision", sharded / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name in GOOD.values():
        (sharded / name).rename(blobs / name)
        (snapshot / name).symlink_to(blobs / name)
    index(snapshot, GOOD)
    assert set(weights.read(snapshot)) == {"a", "b"}


def test_a_header_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.write((100_000_001).to_bytes(8, "little"))
        file.truncate(100_000_100)  # sparse
    tracemalloc.start()
    with pytest.raises(FormatError, match="truncated or not a safetensors file"):
        safetensors.read_file(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_names_like_paths_are_names(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw({"a\0": entry(0, 0, (0,)), "../../b": entry(0, 0, (0,))}, b""))
    assert set(safetensors.read_file(path)) == {"a\0", "../../b"}
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_far_too_many_tensors_are_refused_at_once(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw({str(number): entry(0, 0, (0,)) for number in range(200_000)}, b""))
    start = time.thread_time()
    with pytest.raises(FormatError, match="more than 20000 tensors"):
        safetensors.read_file(path)
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("target", ["folder", "device", "loop"])
def test_an_index_leads_to_no_folder_device_or_loop(target, sharded):
    link = sharded / "x.safetensors"
    if target == "folder":
        link.mkdir()
    else:
        link.symlink_to("/dev/zero" if target == "device" else link)
    index(sharded, {"a": "x.safetensors"})
    with pytest.raises(FormatError):
        weights.read(sharded)


@pytest.mark.parametrize("text", ['{"weight_map": {"a": NaN}}', '{"metadata": {"total_size": NaN}, "weight_map": {}}'])
def test_an_index_with_nan_is_refused(text, sharded):
    (sharded / safetensors.INDEX).write_text(text)
    with pytest.raises(FormatError, match="NaN is not JSON"):
        weights.read(sharded)


def test_tensors_are_counted_however_their_keys_are_spelled(tmp_path):
    header = {str(number): entry(0, 0, (0,)) for number in range(20_002)}
    text = json.dumps(header).replace("data_offsets", "data_\\u006fffsets").encode()
    (tmp_path / "model.safetensors").write_bytes(raw(text, b""))
    with pytest.raises(FormatError, match="more than 20000 tensors"):
        safetensors.read_file(tmp_path / "model.safetensors")


def test_an_index_of_a_million_entries_is_refused_at_once(sharded):
    index(sharded, {f"t{number}": "a.safetensors" for number in range(10**6)})
    start = time.thread_time()
    with pytest.raises(FormatError, match="a regular file of at most 8388608 bytes"):
        weights.read(sharded)
    assert time.thread_time() - start < 1
