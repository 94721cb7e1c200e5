# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Predictions in the format that https://gluebenchmark.com takes: a file for each task, `index<TAB>prediction`.

As the benchmark's own code writes them (https://github.com/nyu-mll/jiant-v1-legacy, `jiant/evaluate.py`): MNLI, QNLI
and RTE have names as labels, scores of STS-B three decimals between 0 and 5, all others 0 and 1. AX has MNLI's names.
"""

from collections.abc import Iterator, Sequence

import numpy as np

_FILES = {
    "cola": "CoLA",
    "sst2": "SST-2",
    "mrpc": "MRPC",
    "stsb": "STS-B",
    "qqp": "QQP",
    "mnli": "MNLI-m",
    "qnli": "QNLI",
    "rte": "RTE",
    "wnli": "WNLI",
    "ax": "AX",
}
# In the order of the class indices of the Hub's and of TensorFlow's copies of GLUE.
_LABELS = {
    "cola": ("unacceptable", "acceptable"),
    "sst2": ("negative", "positive"),
    "mrpc": ("not_equivalent", "equivalent"),
    "qqp": ("not_duplicate", "duplicate"),
    "mnli": ("entailment", "neutral", "contradiction"),
    "qnli": ("entailment", "not_entailment"),
    "rte": ("entailment", "not_entailment"),
    "wnli": ("not_entailment", "entailment"),
    "ax": ("entailment", "neutral", "contradiction"),
}
_NAMED = ("mnli", "qnli", "rte", "ax")  # whose files hold names
_HIGHEST = 5.0  # score of STS-B


def submission_name(task: str, split: str) -> str:
    """The name of a task's file; "" for a task that is none of GLUE's. MNLI has two, by the name of the split."""
    if task == "mnli" and "mismatched" in split:
        return "MNLI-mm.tsv"
    return f"{_FILES[task]}.tsv" if task in _FILES else ""


def expected_labels(task: str) -> tuple[str, ...]:
    """What the classes of a task of GLUE may be called, besides 0, 1, 2; () of STS-B."""
    return _LABELS.get(task, ())


def submission_labels(task: str, classes: Sequence[str]) -> list[str]:
    """What a task's file holds for each class; [] if they are not called as the task's labels are, nor 0, 1, 2."""
    names = _LABELS[task]
    numbers = [str(index) for index in range(len(names))]
    written = dict(zip(names, names if task in _NAMED else numbers, strict=True))
    if sorted(classes) == sorted(names):
        return [written[name] for name in classes]
    return [written[names[int(name)]] for name in classes] if sorted(classes) == numbers else []


def submission_lines(
    task: str, predicted: np.ndarray, classes: Sequence[str], ids: Sequence[int] | None = None
) -> Iterator[str]:
    """The lines of a task's file with its header.

    Args:
      predicted: classes int [n], or scores float [n] of STS-B.
      classes: the names of the classes, as `submission_labels` takes them.
      ids: the number of each row, by which the lines are sorted; None is rows in the benchmark's order.
    """
    yield "index\tprediction\n"
    if task == "stsb":
        values = [f"{min(max(float(score), 0.0), _HIGHEST):.3f}" for score in predicted]
    else:
        labels = submission_labels(task, classes)
        values = [labels[index] for index in predicted]
    for index, value in sorted(zip(range(len(values)) if ids is None else ids, values, strict=True)):
        yield f"{index}\t{value}\n"
