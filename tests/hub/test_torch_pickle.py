# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""pytorch_model.bin: every form that torch writes is read, and nothing that a pickle asks for is ever run."""

import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import FormatError
from zoo.hub.formats.torch_pickle import read_file

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "torch"
FORMS = ("zip", "zip_ordered", "zip_protocol4", "legacy")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_as_torch_wrote_it(form):
    found = read_file(GOLDEN / f"{form}.bin")
    with np.load(GOLDEN / "expected.npz") as expected:
        assert set(found) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name].astype(np.float32), array, err_msg=name)
    assert found["half"].dtype == np.float16 and found["bfloat"].dtype.name == "bfloat16"
    assert not any(array.flags.writeable for name, array in found.items() if array.size)


def test_a_training_state_is_not_weights():
    with pytest.raises(FormatError, match="'state_dict' is dict, not a tensor"):
        read_file(GOLDEN / "training_state.bin")


def archive(path: Path, program: bytes, *, compression: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """A zip file as torch writes it, around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        for name, data in members.items():
            file.writestr(f"archive/data/{name}", data)
    return path


class Reduce:
    """Pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def touch(path: Path) -> str:
    return f"touch {path}"


def evil(canary: Path) -> dict[str, bytes]:
    """Programs that would leave a file behind if any part of them ran."""
    call = Reduce(os.system, touch(canary))
    code = f"open({str(canary)!r}, 'w')"
    return {
        "system": pickle.dumps({"a": call}, 2),
        "system_protocol4": pickle.dumps({"a": call}, 4),
        "eval": pickle.dumps({"a": Reduce(eval, code)}, 2),
        "exec": pickle.dumps(Reduce(exec, code), 2),
        "numpy": pickle.dumps({"a": np.array([call], dtype=object)}, 2),
        "nested": pickle.dumps({"a": Reduce(pickle.loads, pickle.dumps(call))}, 2),
        "getattr": b"\x80\x02cbuiltins\ngetattr\n.",
        "torch_load": b"\x80\x02ctorch\nload\n(X\x01\x00\x00\x00xtR.",
        "dotted": b"\x80\x04\x8c\x0bcollections\x8c\x16OrderedDict.fromkeys.x\x93.",
        "inst": b"(S'" + touch(canary).encode() + b"'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'" + touch(canary).encode() + b"'\no.",
        "newobj": b"\x80\x02cos\nsystem\n)\x81.",
        "extension": b"\x80\x02\x82\x01.",
        "build": b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aK\x01sb.",
        "build_on_name": b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.",
    }


@pytest.mark.parametrize("name", evil(Path("x")))
def test_nothing_is_run(name, tmp_path):
    canary = tmp_path / "canary"
    program = evil(canary)[name]
    for form, path in {"zip": archive(tmp_path / "a.bin", program), "legacy": tmp_path / "b.bin"}.items():
        if form == "legacy":
            path.write_bytes(program)
        with pytest.raises(FormatError):
            read_file(path)
    assert not canary.exists()


def tensor(storage: str, *, offset=0, shape=(2,), strides=(1,), size=2, key="0") -> bytes:
    """A program that makes one tensor."""

    def integers(values) -> bytes:
        return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", value) for value in values) + b"t"

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    identity = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu")
    identity += b"\x8a\x08" + struct.pack("<q", size) + b"tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + integers([offset])[1:-1]
    return (
        b"\x80\x02}"
        + text("a")
        + rebuild
        + integers(shape)
        + integers(strides)
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )


def test_the_helper_makes_what_is_read(tmp_path):
    path = archive(tmp_path / "a.bin", tensor("FloatStorage"), **{"0": struct.pack("<2f", 1.0, 2.0)})
    assert read_file(path)["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (tensor("FloatStorage", shape=(3,)), "reaches beyond its storage"),
        (tensor("FloatStorage", offset=1), "reaches beyond its storage"),
        (tensor("FloatStorage", strides=(-1,)), "not described by whole numbers"),
        (tensor("FloatStorage", shape=(-2,)), "not described by whole numbers"),
        (tensor("FloatStorage", shape=(2**62, 2**62), strides=(0, 0)), "damaged"),
        (tensor("FloatStorage", shape=(2, 2)), "damaged"),
        (tensor("FloatStorage", size=4), "end behind the file's end"),
        (tensor("FloatStorage", key="../../etc/passwd"), "damaged"),
        (tensor("QInt8Storage"), "no weights need"),
        (pickle.dumps([1, 2], 2), "not a dictionary of tensors"),
        (pickle.dumps({}, 2), "not a dictionary of tensors"),
        (b"\x80\x02}", "damaged"),
        (b"\x80\x02u.", "damaged"),
        (b"", "damaged"),
    ],
)
def test_damaged_files_are_refused(program, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        read_file(archive(tmp_path / "a.bin", program, **{"0": struct.pack("<2f", 1.0, 2.0)}))


def test_bombs_cost_nothing(tmp_path):
    """Compressed members, and structures that are small as a program and huge if anything walks through them."""
    zeros = archive(tmp_path / "zip.bin", bytes(50_000_000), compression=zipfile.ZIP_DEFLATED)
    laughs = b"\x80\x02K\x01K\x01\x86" + b"q\x00h\x00\x86" * 200
    paths = [
        archive(tmp_path / "key.bin", b"\x80\x02}" + laughs[2:] + b"K\x01s."),
        archive(tmp_path / "value.bin", b"\x80\x02}X\x01\x00\x00\x00a" + laughs[2:] + b"s."),
        archive(tmp_path / "identity.bin", laughs + b"Q."),
        archive(tmp_path / "name.bin", laughs + b"X\x01\x00\x00\x00a\x93."),
        archive(tmp_path / "long.bin", b"\x80\x02\x8b\xff\xff\xff\x7f."),
    ]
    tracemalloc.start()
    began = time.perf_counter()
    for path in (zeros, *paths):
        with pytest.raises(FormatError):
            read_file(path)
    assert time.perf_counter() - began < 1.0
    assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    tracemalloc.stop()


def test_zips_with_tricks_are_refused(tmp_path):
    data = struct.pack("<2f", 1.0, 2.0)
    twice = tmp_path / "twice.bin"
    with zipfile.ZipFile(twice, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        file.writestr("archive/data.pkl", tensor("FloatStorage"))
        file.writestr("archive/data/0", data)
        file.writestr("archive/data/0", data)
    outside = archive(tmp_path / "outside.bin", tensor("FloatStorage"), **{"../../../0": data})
    cut = tmp_path / "cut.bin"
    cut.write_bytes((GOLDEN / "zip.bin").read_bytes()[:-700])
    big = tmp_path / "big.bin"
    with zipfile.ZipFile(big, "w") as file:
        file.writestr("archive/data.pkl", tensor("FloatStorage"))
        file.writestr("archive/byteorder", "big")
        file.writestr("archive/data/0", data)
    for path, message in ((twice, "one name"), (outside, "damaged"), (cut, "damaged"), (big, "little-endian")):
        with pytest.raises(FormatError, match=message):
            read_file(path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_any_truncation_and_any_flipped_byte_is_read_or_refused(form, tmp_path):
    whole = (GOLDEN / f"{form}.bin").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "a.bin"
    for _ in range(150):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        for data in (bytes(broken), whole[: rng.integers(len(whole))]):
            path.write_bytes(data)
            try:
                {name: array.sum() for name, array in read_file(path).items()}
            except FormatError:
                pass


def test_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.bin")
    with pytest.raises(FormatError, match="not a regular file"):
        read_file(tmp_path / "a.bin")


def test_a_flipped_bit_in_the_numbers_is_found_by_their_checksum(tmp_path):
    whole = bytearray((GOLDEN / "zip.bin").read_bytes())
    whole[whole.index(np.load(GOLDEN / "expected.npz")["plain"].tobytes()) + 5] ^= 1
    (tmp_path / "a.bin").write_bytes(whole)
    with pytest.raises(FormatError, match="checksum of its member 'zip/data/0' is wrong"):
        read_file(tmp_path / "a.bin")


def test_every_bit_of_the_pickle_is_checked(tmp_path):
    whole = (GOLDEN / "zip.bin").read_bytes()
    with zipfile.ZipFile(GOLDEN / "zip.bin") as archive:
        program = archive.read("zip/data.pkl")
    start = whole.index(program)
    for place in range(0, len(program), 29):
        (tmp_path / "a.bin").write_bytes(
            whole[: start + place] + bytes([whole[start + place] ^ 1]) + whole[start + place + 1 :]
        )
        with pytest.raises(FormatError):
            read_file(tmp_path / "a.bin")


def test_a_bomb_in_the_byte_order_costs_nothing(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.bin", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr(zipfile.ZipInfo("a/data.pkl"), tensor("FloatStorage"))
        bomb.writestr("a/byteorder", bytes(10**8))
    tracemalloc.start()
    with pytest.raises(FormatError, match="'a/byteorder' is compressed"):
        read_file(tmp_path / "a.bin")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
