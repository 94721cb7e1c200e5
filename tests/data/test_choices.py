# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows with options become batches [B, C, T], one sequence an option; bad rows are refused with their place."""

import json

import numpy as np
import pytest

from zoo.data.choices import ChoicesConfig
from zoo.data.config import TokenizerConfig
from zoo.errors import ConfigError, InputError

OPTIONS = ("she sang", "rain")
ROWS = [
    dict(text=f"the cook opened pot {i}", question="and then", options=[f"it fell {i}", *OPTIONS], label=i % 3)
    for i in range(12)
]
CONFIG = dict(seq_len=24, validation_fraction=0.25, tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=120))


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def opened(tmp_path, rows=ROWS, **changes):
    source = write(tmp_path / "train.jsonl", rows)
    return ChoicesConfig(source=str(source), **{**CONFIG, **changes}).open(cache_dir=tmp_path)


def test_each_option_is_the_second_text_of_a_pair(tmp_path):
    data = opened(tmp_path, question="question")
    assert data.schema["tokens"].kind == "choices" and data.schema["tokens"].num_choices == 3
    assert data.schema["label"].classes == ("0", "1", "2")
    split = data.split("train")
    batch = split.read(np.array([2, -1, 0]))
    assert batch["tokens"].shape[:2] == (3, 3) and not batch["segments"][1].any()
    for line, tokens, segments, label in zip(
        (2, 0), batch["tokens"][[0, 2]], batch["segments"][[0, 2]], batch["label"][[0, 2]], strict=True
    ):
        chosen = [row for row in ROWS if data.tokenizer.encode(row["text"], f"{row['question']} {row['options'][0]}")
                  == tokens[0][segments[0] > 0].tolist()]  # fmt: skip
        assert len(chosen) == 1 and label == chosen[0]["label"], line
        for number, option in enumerate(chosen[0]["options"]):
            expected = data.tokenizer.encode(chosen[0]["text"], f"and then {option}")
            assert tokens[number][segments[number] > 0].tolist() == expected


def test_the_length_is_that_of_the_global_batch(tmp_path):
    split = opened(tmp_path, pad_to_multiple_of=1).split("train")
    whole = split.read(np.arange(4))
    for index in range(4):
        part = split.read(np.array([index]), batch=np.arange(4))
        np.testing.assert_array_equal(part["tokens"][0], whole["tokens"][index])


def test_options_in_columns_of_their_own(tmp_path):
    apart = [
        {key: value for key, value in row.items() if key != "options"}
        | {f"o{index}": option for index, option in enumerate(row["options"])}
        for row in ROWS
    ]
    expected, found = opened(tmp_path), opened(tmp_path, apart, options=("o0", "o1", "o2"))
    for name, split in expected.splits.items():
        for field, values in split.read(np.arange(len(split))).items():
            np.testing.assert_array_equal(values, found.split(name).read(np.arange(len(split)))[field])


def test_options_without_a_text(tmp_path):
    data = opened(tmp_path, text="")
    row = data.split("train").read(np.array([0]))
    assert data.tokenizer.decode(row["tokens"][0, 1][row["segments"][0, 1] > 0]) == "she sang"


def test_names_of_the_labels(tmp_path):
    rows = [{**row, "label": "ABC"[row["label"]]} for row in ROWS]
    plain, named = opened(tmp_path), opened(tmp_path, rows, labels=("A", "B", "C"))
    assert named.inputs.labels == ("A", "B", "C")
    for name, split in plain.splits.items():
        indices = np.arange(len(split))
        np.testing.assert_array_equal(split.read(indices)["label"], named.split(name).read(indices)["label"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"options": ["a", "b"]},
            r"train\.jsonl, line 2, column 'options': expected 3 options, as in .*; found 2",
        ),
        ({"options": ["a", "b", ""]}, r"line 2, column 'options': expected a list of two texts or more"),
        ({"options": "abc"}, r"line 2, column 'options': expected a list of two texts or more"),
        ({"label": 3}, r"line 2, column 'label': no option is called '3'"),
        ({"label": None}, r"line 2, column 'label': the label is missing"),
        ({"text": ""}, r"line 2, column 'text': expected text"),
    ],
)
def test_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, [ROWS[0], {**ROWS[1], **changes}, *ROWS[2:]])


def test_refused_as_a_whole(tmp_path):
    with pytest.raises(ConfigError, match="2 names, and a row has 3 options"):
        opened(tmp_path, labels=("A", "B"))
    with pytest.raises(ConfigError, match=r"data\.options must name columns"):
        opened(tmp_path, options=())


ARTICLES = [
    dict(
        article=f"the cook opened pot {index}",
        questions=[f"what fell {index}?", "who _ ?"],
        options=[["a lid", "rain", "she", "nobody"], ["he", "she", "they", f"cook {index}"]],
        answers=["A", "D"],
    )
    for index in range(8)
]
RACE = dict(text="article", question="questions", label="answers", labels=("A", "B", "C", "D"))


def test_all_questions_about_an_article_in_one_row(tmp_path):
    data = opened(tmp_path, ARTICLES, **RACE)
    assert len(data.split("train")) + len(data.split("validation")) == 16
    flat = [
        dict(text=row["article"], question=question, options=options, label="ABCD".index(answer))
        for row in ARTICLES
        for question, options, answer in zip(row["questions"], row["options"], row["answers"], strict=True)
    ]
    expected = opened(tmp_path, flat, question="question")
    for split in ("train", "validation"):
        a, b = (each.split(split).read(np.arange(len(each.split(split)))) for each in (data, expected))
        assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": ["A"]}, r"line 8, column 'answers': expected a list of 2, one for each question"),
        ({"options": [["a", "b", "c", "d"]]}, r"line 8, column 'options': expected a list of 2"),
        ({"questions": []}, r"line 8, column 'questions': expected a question, or a list of them"),
        ({"questions": ["a", " "]}, r"line 8, column 'questions': expected a question"),
        ({"questions": None}, r"line 8, column 'questions': expected a question"),
        ({"options": [["a", "b", "c", "d"], ["a", "b"]]}, r"line 8, column 'options': expected 4 options"),
    ],
)
def test_articles_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, [*ARTICLES[:-1], {**ARTICLES[-1], **changes}], **RACE)
