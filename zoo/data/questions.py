# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Questions with the contexts that answer them, or do not: SQuAD 1.1 (arXiv:1606.05250), 2.0 (arXiv:1806.03822)."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from jaxtyping import Int32

from zoo.data.columns import Table
from zoo.data.inputs import Inputs
from zoo.data.ragged import SequenceExamples, has_token_types
from zoo.data.rows import Rows, read_rows
from zoo.data.schema import Batch, Feature, Schema, SplitSummary
from zoo.data.supervised import SupervisedConfig
from zoo.data.windows import Windows, check_contexts, encode_windows
from zoo.errors import ConfigError, InputError
from zoo.text.tokenizer import Tokenizer

EMBEDDED = Path(__file__).with_name("questions.jsonl")


class Answer(NamedTuple):
    """An answer, and where it begins in its context, in characters."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuestionsConfig(SupervisedConfig):
    """A table of questions, or a file of SQuAD (.json); see `SupervisedConfig` for the other fields.

    Attributes:
      id, question, context, answers: names of columns. Answers are a list of {"text": ..., "answer_start": ...}, or one
        object of two lists, as in SQuAD and in its copy on the Hub. "" for `id` numbers the questions.
      unanswerable: whether a question may have no answer, as in SQuAD 2.0.
      seq_len: tokens of a window. stride: tokens that consecutive windows of one context share.
      max_question_tokens: a longer question is cut.
    """

    embedded: ClassVar = EMBEDDED
    labels_in: ClassVar = ("id", "answers")
    id: str = "id"
    question: str = "question"
    context: str = "context"
    answers: str = "answers"
    unanswerable: Literal["refused", "allowed"] = "refused"
    stride: int = 128
    max_question_tokens: int = 64

    def __post_init__(self):
        super().__post_init__()
        self._require("question", "context", "answers")
        for name, least in (("stride", 0), ("max_question_tokens", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"data.{name} must be {least} or more; found {getattr(self, name)}.")

    @property
    def columns(self) -> dict[str, str]:
        return {"id": self.id, "question": self.question, "context": self.context, "answers": self.answers}

    @property
    def outlined(self) -> Schema:
        return {"span": Feature(kind="span")}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"type": "questions", "stride": self.stride, "max_question_tokens": self.max_question_tokens}

    def read(self, tables: Mapping[str, Table]) -> tuple[Schema, dict[str, Rows]]:
        return self.outlined, {split: self._read(table) for split, table in tables.items()}

    def inputs(self, features: Schema) -> Inputs:
        return dataclasses.replace(
            super().inputs(features),
            stride=self.stride,
            max_question_tokens=self.max_question_tokens,
            unanswerable=self.unanswerable,
        )

    def strata(self, rows: Rows) -> np.ndarray:
        return np.array([bool(answers) for answers in rows["answers"]], np.int32)

    def texts(self, rows: Rows) -> list[str]:
        return [*rows["question"], *dict.fromkeys(rows["context"])]

    def encode(
        self, tokenizer: Tokenizer, rows: Rows, features: Schema, split: str
    ) -> tuple["QuestionExamples", SplitSummary]:
        windows = encode_windows(
            tokenizer,
            rows["question"],
            rows["context"],
            seq_len=self.seq_len,
            stride=self.stride,
            max_question_tokens=self.max_question_tokens,
            token_types=has_token_types(tokenizer, pairs=True),
        )
        check_contexts(windows, rows, self.context)
        answers = [rows["answers"][question][:1] for question in windows.question]
        spans = np.stack([find_span(windows, number, answer) for number, answer in enumerate(answers)])
        examples = SequenceExamples(
            windows.sequences,
            {"span": np.append(spans, np.zeros((1, 2), np.int32), axis=0)},
            self.seq_len,
            self.pad_to_multiple_of,
            tokenizer.fill_id,
        )
        size = f"{len(rows)} questions in {len(spans)} windows"
        return QuestionExamples(examples, windows, rows), SplitSummary(size, (*_lost_answers(windows, spans, rows),))

    def _read(self, table: Table) -> Rows:
        rows = read_rows(table, self.used_columns, texts=("question", "context"))
        answers = [_answers(rows, index, self.answers) for index in range(len(rows))]
        for index, found in enumerate(answers):
            if not found and self.unanswerable == "refused":
                raise InputError(
                    f"{rows.where(index, self.answers)}: expected an answer to {rows['question'][index]!r:.80}; found "
                    "none. Set data.unanswerable='allowed' for data such as SQuAD 2.0, or remove that question."
                )
        return rows.replace(answers=answers, id=_ids(rows, self.id))


@dataclasses.dataclass(frozen=True, eq=False)
class QuestionExamples:
    """Windows over the contexts of questions, as examples.

    Attributes:
      examples: what a model reads. windows: of which question and of what characters its tokens are.
      rows: the questions, with the columns `id`, `question`, `context` and `answers` (lists of `Answer`).
    """

    examples: SequenceExamples
    windows: Windows
    rows: Rows

    def __len__(self) -> int:
        return len(self.examples)

    def read(self, indices: np.ndarray, *, batch: np.ndarray | None = None) -> Batch:
        """See `zoo.data.schema.Examples`."""
        return self.examples.read(indices, batch=batch)

    def num_tokens(self, indices: np.ndarray) -> np.ndarray:
        """See `zoo.data.packing.Packable`."""
        return self.examples.num_tokens(indices)

    @property
    def golds(self) -> dict[str, list[str]]:
        """The texts of the answers by the question's id."""
        return {
            name: [answer.text for answer in answers]
            for name, answers in zip(self.rows["id"], self.rows["answers"], strict=True)
        }


def find_span(windows: Windows, number: int, answer: Sequence[Answer]) -> Int32[np.ndarray, "2"]:
    """The first and last token of an answer in a window; twice that of no answer if the window does not hold it all."""
    offsets, none = windows.offsets[number], windows.none[number]
    inside = np.flatnonzero(offsets[:, 0] >= 0)
    if answer and len(inside):
        begin, end = answer[0].start, answer[0].start + len(answer[0].text)
        first = inside[np.searchsorted(offsets[inside, 1], begin, side="right") :][:1]
        last = inside[: np.searchsorted(offsets[inside, 0], end, side="left")][-1:]
        if len(first) and len(last) and offsets[first[0], 0] <= begin and end <= offsets[last[0], 1]:
            return np.array([first[0], last[0]], np.int32)
    return np.array([none, none], np.int32)


def _answers(rows: Rows, index: int, column: str) -> list[Answer]:
    value = rows["answers"][index]
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # as on the Hub: an object of two lists
        starts = value.get("answer_start")
        if not isinstance(starts, list) or len(starts) != len(value["text"]):
            raise InputError(f"{rows.where(index, column)}: expected as many of answer_start as of text; correct it.")
        value = [{"text": text, "answer_start": start} for text, start in zip(value["text"], starts, strict=True)]
    if not isinstance(value, list):
        raise InputError(
            f"{rows.where(index, column)}: expected a list of answers with text and answer_start; found {value!r:.60}."
        )
    return [_answer(rows, index, column, each) for each in value]


def _answer(rows: Rows, index: int, column: str, value: Any) -> Answer:
    text, start = (value.get("text"), value.get("answer_start")) if isinstance(value, dict) else (None, None)
    if not isinstance(text, str) or not text or not isinstance(start, int) or isinstance(start, bool):
        raise InputError(
            f"{rows.where(index, column)}: expected an answer with a text and a whole number answer_start; found "
            f"{value!r:.80}. Correct that row."
        )
    context = rows["context"][index]
    found = context[max(start, 0) : start + len(text)]
    if start < 0 or found != text:
        there = f"{found!r:.60} there" if 0 <= start < len(context) else f"a context of {len(context)} characters"
        raise InputError(
            f"{rows.where(index, column)}: expected the answer {text!r:.60} at character {start} of the context; found "
            f"{there}. Correct answer_start, which counts characters and not bytes."
        )
    return Answer(text, start)


def _ids(rows: Rows, column: str) -> list[str]:
    if not column:
        return [str(index) for index in range(len(rows))]
    names = [str(value) if isinstance(value, str | int) else "" for value in rows["id"]]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name or name in seen:
            found = f"{name!r}, as in {rows.where(seen[name])}" if name else "nothing"
            raise InputError(
                f"{rows.where(index, column)}: expected an id of its own; found {found}. Correct that row."
            )
        seen[name] = index
    return names


def _lost_answers(windows: Windows, spans: np.ndarray, rows: Rows) -> Iterator[str]:
    """How many answers no window holds, or tokens cannot give."""
    held, within = set(), set()
    for number in np.flatnonzero(spans[:, 0] != windows.none):
        question, offsets, (first, last) = int(windows.question[number]), windows.offsets[number], spans[number]
        text = rows["context"][question][offsets[first, 0] : offsets[last, 1]]
        held.add(question)
        if text.strip() != rows["answers"][question][0].text.strip():
            within.add(question)
    lost = [index for index, answers in enumerate(rows["answers"]) if answers and index not in held]
    if within:
        what = f"the answers of {len(within)} questions begin or end within a token, so that none gives them exactly"
        yield f"{what} (the first is in {rows.where(min(within))})."
    if lost:
        what = f"the answers of {len(lost)} questions do not fit into a window"
        yield f"{what} (the first is in {rows.where(lost[0])}); raise data.stride, or data.seq_len."
