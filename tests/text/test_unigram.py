# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""SentencePiece files: read, framed as each family does, refused if damaged."""

import json
import math
import struct
import time
from pathlib import Path

import pytest

from zoo.errors import FormatError
from zoo.text import unigram
from zoo.text.load import load_tokenizer

SPACE = "\u2581"


def field(number: int, value: bytes | float | int) -> bytes:
    """One field of a protocol buffer; numbers are below 128."""
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    if isinstance(value, int):
        return bytes([number << 3, value])
    length, size = len(value), b""
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value


def model(pieces: list[tuple[str, float, int]], kind: int = 1) -> bytes:
    """A file of pieces with their scores and kinds."""
    encoded = [field(1, piece.encode()) + field(2, score) + field(3, which) for piece, score, which in pieces]
    return b"".join(field(1, piece) for piece in encoded) + field(2, field(3, kind)) + field(3, field(1, b"identity"))


WORDS = [(f"{SPACE}{word}", -2.0, 1) for word in ("to", "be", "or", "not")] + [(SPACE, -3.0, 1), ("e", -4.0, 1)]
T5 = [("<pad>", 0.0, 3), ("</s>", 0.0, 3), ("<unk>", 0.0, 2), *WORDS]
XLM = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), *WORDS]


def folder(path: Path, data: bytes, model_type: str | None = None, name: str = "spiece.model") -> Path:
    (path / name).write_bytes(data)
    if model_type:
        (path / "config.json").write_text(json.dumps({"model_type": model_type}))
    return path


def test_pieces_are_read_in_order(tmp_path):
    found = unigram.read_pieces(folder(tmp_path, model(T5)) / "spiece.model")
    assert [piece for piece, _ in found.vocab] == [piece for piece, _, _ in T5]
    assert [score for _, score in found.vocab] == [score for _, score, _ in T5] and found.unk_id == 2
    assert f"{SPACE}be" in found and "be" not in found


def test_t5_has_its_sentinels_behind_the_pieces(tmp_path):
    tokenizer = load_tokenizer(folder(tmp_path, model(T5)))
    assert tokenizer.encode("to be <extra_id_0> or") == [3, 4, 9 + 99, 5, 1]
    assert tokenizer.encode("to", "be") == [3, 1, 4, 1]
    assert (tokenizer.vocab_size, tokenizer.pad_id, tokenizer.eos_id, tokenizer.unk_id) == (109, 0, 1, 2)
    assert tokenizer.decode([3, 4, 1]) == "to be"
    tokenizer.save(tmp_path / "saved")
    assert load_tokenizer(tmp_path / "saved").encode("to be <extra_id_0> or") == [3, 4, 108, 5, 1]


def test_a_control_piece_is_a_special_token(tmp_path):
    tokenizer = load_tokenizer(folder(tmp_path, model([*T5, ("<x>", 0.0, 3)])))
    assert tokenizer.encode("to <x>") == [3, 9, 1] and tokenizer.decode([3, 9, 1]) == "to"
    assert 9 in tokenizer.special_ids


@pytest.mark.parametrize("model_type", [None, "xlm-roberta"])
def test_xlm_roberta_has_the_ids_of_fairseq(model_type, tmp_path):
    tokenizer = load_tokenizer(folder(tmp_path, model(XLM), model_type, "sentencepiece.bpe.model"))
    assert tokenizer.encode("to be", "not") == [0, 4, 5, 2, 2, 7, 2]
    assert tokenizer.encode("to <mask>") == [0, 4, 10, 2] and tokenizer.encode("x") == [0, 8, 3, 2]
    assert (tokenizer.cls_id, tokenizer.pad_id, tokenizer.sep_id, tokenizer.mask_id) == (0, 1, 2, 10)


def test_a_pair_has_types_and_a_cls_of_its_own(tmp_path):
    special = [("<cls>", 0.0, 3), ("<sep>", 0.0, 3), ("<pad>", 0.0, 3), ("<mask>", 0.0, 3)]
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), *special, *WORDS]
    tokenizer = load_tokenizer(folder(tmp_path, model(pieces)))
    assert tokenizer.encode_batch(["to be"]).token_types.tolist() == [[0, 0, 0, 2]]
    batch = tokenizer.encode_batch(["to be"], ["or"])
    assert batch.tokens.tolist() == [[7, 8, 4, 9, 4, 3]] and batch.token_types.tolist() == [[0, 0, 0, 1, 1, 2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "ends after 0 pieces"),
        (b"\xff\xff\xff", "damaged"),
        (model(T5)[:-7], "damaged"),
        (model([(piece, score, 1) for piece, score, _ in T5]), "0 unknown pieces"),
        (model([*T5, ("<unknown>", 0.0, 2)]), "2 unknown pieces"),
        (model([*T5, (f"{SPACE}be", -2.0, 1)]), f"piece 9 .* found '{SPACE}be'"),
        (model([*T5, ("", -2.0, 1)]), "piece 9 must have a name"),
        (model([*T5, ("x", math.nan, 1)]), "piece 9 .* finite score; found 'x' with nan"),
        (model([T5[0], *T5[2:]]), "it lacks </s>"),
        (model(T5, kind=2), "of kind BPE; only UNIGRAM"),
        (field(1, field(1, b"\xff\xfe") + field(3, 2)), "damaged"),
    ],
)
def test_damaged_files_are_refused(data, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        load_tokenizer(folder(tmp_path, data))


def test_a_file_that_ends_early_is_refused_wherever_it_does(tmp_path):
    whole = model(T5)
    for length in range(len(whole)):
        with pytest.raises(FormatError, match="damaged"):
            unigram.read_pieces(folder(tmp_path, whole[:length]) / "spiece.model")


@pytest.mark.parametrize("name", ["t5", "albert-base-v2", "xlnet-base-cased"])
def test_a_long_token_takes_linear_time(assets, name, tmp_path):
    (tmp_path / "spiece.model").write_bytes((assets / "tokenizers" / name / "spiece.model").read_bytes())
    tokenizer = load_tokenizer(tmp_path)
    began = time.perf_counter()
    assert len(tokenizer.encode("a" * 1_000_000)) > 100_000
    assert time.perf_counter() - began < 30
