# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A prepared folder holds every token once, is made once, and is whole or absent."""

import dataclasses
import fcntl
import json
import os
import random
import re

import jax
import numpy as np
import pytest

from tests.objectives.fakes import Vocabulary
from zoo.data import SentencePairsConfig, TextConfig, WholeDocumentsConfig, checked
from zoo.data import prepare as prepare_module
from zoo.data.config import TokenizerConfig
from zoo.data.prepare import read_manifest
from zoo.data.tokens import TokenFiles, TokenWriter
from zoo.errors import ConfigError, FormatError, InputError, IntegrityError
from zoo.files import sha256
from zoo.text.load import load_tokenizer

SPEECHES = [f"Speaker {i}:\nthe {i} words of this speech" for i in range(40)]


@pytest.fixture
def config(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "play.txt").write_text("\n\n".join(SPEECHES))
    tokenizer = TokenizerConfig(kind="byte_bpe", vocab_size=280)
    return TextConfig(tokenizer=tokenizer, source=str(tmp_path / "text"), seq_len=32, validation_fraction=0.1)


def files(folder, split="train"):
    return TokenFiles(folder, split, read_manifest(folder)[split]["files"])


def documents(folder, split="train"):
    stream = files(folder, split)
    return np.split(np.asarray(stream.tokens), stream.ends[:-1])


def test_documents_come_back(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    tokenizer = load_tokenizer(folder / "tokenizer")
    train = documents(folder)
    texts = [tokenizer.decode(document) for document in train]
    assert texts == [text for i, text in enumerate(SPEECHES) if i % 10 != 9]
    assert train[0].dtype == np.uint16
    assert {int(document[-1]) for document in train} == {tokenizer.eos_id}
    assert [tokenizer.decode(document) for document in documents(folder, "validation")] == SPEECHES[9::10]
    counts = {name: read_manifest(folder)["train"][name] for name in ("documents", "tokens", "bytes")}
    tokens = sum(len(document) - 1 for document in train)
    assert counts == {"documents": 36, "tokens": tokens, "bytes": sum(len(text) for text in texts)}


def test_a_large_vocabulary_takes_more_bytes(tmp_path):
    for size, dtype in ((2**16, np.uint16), (2**16 + 1, np.int32)):
        with TokenWriter(tmp_path, "train", size, None) as writer:
            writer.append([([1, size - 1], [True, False]), ([7], [True])])
            writer.append([])
        read = TokenFiles(tmp_path, "train", writer.recorded())
        assert (np.asarray(read.tokens).tolist(), read.ends.tolist()) == ([1, size - 1, 7], [2, 3])
        assert read.tokens.dtype == dtype


def test_files_of_many_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(checked, "BLOCK", 16)
    lengths = np.random.default_rng(0).integers(1, 9, 2000).tolist()
    with TokenWriter(tmp_path, "train", 300, 0) as writer:
        for start in range(0, 2000, 7):
            writer.append([([n] * n, [True] + [False] * (n - 1)) for n in lengths[start : start + 7]])
    recorded = writer.recorded()
    read = TokenFiles(tmp_path, "train", recorded)
    assert np.asarray(read.tokens).tolist() == [token for length in lengths for token in [*[length] * length, 0]]
    assert np.diff(read.ends, prepend=0).tolist() == [length + 1 for length in lengths]
    starts = np.unpackbits(np.asarray(read.word_bits), bitorder="little")
    assert not starts[len(read.tokens) :].any() and len(starts) - len(read.tokens) < 8
    assert starts[: len(read.tokens)].tolist() == [int(i in (0, n)) for n in lengths for i in range(n + 1)]
    with (tmp_path / "train.tokens.npy").open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"x")
    damaged = TokenFiles(tmp_path, "train", recorded)
    damaged.tokens.take(np.arange(100))
    with pytest.raises(IntegrityError, match="is not what was prepared"):
        damaged.tokens.take(np.arange(len(damaged.tokens)))


@pytest.mark.parametrize(
    ("kind", "special", "frame"), [("byte_bpe", "", 0), ("wordpiece", "", 2), ("byte_bpe", "roberta", 2)]
)
def test_sequences_of_each_family(tmp_path, config, kind, special, frame):
    tokenizer = TokenizerConfig(kind=kind, vocab_size=280, special=special)
    config = dataclasses.replace(config, tokenizer=tokenizer)
    folder = config.prepare(tmp_path / "data")
    tokenizer = load_tokenizer(folder / "tokenizer")
    dataset = config.open(cache_dir=tmp_path, data_dir=folder)
    examples, counts = dataset.split("train"), dataset.manifest["train"]
    batch = examples.read(np.arange(len(examples)))
    stream = counts["tokens"] + (0 if frame else counts["documents"])  # the end token follows each document
    assert (batch["segments"] > 0).sum() == stream + frame * len(examples)
    if frame:
        assert batch["tokens"][0, [0, -1]].tolist() == [tokenizer.cls_id, tokenizer.sep_id]
    else:
        assert tokenizer.eos_id in batch["tokens"][0]
    assert batch.keys() == dataset.schema.keys() == config.outline(tokenizer).schema.keys()
    held = dataset.manifest["validation"]
    assert dataset.bytes_per_token == held["bytes"] / held["tokens"]


@pytest.mark.parametrize(("kind", "size"), [("byte_bpe", 280), ("wordpiece", 64)])
def test_words_begin_where_the_tokenizer_says(tmp_path, config, kind, size):
    texts = [" ".join(f"{i * n * 7919:x}" for n in range(1, 9)) for i in range(40)]
    (tmp_path / "text" / "play.txt").write_text("\n\n".join(texts))
    config = dataclasses.replace(config, tokenizer=TokenizerConfig(kind=kind, vocab_size=size), word_starts=True)
    dataset = config.open(cache_dir=tmp_path, data_dir=config.prepare(tmp_path / "data"))
    examples, tokenizer = dataset.split("train"), dataset.tokenizer
    batch = examples.read(np.arange(len(examples)))
    end = [] if kind == "wordpiece" else [(tokenizer.eos_id, 1)]
    words = tokenizer.encode_words([text for i, text in enumerate(texts) if i % 10 != 9])
    expected = [pair for ids, starts in words for pair in [*zip(ids, map(int, starts), strict=True), *end]]
    assert {start for _, start in expected} == {0, 1}
    inner = batch["segments"] > 0
    if kind == "wordpiece":
        special = np.isin(batch["tokens"], (tokenizer.cls_id, tokenizer.sep_id)) & inner
        assert special.sum() == 2 * len(examples) and (batch["word_starts"][special] == 1).all()
        inner &= ~special
    assert [*zip(batch["tokens"][inner].tolist(), batch["word_starts"][inner].tolist(), strict=True)] == expected
    assert not batch["word_starts"][batch["segments"] == 0].any()
    assert dataset.schema["word_starts"].kind == "tokens" and batch["word_starts"].dtype == np.int32


def test_segments_of_whole_sequences(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    dataset = dataclasses.replace(config, segments="sequence").open(cache_dir=tmp_path, data_dir=folder)
    batch = dataset.split("train").read(np.array([0, 1]))
    assert (batch["segments"] == 1).all() and (batch["positions"] == np.arange(32)).all()


def test_same_settings_leave_the_folder_alone(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert dataclasses.replace(config, seq_len=64).prepare(folder) == folder  # sequences are cut later
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_other_settings_are_refused(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    with pytest.raises(ConfigError, match="document was 'paragraph' and is now 'line'"):
        dataclasses.replace(config, document="line").prepare(folder)
    (tmp_path / "text" / "more.txt").write_text("another play")
    with pytest.raises(ConfigError, match="text was"):
        config.prepare(folder)
    assert len(files(folder).ends) == 36


def test_ready_tokenizer(tmp_path, config):
    first = config.prepare(tmp_path / "data")
    path = str(first / "tokenizer")
    named = dataclasses.replace(config, tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=999, path=path))
    np.testing.assert_array_equal(files(named.prepare(tmp_path / "b")).tokens, files(first).tokens)
    np.testing.assert_array_equal(files(config.prepare(tmp_path / "c", tokenizer=path)).tokens, files(first).tokens)
    named.open(cache_dir=tmp_path, data_dir=first, tokenizer="a-model-that-does-not-exist")  # the config's comes first


def test_the_tokenizer_of_the_model_that_a_run_starts_from(tmp_path, config):
    other = TokenizerConfig(kind="byte_bpe", vocab_size=300)
    model = dataclasses.replace(config, tokenizer=other).prepare(tmp_path / "model") / "tokenizer"
    folder = config.prepare(tmp_path / "data", tokenizer=str(model))
    dataset = config.open(cache_dir=tmp_path, data_dir=folder, tokenizer=str(model))
    assert dataset.tokenizer.vocab_size == 300
    with pytest.raises(ConfigError, match=r"data\.tokenizer was {'sha256'.*is now {'kind': 'byte_bpe'"):
        config.open(cache_dir=tmp_path, data_dir=folder)
    trained = config.prepare(tmp_path / "trained")
    with pytest.raises(ConfigError, match="another tokenizer than that of"):
        config.open(cache_dir=tmp_path, data_dir=trained, tokenizer=str(model))


def test_what_is_opened_without_a_folder(tmp_path, config):
    with pytest.raises(ConfigError, match=r"has to be prepared once: run python -m launch\.prepare"):
        config.open(cache_dir=tmp_path / "data")
    embedded = dataclasses.replace(config, source="embedded", validation_fraction=0.05)
    dataset = embedded.open(cache_dir=tmp_path / "data")
    assert dataset.manifest["train"]["documents"] == 6861
    assert (tmp_path / "data" / "prepare.json").is_file()
    with pytest.raises(ConfigError, match=r"data\.document was 'paragraph' and is now 'line'"):
        dataclasses.replace(embedded, document="line").open(cache_dir=tmp_path, data_dir=tmp_path / "data")


@pytest.mark.parametrize("change", [{"seq_len": 1}, {"validation_fraction": 1.0}])
def test_bad_fields(config, change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        dataclasses.replace(config, **change)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_interrupted_preparation_leaves_nothing(tmp_path, config, monkeypatch, error):
    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(prepare_module, "write_json", fail)  # at the very last file
        with pytest.raises(error):
            config.prepare(tmp_path / "new" / "deep" / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
    (tmp_path / "data.partial").mkdir()  # what a killed process leaves
    (tmp_path / "data.partial" / "leftover").touch()
    folder = config.prepare(tmp_path / "data")
    assert not (tmp_path / "data.partial").exists()
    assert not (folder / "leftover").exists()


def test_text_that_changes_while_it_is_prepared(tmp_path, config, monkeypatch):
    learn = prepare_module.train_tokenizer

    def change(*args, **options):
        (tmp_path / "text" / "play.txt").write_text("something else")
        return learn(["text"] * 9, **options)

    monkeypatch.setattr(prepare_module, "train_tokenizer", change)
    with pytest.raises(FormatError, match=r"play\.txt changed while it was read"):
        config.prepare(tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_two_at_once(tmp_path, config):
    (tmp_path / "data.partial").mkdir()
    hold = os.open(tmp_path / "data.partial", os.O_RDONLY)
    fcntl.flock(hold, fcntl.LOCK_EX)
    with pytest.raises(ConfigError, match="Another process"):
        config.prepare(tmp_path / "data")
    os.close(hold)
    config.prepare(tmp_path / "data")


def test_folders_that_cannot_be_used(tmp_path, config):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="did not write"):
        config.prepare(tmp_path / "full")
    with pytest.raises(ConfigError, match="did not write"):
        config.prepare(tmp_path / "full" / "thesis.tex")
    with pytest.raises(ConfigError, match="cannot be"):
        config.prepare(tmp_path / "full" / "thesis.tex" / "data")
    with pytest.raises(ConfigError, match=r"run launch\.prepare first"):
        read_manifest(tmp_path / "full")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "precious"


def test_empty_folder_is_filled(tmp_path, config):
    (tmp_path / "data").mkdir()
    assert read_manifest(config.prepare(tmp_path / "data"))["format"] == 4


def test_damage_is_found(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    manifest = json.loads((folder / "prepare.json").read_text())
    (folder / "prepare.json").write_text(json.dumps({**manifest, "format": 2}))
    for read in (read_manifest, config.prepare):
        with pytest.raises(IntegrityError, match=r"format 2, and this version reads format 4; prepare again"):
            read(folder)
    (folder / "prepare.json").write_text(json.dumps({**manifest, "train": {}}))
    with pytest.raises(IntegrityError, match="damaged"):
        read_manifest(folder)
    (folder / "prepare.json").write_text("{")
    with pytest.raises(IntegrityError, match="damaged"):
        config.prepare(folder)


@pytest.mark.parametrize(("text", "split"), [(" \n\n ", "train"), ("one speech alone", "validation")])
def test_too_little_text(tmp_path, config, text, split):
    (tmp_path / "text" / "play.txt").write_text(text)
    with pytest.raises(InputError, match=rf"{split} split has no text.*\(data\.document='paragraph', .*, or 'line'\)"):
        config.prepare(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("train.tokens.npy", lambda data: data[:-2], r"expected 522 values of uint16 in 1172 bytes, found 1170 bytes"),
        ("train.tokens.npy", lambda data: data[:40], "found 40 bytes"),
        ("train.tokens.npy", lambda data: data[:20] + b"{" + data[21:], "another header"),
        ("train.tokens.sha256.npy", lambda data: data[:-1] + b"\1", "of other contents"),
        ("train.tokens.sha256.npy", None, "cannot be read"),
        ("train.ends.npy", lambda data: data[:-1] + b"\1", "of other contents"),
        ("train.ends.npy", None, "cannot be read"),
        ("train.words.sha256.npy", lambda data: data[:-1] + b"\1", "of other contents"),
        ("tokenizer", lambda data: data.replace(b"the", b"teh", 1), "tokenizer.json"),
        ("train.words.npy", None, "cannot be read"),
    ],
)
def test_damaged_tokens_are_found(tmp_path, config, name, damage, words):
    folder = config.prepare(tmp_path / "data")
    path = folder / name
    path = path / "tokenizer.json" if path.is_dir() else path
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IntegrityError, match=rf"{name}.*{words}.*prepare the data again"):
        config.open(cache_dir=tmp_path, data_dir=folder)


@pytest.mark.parametrize("name", ["train.tokens.npy", "train.words.npy"])
def test_a_flipped_bit_is_found_when_it_is_read(tmp_path, monkeypatch, config, name):
    monkeypatch.setattr(checked, "BLOCK", 16)
    folder = config.prepare(tmp_path / "data")
    path = folder / name
    data = bytearray(path.read_bytes())
    data[-20] ^= 4  # in a block before the last one
    path.write_bytes(data)
    examples = dataclasses.replace(config, word_starts=True).open(cache_dir=tmp_path, data_dir=folder).split("train")
    examples.read(np.array([0, 1]))
    with pytest.raises(IntegrityError, match=rf"{name} is not what was prepared.*; prepare the data again"):
        examples.read(np.arange(len(examples)))


def test_no_flipped_bit_of_prepared_data_goes_unseen(tmp_path, config):
    """Whatever file it is in, it is refused, or changes nothing."""
    folder, rng = config.prepare(tmp_path / "data"), random.Random(0)

    def all_of(folder):
        dataset = dataclasses.replace(config, word_starts=True).open(cache_dir=tmp_path, data_dir=folder)
        batches = [dataset.split(name).read(np.arange(len(dataset.split(name)))) for name in ("train", "validation")]
        return dataset.tokenizer.backend.to_str(), dataset.manifest, dataset.bytes_per_token, batches

    expected, refused = all_of(folder), 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    for path in rng.choices(files, k=60):
        whole = path.read_bytes()
        place, bit = rng.randrange(len(whole)), rng.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        try:
            found = all_of(folder)
        except (IntegrityError, ConfigError):
            refused += 1
        else:
            assert found[:3] == expected[:3], path
            jax.tree.map(np.testing.assert_array_equal, found[3], expected[3])
        path.write_bytes(whole)
    assert refused > 40


def test_another_array_instead_of_the_tokens(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    np.save(folder / "train.tokens.npy", np.zeros(30, np.uint16))
    with pytest.raises(IntegrityError, match=r"expected \d+ values of uint16 in \d+ bytes, found 188 bytes"):
        files(folder)
    np.save(folder / "train.tokens.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(IntegrityError, match="is not the file that was prepared"):
        files(folder)


def test_words_of_other_tokens_are_found(tmp_path):
    with TokenWriter(tmp_path, "train", 300, None) as writer:
        writer.append([(list(range(20)), [True] * 20)])
    recorded = writer.recorded()
    for bits in (np.zeros(2, np.uint8), np.zeros(3, np.int64)):
        np.save(tmp_path / "train.words.npy", bits)
        found = {
            **recorded,
            "train.words.npy": {**recorded["train.words.npy"], "values": len(bits), "dtype": str(bits.dtype)},
        }
        with pytest.raises(IntegrityError, match=r"train\.words\.npy does not belong to .*train\.tokens\.npy"):
            TokenFiles(tmp_path, "train", found)


def test_tokens_that_change_while_they_are_used(tmp_path, config):
    folder = config.prepare(tmp_path / "data")
    examples = config.open(cache_dir=tmp_path, data_dir=folder).split("train")
    examples.read(np.array([0]))
    with (folder / "train.tokens.npy").open("ab") as file:
        file.write(b"more")
    with pytest.raises(IntegrityError, match="changed while it was in use"):
        examples.read(np.array([0]))


def test_a_fingerprint_holds_the_roles_of_special_tokens(tmp_path, config):
    tokenizer = load_tokenizer(config.prepare(tmp_path / "data") / "tokenizer")
    before = prepare_module.fingerprint(tokenizer)
    tokenizer.special["cls"] = tokenizer.special["eos"]
    assert prepare_module.fingerprint(tokenizer) != before


# Sentences.


@pytest.fixture
def pairs(tmp_path):
    (tmp_path / "text").mkdir(exist_ok=True)
    texts = [f"The {i} words.\nAnd {i % 7} more of them.\nThese are {i % 5}." for i in range(40)]
    (tmp_path / "text" / "play.txt").write_text("\n\n".join(texts))
    tokenizer = TokenizerConfig(kind="wordpiece", vocab_size=128)
    options = dict(source=str(tmp_path / "text"), seq_len=32, validation_fraction=0.1)
    return SentencePairsConfig(tokenizer=tokenizer, sentences="line", **options)


@pytest.mark.parametrize(("rule", "kind", "special"), [
    ("line", "wordpiece", ""), ("punctuation", "wordpiece", ""), ("line", "byte_bpe", "roberta"),
])  # fmt: skip
def test_sentences_come_back_and_the_tokens_are_the_same(tmp_path, pairs, rule, kind, special):
    tokenizer = TokenizerConfig(kind=kind, vocab_size=300, special=special)
    pairs = dataclasses.replace(pairs, sentences=rule, tokenizer=tokenizer)
    folder = pairs.prepare(tmp_path / "data")
    stream, tokenizer = files(folder), load_tokenizer(folder / "tokenizer")
    found = [tokenizer.decode(part).strip() for part in np.split(np.asarray(stream.tokens), stream.bounds[1:-1])]
    assert found[:4] == ["The 0 words.", "And 0 more of them.", "These are 0.", "The 1 words."]
    assert len(found) == 3 * len(stream.ends) and set(stream.ends) <= set(stream.bounds)
    options = {name: getattr(pairs, name) for name in ("source", "seq_len", "validation_fraction", "tokenizer")}
    plain = TextConfig(**options)
    without = files(plain.prepare(tmp_path / "plain"))
    assert without.bounds is None and not (tmp_path / "plain" / "train.sentences.npy").exists()
    np.testing.assert_array_equal(stream.tokens, without.tokens)
    np.testing.assert_array_equal(stream.word_bits, without.word_bits)
    assert len(plain.open(cache_dir=tmp_path, data_dir=folder).split("train"))  # a folder with sentences has the rest


def test_a_folder_without_sentences_is_refused(tmp_path, pairs):
    options = {name: getattr(pairs, name) for name in ("source", "seq_len", "validation_fraction", "tokenizer")}
    folder = TextConfig(**options).prepare(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"data\.sentences was '' and is now 'line'\nPrepare another --data_dir"):
        pairs.open(cache_dir=tmp_path, data_dir=folder)
    with pytest.raises(ConfigError, match="sentences was '' and is now 'line'"):
        pairs.prepare(folder)
    folder = pairs.prepare(tmp_path / "pairs")
    with pytest.raises(ConfigError, match="sentences was 'line' and is now 'punctuation'"):
        dataclasses.replace(pairs, sentences="punctuation").open(cache_dir=tmp_path, data_dir=folder)


def test_a_line_without_a_token_is_no_sentence(tmp_path, pairs):
    path = tmp_path / "text" / "play.txt"
    path.write_text(path.read_text().replace("words.", "words.\n\x01"))  # a character that BERT's normaliser drops
    stream = files(pairs.prepare(tmp_path / "data"))
    assert len(stream.bounds) - 1 == 3 * len(stream.ends) and np.diff(stream.bounds).min() > 0


def test_packed_pairs_are_not_outlined(pairs):
    packed = dataclasses.replace(pairs, packing=4)
    with pytest.raises(ConfigError, match=r"data\.packing is 4: .* set data\.packing=0"):
        packed.outline(Vocabulary())


def test_pairs_of_a_prepared_folder(tmp_path, pairs):
    pairs = dataclasses.replace(pairs, word_starts=True)
    dataset = pairs.open(cache_dir=tmp_path, data_dir=pairs.prepare(tmp_path / "data"))
    examples = dataset.split("train")
    batch = examples.read(np.arange(len(examples)))
    assert batch.keys() == dataset.schema.keys() == pairs.outline(dataset.tokenizer).schema.keys()
    assert dataset.schema["label"].classes == ("next", "random")
    text = dataset.tokenizer.decode(batch["tokens"][0], special_tokens="keep")
    assert text.startswith("[CLS] The 0 words. ") and text.count("[SEP]") == 2
    assert {name: values.dtype for name, values in batch.items()} == dict.fromkeys(batch, np.dtype(np.int32))


def test_sentences_of_other_tokens_are_found(tmp_path, pairs):
    folder = pairs.prepare(tmp_path / "data")
    recorded = read_manifest(folder)["train"]["files"]
    bounds = np.load(folder / "train.sentences.npy")
    for damaged in (bounds[:-1], bounds[1:], bounds[:0]):
        np.save(folder / "train.sentences.npy", damaged)
        digest = sha256(folder / "train.sentences.npy")
        found = {**recorded, "train.sentences.npy": {"values": len(damaged), "dtype": "int64", "sha256": digest}}
        with pytest.raises(IntegrityError, match=r"train\.sentences\.npy does not belong to .*train\.tokens\.npy"):
            TokenFiles(folder, "train", found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seq_len": 4}, r"data\.seq_len is 4, .* set it to 5 or more"),
        ({"short_fraction": 1.5}, r"data\.short_fraction must be from 0 to 1, such as 0\.1; found 1\.5"),
        ({"packing": -1}, r"data\.packing must be 0 \(a pair a row\) or more; found -1"),
        ({"document": "line"}, r"both 'line', .* set data\.document='paragraph'"),
    ],
)
def test_bad_fields_of_pairs(pairs, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(pairs, **change)


def test_a_tokenizer_without_a_frame(tmp_path, pairs):
    plain = dataclasses.replace(pairs, tokenizer=TokenizerConfig(kind="byte_bpe", vocab_size=300))
    with pytest.raises(ConfigError, match=r"\[CLS\] and two \[SEP\], and the tokenizer lacks them; use a WordPiece"):
        plain.prepare(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", ["next", "order"])
def test_a_single_document(tmp_path, pairs, kind):
    pairs = dataclasses.replace(pairs, pairs=kind, validation_fraction=0.025)
    folder = pairs.prepare(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"The validation split has a single document, .*data\.validation_fraction"):
        pairs.open(cache_dir=tmp_path, data_dir=folder)
    alone = dataclasses.replace(pairs, one_sentence="skipped")
    if kind == "order":
        assert len(alone.open(cache_dir=tmp_path, data_dir=folder).split("validation"))
    else:
        with pytest.raises(ConfigError, match="has a single document"):
            alone.open(cache_dir=tmp_path, data_dir=folder)


def test_text_of_whole_sentences(tmp_path, pairs):
    """Sequences of lines, each in its frame, with a separator more behind each document."""
    kept = {name: getattr(pairs, name) for name in ("source", "validation_fraction")}
    roberta = TokenizerConfig(kind="byte_bpe", vocab_size=300, special="roberta")
    config = TextConfig(**kept, tokenizer=roberta, sentences="line", segments="sequence", seq_len=60)
    folder = config.prepare(tmp_path / "data")
    dataset = config.open(cache_dir=tmp_path, data_dir=folder)
    examples, tokenizer = dataset.split("train"), dataset.tokenizer
    tokens = examples.read(np.arange(len(examples)))["tokens"]
    counts = dataset.manifest["train"]
    assert (tokens == tokenizer.sep_id).sum() == len(examples) + counts["documents"]
    assert (tokens[:, 0] == tokenizer.cls_id).all() and len(examples) > 3
    text = (tmp_path / "text" / "play.txt").read_text()
    lines = {"", *text.splitlines()}
    for row in tokens:
        parts = re.split(r"\n|</?s>|<pad>", tokenizer.decode(row, special_tokens="keep"))
        assert {part.strip() for part in parts} <= lines
    others = (
        dataclasses.replace(config, sentences=""),
        WholeDocumentsConfig(**kept, tokenizer=roberta, seq_len=60),
        dataclasses.replace(pairs, tokenizer=roberta, sentences="line"),
    )
    for other in others:
        with pytest.raises(ConfigError, match="separator was 'sep' and is now ''"):
            other.open(cache_dir=tmp_path, data_dir=folder)
        with pytest.raises(ConfigError, match="separator was '' and is now 'sep'"):
            config.open(cache_dir=tmp_path, data_dir=other.prepare(tmp_path / f"{type(other).__name__}"))
    with pytest.raises(ConfigError, match=r"data\.stride is 4, and sequences of whole sentences neither overlap"):
        dataclasses.replace(config, stride=4)
