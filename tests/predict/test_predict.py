# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predictions stand next to their rows, in order, and are what the model answers to each row alone."""

import csv
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import zoo
from zoo.data.inputs import Inputs
from zoo.data.tables import open_table
from zoo.errors import ConfigError, InputError
from zoo.predict import predict
from zoo.predict.predictor import probabilities
from zoo.text.train import train_tokenizer

WORDS = "a good bad film plot and the very dull fine it was not Anna lives in Paris".split()
SIZES = dict(width=16, num_layers=1, num_heads=2, mlp_width=24, max_length=64, stack="loop")


def texts(count, seed=0, longest=12):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, longest))) for _ in range(count)]


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """The folder of a random model with a head, and the model."""
    tokenizer = train_tokenizer(texts(50), kind="wordpiece", vocab_size=80)

    def make(head, **changes):
        folder = tmp_path_factory.mktemp("models") / head
        config = zoo.config("bert-tiny", vocab_size=tokenizer.vocab_size, **SIZES, **changes)
        zoo.save(zoo.create(config, head=head, seed=3), folder)
        tokenizer.save(folder)
        return folder, zoo.load(folder), tokenizer

    return make


def write(path, rows):
    """Rows as JSON lines, or as CSV."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path):
    return [row.values for row in open_table(path)]


@pytest.mark.parametrize(("batch_size", "pair"), [(7, False), (64, True)])
def test_labels(tmp_path, model_of, batch_size, pair):
    folder, model, tokenizer = model_of("sequence_classification", num_labels=3, label_names=("x", "y", "z"))
    given = [{"id": str(i), "text": a, "b": b} for i, (a, b) in enumerate(zip(texts(50), texts(50, 1), strict=True))]
    table, output = write(tmp_path / "new.csv", given), tmp_path / "out.csv"
    columns = {"text_pair": "b"} if pair else {}
    assert predict(folder, table, output, columns=columns, batch_size=batch_size) == 50
    for row, found in zip(given, read(output), strict=True):
        encoded = tokenizer.encode_batch([row["text"]], [row["b"]] if pair else None)
        expected = probabilities(np.asarray(model(encoded).logits[0]))
        assert {key: found[key] for key in row} == row and found["prediction"] == "xyz"[expected.argmax()]
        np.testing.assert_allclose([float(found[f"probability:{n}"]) for n in "xyz"], expected, atol=1e-5)


def test_a_table_larger_than_a_chunk(tmp_path, model_of, monkeypatch):
    folder, *_ = model_of("sequence_classification")
    table = write(tmp_path / "new.csv", [{"id": str(i), "text": text} for i, text in enumerate(texts(50))])
    predict(folder, table, tmp_path / "whole.csv")
    monkeypatch.setattr("zoo.predict.table._CHUNK", 9)
    predict(folder, table, tmp_path / "parts.csv")
    assert (tmp_path / "whole.csv").read_text() == (tmp_path / "parts.csv").read_text()


@pytest.mark.parametrize("form", ["lists", "texts"])
def test_tags(tmp_path, model_of, form):
    names = ("B-PER", "I-PER", "O")
    folder, model, tokenizer = model_of("token_classification", num_labels=3, label_names=names)
    given = [text.split() for text in texts(20)]
    rows = [{"words": words if form == "lists" else " ".join(words)} for words in given]
    predict(folder, write(tmp_path / "new.jsonl", rows), tmp_path / "out.jsonl", batch_size=4)
    for words, found in zip(given, read(tmp_path / "out.jsonl"), strict=True):
        encoded = tokenizer.encode_batch([" ".join(words)], return_offsets=True)
        best = np.asarray(model(encoded.tokens).logits[0]).argmax(axis=-1)
        starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
        first = [np.flatnonzero((encoded.offsets[0, :, 0] == s) & (encoded.sources[0] == 0))[0] for s in starts]
        expected = [names[best[index]] for index in first]
        assert found["prediction"] == (expected if form == "lists" else " ".join(expected))


def test_tags_of_a_conll_file(tmp_path, model_of):
    folder, *_ = model_of("token_classification", num_labels=2, label_names=("B", "O"))
    (tmp_path / "new.conll").write_text("Anna X\nlives Y\n\nParis Z\n")
    predict(folder, tmp_path / "new.conll", tmp_path / "out.conll")
    lines = (tmp_path / "out.conll").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [["Anna", "X"], ["lives", "Y"], [], ["Paris", "Z"], []]
    assert all(line.split()[2] in ("B", "O") for line in lines if line)


def test_answers(tmp_path, model_of):
    """The best span of all windows, as a search over every pair of tokens finds it."""
    folder, model, tokenizer = model_of("question_answering")
    Inputs(columns={"question": "q", "context": "c"}, seq_len=24, stride=4, max_question_tokens=12).save(folder)
    rows = [{"q": q, "c": c} for q, c in zip(texts(9, 1, 6), texts(9, 2, 60), strict=True)]
    predict(folder, write(tmp_path / "new.csv", rows), tmp_path / "out.csv", batch_size=4)
    for row, found in zip(rows, read(tmp_path / "out.csv"), strict=True):
        spans = {}
        windows = tokenizer.encode_windows([row["q"]], [row["c"]], max_length=24, stride=4)[0]
        for window in windows:
            types = np.array([window.token_types])
            logits = np.asarray(model(np.array([window.tokens]), token_types=types).logits[0])
            inside = [index for index, source in enumerate(window.sources) if source == 1]
            for first in inside:
                for last in inside[inside.index(first) : inside.index(first) + 30]:
                    span = (window.offsets[first][0], window.offsets[last][1])
                    spans[span] = max(spans.get(span, -np.inf), logits[first, 0] + logits[last, 1])
        start, end = int(found["prediction:start"]), int(found["prediction:end"])
        assert found["prediction"] == row["c"][start:end] != ""
        assert float(found["prediction:score"]) == pytest.approx(max(spans.values()), abs=1e-4)
        assert spans[start, end] == pytest.approx(max(spans.values()), abs=1e-4)


def test_no_answer_is_given_where_the_data_had_some(tmp_path, model_of):
    folder, *_ = model_of("question_answering")
    rows = [{"question": q, "context": c} for q, c in zip(texts(30, 1, 6), texts(30, 2, 30), strict=True)]
    table, columns = write(tmp_path / "new.csv", rows), {"question": "question", "context": "context"}
    for unanswerable in ("refused", "allowed"):
        Inputs(columns=columns, seq_len=48, stride=4, max_question_tokens=12, unanswerable=unanswerable).save(folder)
        predict(folder, table, tmp_path / f"{unanswerable}.csv")
    given, found = (read(tmp_path / f"{name}.csv") for name in ("refused", "allowed"))
    none = [float(row["prediction:no_answer_score"]) > 0 for row in given]
    assert any(none) and not all(none) and all(row["prediction"] for row in given)
    assert [row["prediction"] for row in found] == [
        "" if empty else row["prediction"] for row, empty in zip(given, none, strict=True)
    ]
    threshold = sorted(float(row["prediction:no_answer_score"]) for row in given)[20] + 1e-5  # 21 are not above it
    for unanswerable in ("refused", "allowed"):
        Inputs(columns=columns, seq_len=48, stride=4, max_question_tokens=12, unanswerable=unanswerable).save(folder)
        predict(folder, table, tmp_path / "above.csv", no_answer_threshold=threshold, overwrite=True)
        for row, above in zip(given, read(tmp_path / "above.csv"), strict=True):
            is_none = float(row["prediction:no_answer_score"]) > threshold
            assert above["prediction"] == ("" if is_none else row["prediction"])
        assert sum(not row["prediction"] for row in read(tmp_path / "above.csv")) == 9
    with pytest.raises(ConfigError, match="no_answer_threshold must be a finite number"):
        predict(folder, table, tmp_path / "nan.csv", no_answer_threshold=float("nan"))


def test_a_table_without_rows(tmp_path, model_of):
    folder, *_ = model_of("token_classification", num_labels=2, label_names=("B", "O"))
    empty = pyarrow.table({"words": pyarrow.array([], pyarrow.list_(pyarrow.string()))})
    pyarrow.parquet.write_table(empty, tmp_path / "new.parquet")
    assert predict(folder, tmp_path / "new.parquet", tmp_path / "out.parquet") == 0
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").column_names == ["words", "prediction"]


def test_choices(tmp_path, model_of):
    folder, model, tokenizer = model_of("multiple_choice")
    given = zip(texts(10), texts(10, 1), texts(10, 2), texts(10, 3), strict=True)
    rows = [{"text": text, "a": a, "b": b, "c": c} for text, a, b, c in given]
    table = write(tmp_path / "new.csv", rows)
    predict(folder, table, tmp_path / "out.csv", columns={"text": "text", "options": "a,b,c"}, batch_size=4)
    for row, found in zip(rows, read(tmp_path / "out.csv"), strict=True):
        encoded = tokenizer.encode_batch([row["text"]] * 3, [row[name] for name in "abc"])
        fields = {name: getattr(encoded, name)[None] for name in ("tokens", "token_types", "segments")}
        expected = probabilities(np.asarray(model(**fields).logits[0]))
        assert (
            found["prediction"] == str(expected.argmax()) and found["prediction:text"] == row["abc"[expected.argmax()]]
        )
        np.testing.assert_allclose([float(found[f"probability:{i}"]) for i in range(3)], expected, atol=1e-5)


def test_refused(tmp_path, model_of):
    folder, *_ = model_of("sequence_classification")
    table, output = write(tmp_path / "new.csv", [{"text": "fine"}, {"text": " "}]), tmp_path / "out.csv"
    with pytest.raises(InputError, match=r"new\.csv, line 3, column 'text': expected text"):
        predict(folder, table, output)
    assert not output.exists()
    with pytest.raises(ConfigError, match="expected a column 'body'"):
        predict(folder, table, output, columns={"text": "body"})
    with pytest.raises(ConfigError, match="reads no 'words'; its columns hold text, text_pair"):
        predict(folder, table, output, columns={"words": "text"})
    with pytest.raises(ConfigError, match="batch_size must be 1 or more"):
        predict(folder, table, output, batch_size=0)
    with pytest.raises(ConfigError, match="no_answer_threshold is for models that answer questions"):
        predict(folder, table, output, no_answer_threshold=1.0)
    language, *_ = model_of("masked_lm")
    with pytest.raises(ConfigError, match="a masked_lm head, and rows are predicted by"):
        predict(language, table, output)
    choice, *_ = model_of("multiple_choice")
    with pytest.raises(ConfigError, match="The number of options is not known"):
        predict(choice, table, output, columns={"options": "text"})
    with pytest.raises(ConfigError, match="files of SQuAD's form are not written"):
        predict(folder, table, tmp_path / "out.json")
