# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The answer to each question, as a part of its context."""

import dataclasses
from typing import Any

import numpy as np

from zoo.data.answers import no_answer_score, read_answers
from zoo.data.questions import QuestionExamples
from zoo.data.ragged import SequenceExamples, has_token_types
from zoo.data.rows import Rows
from zoo.data.windows import check_contexts, encode_windows
from zoo.predict.predictor import MULTIPLE, Predictor, rounded

_MAX_TOKENS = 30  # of an answer, as in BERT's run_squad.py


class Answers(Predictor):
    """`prediction`, where it stands in the context in characters, its score, and by how much "no answer" exceeds it.

    The prediction is empty where "no answer" scores more than the answer by more than the threshold of `inputs`, of a
    model whose data had questions without an answer.
    """

    head = "question_answering"
    roles = ("question", "context")
    required = ("question", "context")

    @property
    def columns(self) -> dict[str, type]:
        numbers = {"prediction:start": int, "prediction:end": int, "prediction:score": float}
        return {"prediction": str, **numbers, "prediction:no_answer_score": float}

    def encode(self, rows: Rows) -> tuple[QuestionExamples, np.ndarray]:
        windows = encode_windows(
            self.tokenizer,
            rows["question"],
            rows["context"],
            seq_len=self.inputs.seq_len,
            stride=self.inputs.stride,
            max_question_tokens=self.inputs.max_question_tokens,
            token_types=has_token_types(self.tokenizer, pairs=True),
        )
        check_contexts(windows, rows, self.inputs.columns["context"])
        examples = SequenceExamples(windows.sequences, {}, self.inputs.seq_len, MULTIPLE, self.tokenizer.fill_id)
        return QuestionExamples(examples, windows, rows), windows.sequences.lengths[:-1]

    def values(self, rows: Rows, examples: Any, logits: list[np.ndarray]) -> dict[str, list[Any]]:
        each = (window[None] for window in logits)
        found = read_answers(examples.windows, rows["context"], each, max_tokens=_MAX_TOKENS)
        above = [no_answer_score(answer) for answer in found]
        if self.inputs.unanswerable == "allowed":
            found = [
                dataclasses.replace(each, text="", start=0, end=0) if score > self.inputs.no_answer_threshold else each
                for each, score in zip(found, above, strict=True)
            ]
        return {
            "prediction": [answer.text for answer in found],
            "prediction:start": [answer.start for answer in found],
            "prediction:end": [answer.end for answer in found],
            "prediction:score": rounded(np.array([answer.score for answer in found])),
            "prediction:no_answer_score": rounded(np.array(above)),
        }
