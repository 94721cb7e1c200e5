# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Answers to questions from the scores of first and last tokens, over all windows of a context (BERT, section 4.2)."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from zoo.data.windows import Windows


@dataclasses.dataclass(frozen=True)
class Span:
    """The best answer to a question.

    Attributes:
      text: as it stands in the context; "" if nothing of the context can be an answer.
      start, end: in the context, in characters; `text` is `context[start:end]`.
      score: the sum of both logits. no_answer: that of "there is no answer", the least over the windows.
    """

    text: str
    start: int
    end: int
    score: float
    no_answer: float


def best_spans(
    logits: Float[np.ndarray, "B T 2"], allowed: Bool[np.ndarray, "B T"], max_tokens: int
) -> tuple[Int[np.ndarray, "B 2"], Float[np.ndarray, "B"]]:
    """The first and last token with the highest sum of scores among all spans of at most so many tokens, and that sum.

    The sum is minus infinity where no token is allowed.
    """
    start, end = (np.where(allowed, logits[:, :, each], -np.inf) for each in (0, 1))
    rows, length = np.arange(len(logits)), logits.shape[1]
    found, best = np.zeros((len(logits), 2), np.int64), np.full(len(logits), -np.inf)
    for further in range(min(max_tokens, length)):
        scores = start[:, : length - further] + end[:, further:]
        first = scores.argmax(axis=1)
        better = scores[rows, first] > best
        best = np.where(better, scores[rows, first], best)
        found[better] = np.stack([first, first + further], axis=1)[better]
    return found, best


def read_answers(
    windows: Windows, contexts: Sequence[str], logits: Iterable[Float[np.ndarray, "_ _ 2"]], *, max_tokens: int
) -> list[Span]:
    """The answer to each question, from the logits of all windows in order.

    Args:
      logits: batch by batch; rows after the last window are left out.
    """
    best: dict[int, tuple[float, int, int]] = {}
    no_answer: dict[int, float] = {}
    number = 0
    for batch in logits:
        batch = batch[: len(windows.question) - number].astype(np.float64)
        offsets = _padded(windows.offsets[number : number + len(batch)], batch.shape[1])
        spans, scores = best_spans(batch, offsets[:, :, 0] >= 0, max_tokens)
        for row, ((first, last), score) in enumerate(zip(spans, scores, strict=True)):
            question, none = int(windows.question[number + row]), windows.none[number + row]
            no_answer[question] = min(no_answer.get(question, np.inf), float(batch[row, none].sum()))
            if score > best.get(question, (-np.inf, 0, 0))[0]:
                best[question] = float(score), int(offsets[row, first, 0]), int(offsets[row, last, 1])
        number += len(batch)
    return [_span(context, *best.get(i, (-np.inf, 0, 0)), no_answer[i]) for i, context in enumerate(contexts)]


def texts_above(answers: Mapping[str, Span], threshold: float) -> dict[str, str]:
    """The answers by id; "" where "no answer" scores more than the answer by more than the threshold."""
    return {name: "" if no_answer_score(found) > threshold else found.text for name, found in answers.items()}


def no_answer_score(answer: Span) -> float:
    """By how much "no answer" scores more than the answer."""
    return answer.no_answer - answer.score


def _span(context: str, score: float, start: int, end: int, no_answer: float) -> Span:
    text = context[start:end]
    start, end = start + len(text) - len(text.lstrip()), end - (len(text) - len(text.rstrip()))
    return Span(context[start:end], start, end, score, no_answer)


def _padded(offsets: Sequence[Int[np.ndarray, "_ 2"]], length: int) -> Int[np.ndarray, "B T 2"]:
    found = np.full((len(offsets), length, 2), -1, np.int32)
    for row, values in zip(found, offsets, strict=True):
        row[: len(values)] = values
    return found
