# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The metric of SQuAD: exact match and F1 of answers (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1; questions
without an answer: Rajpurkar et al. 2018, arXiv:1806.03822).

Equal to the official script `evaluate-v2.0.py` (https://rajpurkar.github.io/SQuAD-explorer), except that scores are
fractions of 1 rather than percentages, and that ids must match: the script skips questions without a prediction.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from zoo.errors import InputError

_EXACT = "Share of the questions whose answer equals one of the right ones, without case, punctuation and articles{}."
_F1 = "Mean over the questions of the highest F1 score of the answer's words with those of a right answer{}."
DEFINITIONS = {
    f"{name}{suffix}": sentence.format(which)
    for name, sentence in (("exact_match", _EXACT), ("f1", _F1))
    for suffix, which in (
        ("", ""),
        ("_answerable", ", over the questions that have an answer"),
        ("_unanswerable", ", over the questions that have none"),
    )
} | {
    f"best_{name}{suffix}": sentence.format(name)
    for name in ("exact_match", "f1")
    for suffix, sentence in (
        ("", "The highest `{}` that any threshold of the no-answer score gives."),
        (
            "_threshold",
            "The no-answer score above which the answer is empty for the best `{}`; 0 also where it is best to answer "
            "no question, as in the official script.",
        ),
    )
}
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII alone: the script keeps dashes and curly quotes


class BestThreshold(NamedTuple):
    """The best scores that a threshold of the no-answer score can give, each with its threshold."""

    exact_match: float
    exact_match_threshold: float
    f1: float
    f1_threshold: float


def normalize_answer(text: str) -> str:
    """The text in lower case, without punctuation, articles and extra white space, which are removed in this order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1 if the prediction equals one of the gold answers after normalization, else 0.

    Without gold answers, or if nothing is left of any after normalization, the empty answer is right.
    """
    return float(normalize_answer(prediction) in _normalized(golds))


def f1(prediction: str, golds: Sequence[str]) -> float:
    """Highest F1 of the prediction's words with those of a gold answer; of no answer as in `exact_match`."""
    words = normalize_answer(prediction).split()
    return max(_f1(words, gold.split()) for gold in _normalized(golds))


def squad_scores(predictions: Mapping[str, str], golds: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Mean `exact_match` and `f1` over questions, as fractions of 1; both mappings are by the question's id.

    If some question has no gold answers, the means over the questions with and without, where there are any, are
    `exact_match_answerable`, `f1_answerable`, `exact_match_unanswerable` and `f1_unanswerable` (`HasAns` and `NoAns` in
    the script).

    Raises:
      InputError: an id with a prediction alone or gold answers alone, or no question at all.
    """
    _check_ids("prediction", predictions, golds)
    groups = {"": list(golds)}
    if unanswerable := [each for each in golds if not golds[each]]:
        groups |= {"_answerable": [each for each in golds if golds[each]], "_unanswerable": unanswerable}
    return {
        f"{name}{group}": sum(metric(predictions[each], golds[each]) for each in ids) / len(ids)
        for group, ids in groups.items()
        if ids
        for name, metric in (("exact_match", exact_match), ("f1", f1))
    }


def best_threshold(
    predictions: Mapping[str, str], golds: Mapping[str, Sequence[str]], no_answer_scores: Mapping[str, float]
) -> BestThreshold:
    """The thresholds above whose value a no-answer score should turn the prediction into no answer.

    As in the script, equal no-answer scores are taken in the order of their mapping, so that a best score may lie
    between them, and a threshold is 0 if it is best to answer no question.

    Raises:
      InputError: as `squad_scores`, of no-answer scores as well; a no-answer score that is NaN.
    """
    _check_ids("prediction", predictions, golds)
    _check_ids("no-answer score", no_answer_scores, golds)
    if undefined := [each for each, score in no_answer_scores.items() if math.isnan(score)]:
        raise InputError(f"No-answer scores must be numbers; that of {undefined[0]!r} is NaN. Check the logits.")
    order = sorted(no_answer_scores, key=no_answer_scores.__getitem__)
    found: list[float] = []
    for metric in (exact_match, f1):
        gains = (_gain(metric(predictions[each], golds[each]), predictions[each], golds[each]) for each in order)
        found += _best(gains, [no_answer_scores[each] for each in order], sum(not golds[each] for each in golds))
    return BestThreshold(*found)


def _gain(score: float, prediction: str, golds: Sequence[str]) -> float:
    """What answering a question adds to the sum of scores, which began with all questions unanswered."""
    return score if golds else -float(prediction != "")


def _best(gains: Iterable[float], thresholds: Sequence[float], unanswerable: int) -> tuple[float, float]:
    best = total = float(unanswerable)
    threshold = 0.0
    for gain, candidate in zip(gains, thresholds, strict=True):
        total += gain
        if total > best:
            best, threshold = total, candidate
    return best / len(thresholds), threshold


def _normalized(golds: Sequence[str]) -> list[str]:
    if isinstance(golds, str):
        raise InputError(f"Gold answers must be a sequence of strings; found the string {golds!r}. Put it in a list.")
    return [text for text in map(normalize_answer, golds) if text] or [""]


def _f1(words: list[str], gold: list[str]) -> float:
    if not words or not gold:
        return float(words == gold)
    common = (Counter(words) & Counter(gold)).total()
    if not common:
        return 0.0
    # Not 2 * common / (len(words) + len(gold)): rounded unlike in the script, it may find another best threshold.
    precision, recall = common / len(words), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _check_ids(kind: str, given: Mapping[str, object], golds: Mapping[str, object]) -> None:
    if unknown := [each for each in given if each not in golds]:
        raise InputError(f"Every {kind} needs gold answers, [] for none; {unknown[0]!r} is not among them. Add it.")
    if missing := [each for each in golds if each not in given]:
        raise InputError(f"Every question needs a {kind}; {missing[0]!r} has none. Add one, or leave the question out.")
    if not golds:
        raise InputError(f"Expected the {kind} of 1 question or more; found none. Check the split.")
