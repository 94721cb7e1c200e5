# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes entities.npz: random tags of several schemes, scored by seqeval 1.2.2 and by conlleval.

Run by hand with NumPy, seqeval and Perl:
`python tests/golden/make_entities_golden.py conlleval.pl`, the script of
https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt.
"""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
from seqeval.metrics.sequence_labeling import accuracy_score, precision_recall_fscore_support

TARGET = Path(__file__).with_name("entities.npz")
COUNT, MAX_TYPES = 1000, 4


def tags_of(letters: str, types: tuple[str, ...]) -> list[str]:
    return ["O", *(f"{letter}-{kind}" for kind in types for letter in letters)]


# Tags of each scheme. Of the last one's, which have no prefix, seqeval drops the first letter.
SCHEMES = {
    "iob": tags_of("BI", ("PER", "LOC", "MISC", "ORG")),
    "iobes": tags_of("BIES", ("PER", "WORK-OF-ART", "ORG")),
    "ioe": tags_of("EI", ("PER", "LOC")),
    "untyped": list("OBIES"),
    "suffix": ["O", *(f"{kind}-{letter}" for kind in ("PER", "WORK-OF-ART", "ORG") for letter in "BIES")],
    "bare": ["O", "PER", "LOC", "MISC"],
}
CONLL = ("iob", "ioe")  # conlleval does not know S, and does not count entities without a type


def main(conlleval: str) -> None:
    warnings.simplefilter("ignore")  # of zero division, and of tags without a prefix
    draw, names = np.random.default_rng(0), list(SCHEMES)
    scheme = draw.permutation(np.arange(COUNT) % len(names)).astype(np.uint8)
    sets = [random_set(draw, len(SCHEMES[names[index]])) for index in scheme]
    lengths = [[len(gold) for gold, _ in each] for each in sets]
    scores = np.full((COUNT, 4 + MAX_TYPES), np.nan)
    conll = np.full((COUNT, 4), np.nan)
    for row, (index, each) in enumerate(zip(scheme, sets, strict=True)):
        texts = [[[SCHEMES[names[index]][tag] for tag in tags] for tags in side] for side in zip(*each, strict=True)]
        found = by_seqeval(*texts, suffix=names[index] == "suffix")
        scores[row, : len(found)] = found
        if names[index] in CONLL:
            conll[row] = by_conlleval(conlleval, *texts)
    flat = [np.concatenate([pair[side] for each in sets for pair in each]).astype(np.uint8) for side in (0, 1)]
    np.savez_compressed(
        TARGET,
        schemes=np.array(json.dumps(SCHEMES)),
        scheme=scheme,
        sequences=np.array([len(each) for each in lengths], np.uint8),
        lengths=np.concatenate(lengths).astype(np.uint8),
        golds=flat[0],
        predictions=flat[1],
        scores=scores,
        conlleval=conll,
    )


def random_set(draw: np.random.Generator, num_tags: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sequences of gold tags in any order, more or less of them O, and predictions of which some share is right."""
    outside = draw.choice([0.0, 0.5, 0.9, 1.0], p=[0.4, 0.4, 0.15, 0.05])
    right = draw.choice([0.0, 0.5, 0.8, 0.95, 1.0])
    found = []
    for length in [draw.integers(1, 16), *draw.integers(0, 16, draw.integers(0, 4))]:
        gold, other = (draw.integers(0, num_tags, length) * (draw.random(length) >= outside) for _ in range(2))
        found.append((gold, np.where(draw.random(length) < right, gold, other)))
    return found


def by_seqeval(golds: list, predictions: list, *, suffix: bool) -> list[float]:
    """Precision, recall, F1 and accuracy, and the F1 of the types in alphabetical order."""
    micro = precision_recall_fscore_support(golds, predictions, average="micro", suffix=suffix)[:3]
    by_type = precision_recall_fscore_support(golds, predictions, average=None, suffix=suffix)[2]
    return [*micro, accuracy_score(golds, predictions), *by_type]


def by_conlleval(script: str, golds: list, predictions: list) -> list[float]:
    """Precision, recall, F1 and accuracy in percent, rounded to two decimals."""
    pairs = [zip(*pair, strict=True) for pair in zip(golds, predictions, strict=True)]
    text = "\n\n".join("\n".join(f"x {gold} {predicted}" for gold, predicted in pair) for pair in pairs)
    result = subprocess.run(["perl", script], input=text + "\n", capture_output=True, text=True, check=True)
    accuracy, precision, recall, f1 = map(float, re.findall(r"[\d.]+(?=%|$)", result.stdout.splitlines()[1]))
    return [precision, recall, f1, accuracy]


if __name__ == "__main__":
    main(sys.argv[1])
