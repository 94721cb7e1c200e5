# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Questions become windows that together hold the whole context; the gold span is the answer's text."""

import itertools
import json
import logging

import numpy as np
import pytest

from zoo.data.answers import best_spans, read_answers
from zoo.data.config import TokenizerConfig
from zoo.data.questions import QuestionsConfig
from zoo.errors import ConfigError, FormatError, InputError

CONTEXT = (
    "The tower, built in 1889 by Gustave, is 324 metres tall. It stands in Paris; " * 2
    + "every year some six million people climb it, and Zoë was the first of them."
)
QUESTIONS = [
    ("Who was the first?", "Zoë"),
    ("How tall is it?", "324 metres"),
    ("When was it built?", "1889"),
    ("Where does it stand?", "Paris"),
] * 3
CONFIG = dict(
    seq_len=40, stride=8, max_question_tokens=12, validation_fraction=0.25,
    tokenizer=TokenizerConfig(kind="wordpiece", vocab_size=200, lower_case=False),
)  # fmt: skip


def row(number=0, question="Who was the first?", answer="Zoë", **changes):
    answers = [{"text": answer, "answer_start": CONTEXT.index(answer)}] if answer else []
    return {"id": f"q{number}", "question": question, "context": CONTEXT, "answers": answers, **changes}


def rows():
    return [row(number, *each) for number, each in enumerate(QUESTIONS)]


def write(path, found):
    path.write_text("".join(json.dumps(each) + "\n" for each in found))
    return path


def opened(tmp_path, source, **changes):
    return QuestionsConfig(source=str(source), **{**CONFIG, **changes}).open(cache_dir=tmp_path)


@pytest.fixture(params=["wordpiece", "byte_bpe"])
def data(request, tmp_path):
    tokenizer = TokenizerConfig(kind=request.param, vocab_size=300)
    return opened(tmp_path, write(tmp_path / "train.jsonl", rows()), tokenizer=tokenizer)


def test_windows_hold_every_token_of_the_context(data):
    """Each window begins where the one before it ended, less the stride."""
    for split in data.splits.values():
        windows = split.windows
        for question in range(len(split.rows)):
            spans = [
                offsets[offsets[:, 0] >= 0]
                for offsets, of in zip(windows.offsets, windows.question, strict=True)
                if of == question
            ]
            assert len(spans) >= 2
            for before, after in itertools.pairwise(spans):
                assert (before[-CONFIG["stride"] :] == after[: CONFIG["stride"]]).all()
            assert spans[0][0, 0] == 0 and spans[-1][-1, 1] == len(CONTEXT)
        assert split.examples.sequences.lengths.max() <= CONFIG["seq_len"]


def test_the_span_is_the_answer(data):
    for split in data.splits.values():
        batch, held = split.read(np.arange(len(split))), set()
        for number, (first, last) in enumerate(batch["span"]):
            question = split.windows.question[number]
            if first == split.windows.none[number]:
                assert last == first
                continue
            begin, end = split.windows.offsets[number][first, 0], split.windows.offsets[number][last, 1]
            assert CONTEXT[begin:end].strip() == split.rows["answers"][question][0].text
            held.add(int(question))
        assert held == set(range(len(split.rows)))


def test_logits_that_mark_the_span_give_the_answer_back(data):
    for split in data.splits.values():
        batch = split.read(np.arange(len(split)))
        logits = np.zeros((*batch["tokens"].shape, 2), np.float32)
        for which in (0, 1):
            logits[np.arange(len(split)), batch["span"][:, which], which] = 5.0
        found = read_answers(split.windows, split.rows["context"], [logits[:3], logits[3:]], max_tokens=30)
        for answer, golds in zip(found, split.rows["answers"], strict=True):
            assert answer.text == golds[0].text == CONTEXT[answer.start : answer.end]
            assert answer.score == 10.0 > answer.no_answer


@pytest.mark.parametrize("max_tokens", [1, 3, 20])
def test_the_best_span_is_the_best_of_all(max_tokens):
    rng = np.random.default_rng(0)
    logits, allowed = rng.standard_normal((5, 11, 2)), rng.random((5, 11)) < 0.6
    allowed[4] = False
    spans, scores = best_spans(logits, allowed, max_tokens)
    for index in range(5):
        each = {
            (first, last): logits[index, first, 0] + logits[index, last, 1]
            for first in range(11)
            for last in range(first, min(first + max_tokens, 11))
            if allowed[index, first] and allowed[index, last]
        }
        best = max(each, key=each.get, default=None)
        assert scores[index] == (each[best] if each else -np.inf)
        assert best is None or tuple(spans[index]) == best


def test_no_answer_is_the_span_of_the_first_token(tmp_path):
    found = [*rows(), *(row(100 + number, answer="") for number in range(4))]
    data = opened(tmp_path, write(tmp_path / "train.jsonl", found), unanswerable="allowed")
    for split in data.splits.values():
        assert any(not answers for answers in split.rows["answers"])  # of both kinds in both splits
        batch = split.read(np.arange(len(split)))
        for number, question in enumerate(split.windows.question):
            if not split.rows["answers"][question]:
                assert tuple(batch["span"][number]) == (0, 0) and batch["tokens"][number, 0] == data.tokenizer.cls_id


def test_squad_and_its_copy_on_the_hub_are_the_same(tmp_path):
    hub = [
        each | {"answers": {key: [answer[key] for answer in each["answers"]] for key in ("text", "answer_start")}}
        for each in rows()
    ]
    questions = [{key: each[key] for key in ("id", "question", "answers")} for each in rows()]
    squad = tmp_path / "squad.json"
    squad.write_text(json.dumps({"version": "1.1", "data": [{"paragraphs": [{"context": CONTEXT, "qas": questions}]}]}))
    expected = opened(tmp_path, write(tmp_path / "a.jsonl", rows()))
    for source in (write(tmp_path / "b.jsonl", hub), squad):
        found = opened(tmp_path, source)
        for name, split in expected.splits.items():
            indices = np.arange(len(split))
            for field, values in split.read(indices).items():
                np.testing.assert_array_equal(values, found.split(name).read(indices)[field])


def test_an_answer_that_no_window_holds_is_counted(tmp_path, caplog):
    long = CONTEXT[: len(CONTEXT) // 2]
    with caplog.at_level(logging.WARNING):
        data = opened(tmp_path, write(tmp_path / "train.jsonl", [*rows(), row(99, answer=long)]))
    (said,) = data.summaries["train"].losses
    assert f"train: {said}" in caplog.text and "train.jsonl, line 13)" in said
    assert said.startswith("the answers of 1 questions do not fit into a window")


def test_answers_within_a_token_are_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        data = opened(tmp_path, write(tmp_path / "train.jsonl", [*rows(), row(99, answer="188")]))
    (said,) = data.summaries["train"].losses
    assert f"train: {said}" in caplog.text and "train.jsonl, line 13)" in said
    assert said.startswith("the answers of 1 questions begin or end within a token")


def test_a_context_without_tokens_is_refused(tmp_path):
    found = [*rows(), row(99, context="\u200b", answers=[])]
    with pytest.raises(InputError, match=r"train\.jsonl, line 13, column 'context': the tokenizer finds no token"):
        opened(tmp_path, write(tmp_path / "train.jsonl", found), unanswerable="allowed")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(answer=""), r"line 2, column 'answers': expected an answer to '.*'; found none.*unanswerable"),
        (dict(answers=[{"text": "Zoë", "answer_start": 3}]), r"line 2, column 'answers': expected the answer 'Zoë' at"),
        (
            dict(answers=[{"text": "Zoë", "answer_start": 9999}]),
            r"at character 9999 of the context; found a context of \d+ characters",
        ),
        (dict(answers=[{"text": "Zoë", "answer_start": -3}]), r"at character -3"),
        (dict(answers=[{"text": "Zoë"}]), r"expected an answer with a text and a whole number answer_start"),
        (dict(answers="Zoë"), r"expected a list of answers"),
        (dict(answers={"text": ["a", "b"], "answer_start": [1]}), r"expected as many of answer_start as of text"),
        (dict(id="q3"), r"line 2, column 'id': expected an id of its own; found 'q3', as in .*line 1"),
        (dict(id=None), r"line 2, column 'id': expected an id of its own; found nothing"),
        (dict(context=" "), r"line 2, column 'context': expected text; found nothing"),
    ],
)
def test_refused(tmp_path, changes, message):
    found = [row(3), row(50, **changes), *(row(60 + number) for number in range(6))]
    with pytest.raises(InputError, match=message):
        opened(tmp_path, write(tmp_path / "train.jsonl", found))


def test_refused_as_a_whole(tmp_path):
    source = write(tmp_path / "train.jsonl", rows())
    with pytest.raises(ConfigError, match=r"leaves 25 tokens to a context.*must exceed data.stride 30"):
        opened(tmp_path, source, stride=30)
    with pytest.raises(ConfigError, match=r"data\.stride must be 0 or more"):
        opened(tmp_path, source, stride=-1)
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"data": [{"paragraphs": {}}]}))
    with pytest.raises(FormatError, match=r"broken\.json, data\[0\]: expected SQuAD's JSON"):
        opened(tmp_path, broken)
