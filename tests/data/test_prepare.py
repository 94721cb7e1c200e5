# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A prepared folder holds every token once, is made once, and is whole or absent."""

import dataclasses
import fcntl
import json
import os

import numpy as np
import pytest

from zoo.data import prepare as prepare_module
from zoo.data.builders import TokenRecords
from zoo.data.config import DataConfig, TokenizerConfig
from zoo.data.pack import open_rows
from zoo.data.prepare import prepare, read_recipe
from zoo.errors import ConfigError, InputError, IntegrityError
from zoo.text.load import load_tokenizer

SPEECHES = [f"Speaker {i}:\nthe {i} words of this speech" for i in range(40)]


@pytest.fixture
def config(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "play.txt").write_text("\n\n".join(SPEECHES))
    tokenizer = TokenizerConfig(kind="byte_bpe", vocab_size=280)
    return DataConfig(tokenizer=tokenizer, source=str(tmp_path / "text"), seq_len=32, validation_fraction=0.1)


def test_documents_come_back(tmp_path, config):
    folder = prepare(config, tmp_path / "data")
    tokenizer = load_tokenizer(folder / "tokenizer")
    train, validation = TokenRecords(folder, "train"), TokenRecords(folder, "validation")
    texts = [tokenizer.decode(train[i]) for i in range(len(train))]
    assert texts == [text for i, text in enumerate(SPEECHES) if i % 10 != 9]
    assert train[0].dtype == np.int32
    assert [tokenizer.decode(validation[i]) for i in range(4)] == SPEECHES[9::10]
    counts = read_recipe(folder)["train"]
    assert counts == {"documents": 36, "tokens": train.lengths.sum(), "bytes": sum(len(text) for text in texts)}


@pytest.mark.parametrize(("kind", "frame"), [("byte_bpe", 0), ("wordpiece", 2)])
def test_rows_of_each_family(tmp_path, config, kind, frame):
    tokenizer = TokenizerConfig(kind=kind, vocab_size=280)
    folder = prepare(dataclasses.replace(config, tokenizer=tokenizer), tmp_path / "data")
    tokenizer = load_tokenizer(folder / "tokenizer")
    rows = open_rows(folder, "train", tokenizer, seq_len=32, segments="documents")
    counts = read_recipe(folder)["train"]
    stream = counts["tokens"] + (0 if frame else counts["documents"])  # the end token follows each document
    assert sum(int((rows[i]["segments"] > 0).sum()) for i in range(len(rows))) == stream + frame * len(rows)
    if frame:
        assert (rows[0]["tokens"][0], rows[0]["tokens"][-1]) == (tokenizer.cls_id, tokenizer.sep_id)
    else:
        assert tokenizer.eos_id in rows[0]["tokens"]


def test_same_settings_leave_the_folder_alone(tmp_path, config):
    folder = prepare(config, tmp_path / "data")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare(dataclasses.replace(config, seq_len=64), folder) == folder  # rows are cut later
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_settings_are_refused(tmp_path, config):
    folder = prepare(config, tmp_path / "data")
    with pytest.raises(ConfigError, match="document was 'paragraph' and is now 'line'"):
        prepare(dataclasses.replace(config, document="line"), folder)
    (tmp_path / "text" / "more.txt").write_text("another play")
    with pytest.raises(ConfigError, match="text was"):
        prepare(config, folder)
    assert len(TokenRecords(folder, "train")) == 36


def test_ready_tokenizer(tmp_path, config):
    first = prepare(config, tmp_path / "data")
    path = str(first / "tokenizer")
    again = prepare(
        dataclasses.replace(config, tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=999, path=path)),
        tmp_path / "b",
    )
    np.testing.assert_array_equal(TokenRecords(again, "train")[5], TokenRecords(first, "train")[5])


def test_interrupted_preparation_does_not_look_finished(tmp_path, config, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(prepare_module.json, "dumps", lambda *_, **__: 1 / 0)  # dies at the very last file
        with pytest.raises(ZeroDivisionError):
            prepare(config, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    (tmp_path / "data.partial" / "leftover").touch()
    folder = prepare(config, tmp_path / "data")
    assert not (tmp_path / "data.partial").exists()
    assert not (folder / "scratch").exists()
    assert not (folder / "leftover").exists()


def test_two_at_once(tmp_path, config):
    (tmp_path / "data.partial").mkdir()
    hold = os.open(tmp_path / "data.partial", os.O_RDONLY)
    fcntl.flock(hold, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="another process"):
        prepare(config, tmp_path / "data")
    os.close(hold)
    prepare(config, tmp_path / "data")


def test_folders_that_cannot_be_used(tmp_path, config):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="did not write"):
        prepare(config, tmp_path / "full")
    with pytest.raises(ConfigError, match="did not write"):
        prepare(config, tmp_path / "full" / "thesis.tex")
    with pytest.raises(ConfigError, match="cannot be"):
        prepare(config, tmp_path / "full" / "thesis.tex" / "data")
    with pytest.raises(ConfigError, match=r"run launch\.prepare first"):
        read_recipe(tmp_path / "full")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "precious"


def test_empty_folder_is_filled(tmp_path, config):
    (tmp_path / "data").mkdir()
    assert read_recipe(prepare(config, tmp_path / "data"))["format"] == 1


def test_damage_is_found(tmp_path, config):
    folder = prepare(config, tmp_path / "data")
    np.save(folder / "lengths-train.npy", np.ones(3, np.int64))
    with pytest.raises(IntegrityError, match="36 records but 3 lengths"):
        TokenRecords(folder, "train")
    recipe = json.loads((folder / "prepare.json").read_text())
    (folder / "prepare.json").write_text(json.dumps({**recipe, "format": 2}))
    with pytest.raises(IntegrityError, match="format 2"):
        read_recipe(folder)
    (folder / "prepare.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        prepare(config, folder)


@pytest.mark.parametrize(("text", "split"), [(" \n\n ", "train"), ("one speech alone", "validation")])
def test_too_little_text(tmp_path, config, text, split):
    (tmp_path / "text" / "play.txt").write_text(text)
    with pytest.raises(InputError, match=f"{split} split has no text"):
        prepare(config, tmp_path / "data")
    assert not (tmp_path / "data").exists()
