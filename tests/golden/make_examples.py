# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes the small datasets of words, questions and endings that come with the package, for trying out fine-tuning.

The sentences are composed of the phrases below, which were written for this file, so that no other licence applies.
What is to be learned follows from the words alone. Usage: `python tests/golden/make_examples.py`.
"""

import csv
import json
import random
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "zoo" / "data"
COUNT = 400  # rows of each

FIRST = ("anna", "boris", "clara", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karin", "leo")
LAST = (
    "adler",
    "brandt",
    "castro",
    "duval",
    "engel",
    "fischer",
    "garcia",
    "holm",
    "ivanov",
    "jensen",
    "keller",
    "lopez",
)
CITIES = (
    ("lisbon",),
    ("new", "haven"),
    ("cairo",),
    ("oslo",),
    ("san", "marino"),
    ("quito",),
    ("port", "louis"),
    ("riga",),
)
FIRMS = (("nordwind",), ("acme", "tools"), ("blue", "harbour", "press"), ("solaris",), ("green", "valley", "foods"))
FRAMES = (
    "{person} flew from {city} to {other} on monday .",
    "the office of {firm} in {city} is closed .",
    "yesterday {person} sold her shares of {firm} .",
    "{firm} opens a branch in {city} , said {person} .",
    "it rained in {city} all week .",
    "a spokesman of {firm} denied this .",
)
TYPES = {"person": "PER", "city": "LOC", "other": "LOC", "firm": "ORG"}

FACTS = "{person} was born in {city} in {year} and has worked for {firm} since {later} ."
QUESTIONS = {
    "who is this about ?": "person",
    "which city was it ?": "city",
    "which company is named ?": "firm",
    "in what year was the birth ?": "year",
}

SCENES = {
    "the {cook} heated the {pan} .": {"cook": ("cook", "baker", "chef"), "pan": ("oven", "pan", "pot")},
    "the {sailor} raised the {sail} .": {
        "sailor": ("sailor", "captain", "fisherman"),
        "sail": ("sail", "anchor", "mast"),
    },
    "the {climber} reached the {ridge} .": {
        "climber": ("climber", "guide", "hiker"),
        "ridge": ("ridge", "peak", "summit"),
    },
    "the {pupil} opened the {book} .": {"pupil": ("pupil", "teacher", "student"), "book": ("book", "lesson", "exam")},
}
RIGHT = (
    "then the {0} went home",
    "soon the {0} was done",
    "the {0} smiled and rested",
    "after that the {0} had tea",
)
WRONG = (
    "the moon ate a {0}",
    "seven spoons sang to the {0}",
    "a cloud married the {0}",
    "the {0} melted into marbles",
    "purple numbers chased the {0}",
    "the {0} hatched from a carpet",
)


def tagged(draw: random.Random) -> list[dict]:
    """Sentences with the tags of their persons, places and organisations."""
    rows = []
    for _ in range(COUNT):
        person = (draw.choice(FIRST), draw.choice(LAST))[: draw.choice((1, 2))]
        city, other = draw.sample(CITIES, 2)
        parts = {"person": person, "city": city, "other": other, "firm": draw.choice(FIRMS)}
        words, tags = [], []
        for piece in draw.choice(FRAMES).split():
            role = piece.strip("{}") if piece.startswith("{") else None
            found = parts[role] if role else (piece,)
            words += found
            tags += ["O"] if role is None else [f"B-{TYPES[role]}"] + [f"I-{TYPES[role]}"] * (len(found) - 1)
        rows.append({"words": words, "tags": tags})
    return rows


def questions(draw: random.Random) -> list[dict]:
    """Questions about one sentence each, whose answer is a part of it."""
    rows = []
    for number in range(COUNT):
        year = draw.randrange(1950, 1999)
        parts = {
            "person": f"{draw.choice(FIRST)} {draw.choice(LAST)}",
            "city": " ".join(draw.choice(CITIES)),
            "firm": " ".join(draw.choice(FIRMS)),
            "year": str(year),
            "later": str(year + draw.randrange(20, 30)),
        }
        question, role = draw.choice([*QUESTIONS.items()])
        context = FACTS.format(**parts)
        start = context.index(parts[role])
        answers = {"text": [parts[role]], "answer_start": [start]}
        rows.append({"id": f"q{number}", "question": question, "context": context, "answers": answers})
    return rows


def endings(draw: random.Random) -> list[list[str]]:
    """Sentences with four endings, of which one makes sense."""
    rows = [["text", "ending0", "ending1", "ending2", "ending3", "label"]]
    for _ in range(COUNT):
        frame, words = draw.choice([*SCENES.items()])
        parts = {role: draw.choice(choices) for role, choices in words.items()}
        someone, label = next(iter(parts.values())), draw.randrange(4)
        options = draw.sample(WRONG, 3)
        options.insert(label, draw.choice(RIGHT))
        rows.append([frame.format(**parts), *(f"{option.format(someone)} ." for option in options), str(label)])
    return rows


def main() -> None:
    draw = random.Random(0)
    for name, rows in (("tagged_sentences", tagged(draw)), ("questions", questions(draw))):
        lines = [json.dumps(row) + "\n" for row in rows]
        (FOLDER / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    with (FOLDER / "endings.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(endings(draw))


if __name__ == "__main__":
    main()
