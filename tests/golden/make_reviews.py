# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes zoo/data/reviews.csv: short film reviews of two classes, which their words alone tell apart.

The sentences are composed of the phrases below, which were written for this file, so that no other licence
applies.
Usage: `python tests/golden/make_reviews.py`.
"""

import csv
import itertools
import random
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "zoo" / "data" / "reviews.csv"
COUNT = 300  # of each class

SUBJECTS = (
    *("the film", "the story", "the second act", "this sequel", "the whole cast", "her first feature", "the script"),
    *("the score", "the last hour", "the camera work", "the dialogue", "this remake", "the lead actor", "the ending"),
)
FRAMES = (
    "{subject} is {adverb} {adjective}",
    "{subject} is {adjective} and {other}",
    "i found {subject} {adverb} {adjective}",
    "{subject} is {adjective} , and {verdict}",
    "{verdict} : {subject} is {adverb} {adjective}",
    "from start to finish {subject} feels {adjective}",
)
ADVERBS = ("quite", "truly", "often", "simply", "rather", "always")
WORDS = {
    "positive": {
        "adjectives": (
            *("moving", "clever", "delightful", "gripping", "tender", "brilliant", "warm", "inventive"),
            *("funny", "graceful", "thrilling", "charming"),
        ),
        "verdicts": ("i loved it", "a joy to watch", "worth every minute", "go and see it", "i smiled all evening"),
    },
    "negative": {
        "adjectives": (
            *("dull", "clumsy", "tedious", "lifeless", "shallow", "awful", "cold", "predictable"),
            *("boring", "noisy", "tiresome", "hollow"),
        ),
        "verdicts": ("i left early", "a chore to watch", "a waste of an evening", "do not bother", "i nearly slept"),
    },
}


def sentences(label: str, draw: random.Random) -> list[str]:
    """Distinct sentences of a class."""
    words, found = WORDS[label], {}
    while len(found) < COUNT:
        adjective, other = draw.sample(words["adjectives"], 2)
        parts = {"adjective": adjective, "other": other, "verdict": draw.choice(words["verdicts"])}
        frame = draw.choice(FRAMES)
        found[frame.format(subject=draw.choice(SUBJECTS), adverb=draw.choice(ADVERBS), **parts) + " ."] = None
    return list(found)


def main() -> None:
    draw = random.Random(0)
    columns = [[(text, label) for text in sentences(label, draw)] for label in WORDS]
    rows = list(itertools.chain.from_iterable(columns))
    draw.shuffle(rows)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("text", "label"), *rows])


if __name__ == "__main__":
    main()
