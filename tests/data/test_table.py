# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A table becomes batches of tokens and labels; what cannot be learned from is refused with its position."""

import csv
import dataclasses
import json
import logging
import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.golden import make_reviews
from zoo.data.config import TokenizerConfig
from zoo.data.ragged import SequenceExamples, encode
from zoo.data.rows import hold_out
from zoo.data.schema import Examples, SplitSummary
from zoo.data.table import EMBEDDED, TableConfig
from zoo.errors import ConfigError, InputError
from zoo.text.train import train_tokenizer

WORDS = "a good bad film plot and the very dull fine it was not".split()
TEXTS = [f"{WORDS[i % 13]} {WORDS[i % 7]} film {'and it was ' * (i % 5)}" for i in range(40)]
ROWS = [(text, "pos" if index % 3 else "neg") for index, text in enumerate(TEXTS)]
SMALL = TokenizerConfig(kind="wordpiece", vocab_size=200, lower_case=True)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for text, _ in ROWS], kind="wordpiece", vocab_size=200, lower_case=True)


def write(path, rows, columns=("text", "label")):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(
            pyarrow.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))), path
        )
    else:
        with path.open("w", newline="") as file:
            csv.writer(file, dialect="excel" if path.suffix == ".csv" else "excel-tab").writerows([columns, *rows])
    return str(path)


def config_of(folder, rows=ROWS, columns=("text", "label"), name="train.csv", **fields):
    return TableConfig(**{"source": write(folder / name, rows, columns), "seq_len": 64, "tokenizer": SMALL, **fields})


def open_rows(folder, rows=ROWS, columns=("text", "label"), name="train.csv", **fields):
    return config_of(folder, rows, columns, name, **fields).open(cache_dir=folder)


def all_of(examples):
    return examples.read(np.arange(len(examples)))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_examples_are_the_rows(tmp_path, name):
    validation = write(tmp_path / f"validation{name[1:]}", [("good film", "pos"), ("a bad film", "neg")])
    data = open_rows(tmp_path, name=name, validation=validation)
    assert {name: feature.kind for name, feature in data.schema.items()} == {
        "tokens": "tokens",
        "segments": "tokens",
        "label": "class",
    }
    assert data.schema["label"].classes == ("neg", "pos")
    train = data.split("train")
    assert isinstance(train, Examples) and len(train) == 40 and len(data.split("validation")) == 2
    batch = all_of(train)
    assert set(batch) == set(data.schema) and all(field.dtype == np.int32 for field in batch.values())
    expected = data.tokenizer.encode_batch([text for text, _ in ROWS], pad_to=32)
    np.testing.assert_array_equal(batch["tokens"], expected.tokens)
    np.testing.assert_array_equal(batch["segments"], expected.segments)
    assert batch["label"].tolist() == [int(label == "pos") for _, label in ROWS]


def test_pairs_are_encoded_and_cut_as_the_tokenizer_does(tmp_path, caplog):
    rows = [(a, b, label) for (a, label), (b, _) in zip(ROWS, ROWS[7:] + ROWS[:7], strict=True)]
    columns = ("premise", "hypothesis", "label")
    names = dict(text="premise", text_pair="hypothesis", seq_len=18, pad_to_multiple_of=5, validation_fraction=0.3)
    with caplog.at_level(logging.WARNING):
        data = open_rows(tmp_path, rows, columns, **names)
    assert "token_types" in data.schema
    chosen = hold_out(np.array([int(row[2] == "pos") for row in rows]), 0.3, classes=True)
    firsts, seconds = ([row[part] for row, out in zip(rows, chosen, strict=True) if not out] for part in (0, 1))
    expected = data.tokenizer.encode_batch(firsts, seconds, max_length=18)
    batch = all_of(data.split("train"))
    for name in ("tokens", "token_types", "segments"):
        np.testing.assert_array_equal(batch[name], getattr(expected, name))
    whole = data.tokenizer.encode_batch(firsts, seconds).segments.sum(1)
    said = f"{(whole > 18).sum()} texts were cut to data.seq_len."
    assert (whole > 18).sum() > 1 and (whole == 18).any()
    assert data.summaries["train"] == SplitSummary(f"{len(whole)} rows, longest 18 tokens", (said,))
    assert f"train: {said}" in caplog.text


def test_a_batch_is_as_long_as_the_global_batch_needs(tokenizer):
    texts = ["good", "good film " * 12, "film " * 200]
    sequences = encode(tokenizer, texts, None, 60, token_types=False)
    assert sequences.truncated == 1
    examples = SequenceExamples(sequences, {"label": np.array([1, 2, 3, 0])}, 60, 8, 7)
    read = lambda *indices, batch=None: examples.read(np.array(indices), batch=batch)  # noqa: E731
    assert [read(index)["tokens"].shape for index in range(3)] == [(1, 8), (1, 32), (1, 60)]
    part, whole = read(0, -1, batch=np.array([1, 0, -1])), read(1, 0, -1)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][1:])
    assert part["tokens"][0].tolist() == tokenizer.encode("good") + [7] * 29
    assert not any(field[1].any() for field in part.values())
    assert read(-1, -1)["tokens"].shape == (2, 8)
    for wrong in (3, -2):
        with pytest.raises(InputError, match="indices must be from -1 to 2"):
            read(0, wrong)


def test_reading_is_vectorised(tokenizer):
    sequences = encode(tokenizer, ["good film " * (1 + i % 50) for i in range(512)], None, 128, token_types=True)
    examples = SequenceExamples(sequences, {}, 128, 32, 0)
    start, tokens = time.thread_time(), 0
    for seed in range(30):
        tokens += examples.read(np.random.default_rng(seed).integers(0, 512, 64))["segments"].sum()
    assert tokens / (time.thread_time() - start) > 1e6


def test_held_out_rows_are_even_over_the_classes():
    labels = np.array([0] * 700 + [1] * 200 + [2] * 100)
    chosen = hold_out(np.random.default_rng(0).permutation(labels), 0.1, classes=True)
    labels = np.random.default_rng(0).permutation(labels)
    assert [int(chosen[labels == label].sum()) for label in range(3)] == [70, 20, 10]
    assert hold_out(np.array([0, 1, 1, 1]), 0.9, classes=True).tolist() == [False, False, True, True]
    assert hold_out(np.array([0.5, 0.1]), 0.5, classes=False).tolist() == [True, False]


def test_embedded_reviews(tmp_path, monkeypatch):
    monkeypatch.setattr(make_reviews, "TARGET", tmp_path / "reviews.csv")
    make_reviews.main()
    assert (tmp_path / "reviews.csv").read_bytes() == EMBEDDED.read_bytes()
    config = TableConfig(source="embedded", seq_len=32)
    data, again = config.open(cache_dir=tmp_path), config.open(cache_dir=tmp_path)
    train, validation = all_of(data.split("train")), all_of(data.split("validation"))
    assert np.bincount(train["label"]).tolist() == [270, 270]
    assert data.schema["label"].classes == ("negative", "positive")
    assert data.manifest == json.loads(json.dumps(again.manifest))
    np.testing.assert_array_equal(validation["tokens"], all_of(again.split("validation"))["tokens"])
    # Separable: each word's share of the classes, learned from the training rows, decides all of the others.
    size = data.tokenizer.vocab_size
    counts = [np.bincount(train["tokens"][train["label"] == label].ravel(), minlength=size) + 1 for label in (0, 1)]
    scores = np.log(counts[1] / counts[0])[validation["tokens"]].sum(1)
    assert ((scores > 0) == validation["label"]).all()


def test_the_manifest_distinguishes_data(tmp_path):
    manifest = open_rows(tmp_path).manifest
    assert manifest["files"]["train"]["name"] == "train.csv"
    variants = [
        open_rows(tmp_path, ROWS[1:]),
        open_rows(tmp_path, labels=("pos", "neg")),
        open_rows(tmp_path, validation_fraction=0.2),
        open_rows(tmp_path, tokenizer=dataclasses.replace(SMALL, lower_case=False)),
    ]
    for data in variants:
        assert data.manifest != manifest
    assert open_rows(tmp_path).manifest == manifest


def test_the_order_of_classes(tmp_path):
    rows = [(text, str(index % 11)) for index, (text, _) in enumerate(ROWS)]
    assert open_rows(tmp_path, rows).schema["label"].classes == tuple(map(str, range(11)))
    rows = [(text, index % 11) for index, (text, _) in enumerate(ROWS)]
    assert open_rows(tmp_path, rows, name="a.jsonl").schema["label"].classes == tuple(map(str, range(11)))
    rows = [(text, index % 2 == 0) for index, (text, _) in enumerate(ROWS)]
    assert open_rows(tmp_path, rows, name="a.jsonl").schema["label"].classes == ("false", "true")
    data = open_rows(tmp_path, labels=("pos", "other", "neg"))
    assert data.schema["label"].classes == ("pos", "other", "neg")
    assert np.unique(all_of(data.split("train"))["label"]).tolist() == [0, 2]


def test_numbers(tmp_path):
    rows = [(text, f"{index / 8}") for index, (text, _) in enumerate(ROWS)]
    data = open_rows(tmp_path, rows, label_type="float", validation_fraction=0.25)
    assert data.schema["label"].kind == "float" and not data.schema["label"].classes
    labels = [all_of(data.split(name))["label"] for name in ("train", "validation")]
    assert labels[0].dtype == np.float32
    np.testing.assert_array_equal(np.sort(np.concatenate(labels)), np.arange(40, dtype=np.float32) / 8)
    np.testing.assert_array_equal(labels[1], np.arange(3, 40, 4, dtype=np.float32) / 8)


@pytest.mark.parametrize(("fields", "labels", "shown"), [({}, "01", "'1'"), ({"label_type": "float"}, "01", "1")])
def test_labels_that_are_all_the_same_are_said(tmp_path, caplog, fields, labels, shown):
    """Of a validation set: training rows of one class are refused."""
    other = write(tmp_path / "dev.csv", [(f"a film {i}", "1") for i in range(4)])
    rows = [(f"film {i}", labels[i % 2]) for i in range(8)]
    data = open_rows(tmp_path, rows, validation=str(other), **fields)
    (said,) = data.summaries["validation"].losses
    assert said.startswith(f"all 4 labels are {shown}, so that metrics which compare several")
    assert not data.summaries["train"].losses and said in caplog.text


def test_which_tokenizer(tmp_path, tokenizer):
    tokenizer.save(tmp_path / "model")
    config = config_of(tmp_path)
    ready = config.open(cache_dir=tmp_path, tokenizer=str(tmp_path / "model")).tokenizer
    assert ready.encode("good film") == tokenizer.encode("good film") and ready.vocab_size == tokenizer.vocab_size
    with pytest.raises(ConfigError, match="nowhere"):
        config.open(cache_dir=tmp_path, tokenizer="nowhere")
    path = dataclasses.replace(SMALL, path=str(tmp_path / "model"))
    assert dataclasses.replace(config, tokenizer=path).open(cache_dir=tmp_path, tokenizer="nowhere")


MORE = [("the film", "pos"), ("the plot", "neg")] * 4
FRACTIONS = [(f"film {i}", f"{i / 4}") for i in range(8)]
PLACE = r"train\.\w+, line {}, column '{}': "
BAD = [
    ([*MORE, ("fine", "")], {}, PLACE.format(10, "label") + "the label is missing"),
    ([*MORE, ("fine", "  ")], {}, PLACE.format(10, "label") + "the label is missing"),
    ([*MORE, ("fine", None)], {"name": "train.jsonl"}, PLACE.format(9, "label") + "the label is missing"),
    ([*MORE, ("fine", ["pos"])], {"name": "train.jsonl"}, PLACE.format(9, "label") + ".*found list"),
    ([*MORE, ("", "pos")], {}, PLACE.format(10, "text") + "expected text; found nothing"),
    ([*MORE, (" \t", "pos")], {}, PLACE.format(10, "text") + "expected text; found nothing"),
    ([*MORE, (5, "pos")], {"name": "train.jsonl"}, PLACE.format(9, "text") + "expected text; found int 5"),
    ([*MORE, ("\u200b", "pos")], {"validation_fraction": 0.2}, PLACE.format(10, "text") + "the tokenizer finds no"),
    ([*MORE, ("fine", "odd"), ("so", "odd"), ("no", "new")], {"labels": ("neg", "pos")}, PLACE.format(10, "label")
     + r"data\.labels lacks the label 'odd' \(in 2 rows; so are 'new'\); expected one of 'neg', 'pos'"),
    ([*MORE, ("fine", "pos ")], {}, PLACE.format(10, "label") + "the label 'pos ' differs from 'pos' only by"),
    ([("film", "0"), ("plot", "1"), ("so", "1.0")], {}, PLACE.format(4, "label") + "the labels '1' and '1.0'"),
    ([("film", "0.0"), ("plot", "1.0")] * 2, {}, PLACE.format(2, "label") + "expected the name of a class.*0.0"),
    (FRACTIONS, {}, PLACE.format(3, "label") + r"expected the name of a class; found the number 0\.25 \(8 distinct.*"
     "label_type='float'"),
    ([(f"film {i}", str(i)) for i in range(21)], {}, r"column 'label': expected classes; found 21 rows with as many"),
    ([("film", "pos")] * 9, {}, "column 'label': expected two classes or more .*found 'pos' in all 9"),
    ([("film", "pos")] * 9, {"labels": ("pos", "neg")}, "expected two classes or more"),
    ([*FRACTIONS, ("fine", "pos")], {"label_type": "float"}, PLACE.format(10, "label") + "expected a number.*'pos'"),
    ([*FRACTIONS, ("fine", "1_0")], {"label_type": "float"}, PLACE.format(10, "label") + "expected a number"),
    ([*FRACTIONS, ("fine", True)], {"label_type": "float", "name": "train.jsonl"}, PLACE.format(9, "label") + ".*True"),
    ([*FRACTIONS, ("fine", "inf")], {"label_type": "float"}, PLACE.format(10, "label") + "expected a finite number"),
    ([*FRACTIONS, ("fine", "nan")], {"label_type": "float"}, PLACE.format(10, "label") + "expected a finite number"),
    ([*FRACTIONS, ("fine", "1e39")], {"label_type": "float"}, PLACE.format(10, "label") + "expected a finite number"),
    ([*FRACTIONS, ("fine", "")], {"label_type": "float"}, PLACE.format(10, "label") + "the label is missing"),
    ([], {}, r"train\.csv has no rows"),
    (MORE, {"validation_fraction": 0.01}, r"has 8 rows, of which data\.validation_fraction 0\.01 leaves 0"),
]  # fmt: skip


@pytest.mark.parametrize("rows, fields, match", BAD)
def test_bad_rows(tmp_path, rows, fields, match):
    with pytest.raises(InputError, match=match):
        open_rows(tmp_path, rows, **fields)


@pytest.mark.parametrize(
    "rows, fields, match",
    [
        ([("fine", "odd")], {}, r"validation\.csv, line 2, column 'label': no training row has the label 'odd'"),
        ([("fine", "odd")], {"labels": ("neg", "odd", "pos")}, "line 2, column 'label': no training row has .* 'odd'"),
        ([("fine", "")], {}, r"validation\.csv, line 2, column 'label': the label is missing"),
        ([], {}, r"validation\.csv has no rows"),
    ],
)
def test_bad_validation_rows(tmp_path, rows, fields, match):
    with pytest.raises(InputError, match=match):
        open_rows(tmp_path, validation=write(tmp_path / "validation.csv", rows), **fields)


def test_parquet_rows_are_named(tmp_path):
    with pytest.raises(InputError, match=r"train\.parquet, row 9, column 'text': expected text; found nothing"):
        open_rows(tmp_path, [*MORE, (None, "pos")], name="train.parquet")
    with pytest.raises(InputError, match="row 9, column 'label': the label is missing"):
        open_rows(tmp_path, [("a", 1.0), ("b", 2.0)] * 4 + [("c", float("nan"))], name="train.parquet")


@pytest.mark.parametrize(
    "fields, match",
    [
        ({"text": "Text"}, r"train\.csv, line 1: expected a column 'Text'"),
        ({"text_pair": "pair"}, "expected a column 'pair'"),
        ({"label": ""}, r"data\.label must name a column"),
        ({"label": "text"}, r"data\.text names the column 'text', as another field does"),
        ({"source": ""}, r"data\.source must name a table"),
        ({"source": "no.csv"}, r"no\.csv does not exist"),
        ({"labels": ("a", "b", "a")}, r"data\.labels has 'a' twice"),
        ({"labels": ("a",)}, "must be two names or more"),
        ({"labels": ("a", " ")}, "must be two names or more"),
        ({"labels": ("a", "b"), "label_type": "float"}, "label_type is 'float'"),
        ({"label_type": "int"}, "label_type must be"),
        ({"seq_len": 3}, r"data\.seq_len must be 4 or more"),
        ({"pad_to_multiple_of": 0}, r"data\.pad_to_multiple_of must be 1 or more"),
        ({"validation_fraction": 1.0}, "between 0 and 1"),
        ({"validation": "train.csv"}, "has the same content as data.source"),
        ({"validation": "copy.csv"}, "has the same content as data.source"),
    ],
)
def test_bad_config(tmp_path, fields, match, monkeypatch, unchecked_types):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "copy.csv", ROWS)
    with pytest.raises(ConfigError, match=match):
        open_rows(tmp_path, **fields)
    with pytest.raises(ConfigError, match="leave out --data_dir"):
        config_of(tmp_path).open(cache_dir=tmp_path, data_dir=tmp_path)
