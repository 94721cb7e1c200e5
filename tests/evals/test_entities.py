# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Entities are found and counted as by seqeval and conlleval, for every scheme and every order of tags."""

import json
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import InputError
from zoo.evals.entities import Entity, entities, entity_scores, split_tag

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "entities.npz")
SCHEMES = json.loads(str(GOLDEN["schemes"]))
MICRO = ("precision", "recall", "f1", "accuracy")


def random_sets():
    """Scheme, gold tags, predicted tags and scores of each set."""
    ends = np.cumsum(GOLDEN["lengths"], dtype=np.int64)
    sides = [np.split(GOLDEN[name], ends[:-1]) for name in ("golds", "predictions")]
    last = np.cumsum(GOLDEN["sequences"], dtype=np.int64)
    for row, (index, stop, count) in enumerate(zip(GOLDEN["scheme"], last, GOLDEN["sequences"], strict=True)):
        scheme = list(SCHEMES)[index]
        golds, predictions = (
            [[SCHEMES[scheme][tag] for tag in tags] for tags in side[stop - count : stop]] for side in sides
        )
        yield scheme, golds, predictions, GOLDEN["scores"][row], GOLDEN["conlleval"][row]


def scores_of(scheme: str, golds: list, predictions: list) -> dict[str, float]:
    if scheme == "suffix":  # which seqeval reads as well: PER-B is B-PER here
        golds, predictions = (
            [[tag if tag == "O" else "-".join(tag.rsplit("-", 1)[::-1]) for tag in tags] for tags in side]
            for side in (golds, predictions)
        )
    return entity_scores(golds, predictions)


@pytest.mark.parametrize("chosen", SCHEMES)
def test_1000_random_sets_score_as_by_seqeval(chosen):
    count = 0
    for scheme, golds, predictions, expected, _ in random_sets():
        if scheme == chosen:
            scores = scores_of(scheme, golds, predictions)
            # seqeval sorts types without a prefix after their first letter, which it drops.
            types = sorted((name for name in scores if ":" in name), key=lambda name: name[3 + (scheme == "bare") :])
            found = [scores[name] for name in (*MICRO, *types)]
            np.testing.assert_allclose(found, expected[~np.isnan(expected)], rtol=0, atol=1e-12)
            count += 1
    assert count >= 1000 // len(SCHEMES)


def test_random_sets_score_as_by_conlleval():
    count = 0
    for scheme, golds, predictions, _, expected in random_sets():
        if not np.isnan(expected[0]):
            scores = scores_of(scheme, golds, predictions)
            np.testing.assert_allclose([100 * scores[name] for name in MICRO], expected, rtol=0, atol=0.005 + 1e-9)
            count += 1
    assert count > 300


# The fragment on conlleval's page, as corpus and predicted tags, of which the script prints 5 right of 5 and of 5.
FRAGMENT = "B-NP B-NP I-NP I-NP O | B-NP B-VP B-NP I-NP"
FOUND = "I-NP B-NP I-NP I-NP O | I-NP B-VP B-NP I-NP"


def sequences(text: str) -> list[list[str]]:
    return [part.split() for part in text.split("|")]


def test_the_published_fragment_of_conlleval():
    assert entity_scores(sequences(FRAGMENT), sequences(FOUND)) == {
        "precision": 1.0, "recall": 1.0, "f1": 1.0, "accuracy": 7 / 9, "f1:NP": 1.0, "f1:VP": 1.0,
    }  # fmt: skip


def test_the_published_examples_of_seqeval():
    golds = sequences("O O O B-MISC I-MISC I-MISC O | B-PER I-PER O")
    predictions = sequences("O O B-MISC I-MISC I-MISC I-MISC O | B-PER I-PER O")
    expected = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "accuracy": 0.8, "f1:MISC": 0.0, "f1:PER": 1.0}
    assert entity_scores(golds, predictions) == expected
    assert entities("O O O B-MISC I-MISC I-MISC O B-PER I-PER".split()) == [("MISC", 3, 5), ("PER", 7, 8)]
    assert entities("O O O B I I O".split()) == [("_", 3, 5)]
    assert entity_scores([["B-ORG", "I-ORG"]], [["I-ORG", "I-ORG"]])["f1"] == 1.0


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("I-A I-A B-A I-A", [(0, 1), (2, 3)]),  # IOB1: B only between two of one type
        ("B-A I-A B-A I-A", [(0, 1), (2, 3)]),
        ("B-A I-B", [(0, 0), (1, 1)]),
        ("B-A I-A E-A S-A S-A", [(0, 2), (3, 3), (4, 4)]),
        ("I-A E-A I-A", [(0, 1), (2, 2)]),
        ("E-A E-A", [(0, 0), (1, 1)]),
        ("S-A E-A", [(0, 0), (1, 1)]),
        ("S-A I-A", [(0, 0), (1, 1)]),
        ("B-A E-A", [(0, 1)]),
        ("O E-A O", [(1, 1)]),
    ],
)
def test_every_order_of_tags_has_a_meaning(tags, expected):
    assert [found[1:] for found in entities(tags.split())] == expected


def test_a_type_keeps_its_hyphens():
    assert entities(["B-WORK-OF-ART"]) == [Entity("WORK-OF-ART", 0, 0)]


def test_tags_without_a_prefix_are_types_as_they_stand():
    assert entities("ORG ORG O EVENT BUS BUS".split()) == [("ORG", 0, 1), ("EVENT", 3, 3), ("BUS", 4, 5)]


@pytest.mark.parametrize("tag", ["U-PER", "b-PER", "O-PER", "PER-B", ""])
def test_other_tags_are_refused(tag):
    with pytest.raises(InputError, match=f"as its prefix; found {tag!r}"):
        split_tag(tag)


def test_scores_of_nothing_are_zero():
    nothing = dict.fromkeys(MICRO, 0.0)
    assert entity_scores([], []) == entity_scores([[]], [[]]) == nothing
    assert entity_scores([["O"]], [["O"]]) == nothing | {"accuracy": 1.0}
    assert entity_scores([["O"]], [["B-A"]]) == nothing | {"f1:A": 0.0}


def test_an_entity_counts_in_its_own_sequence_only():
    assert entity_scores([["B-A"], ["O"]], [["O"], ["B-A"]])["f1"] == 0.0


def test_sequences_of_unequal_number_or_length_are_refused():
    with pytest.raises(InputError, match="of gold tags, 2; found 1"):
        entity_scores([["O"], ["O"]], [["O"]])
    with pytest.raises(InputError, match="Sequence 1 has 2 gold tags and 1 predicted"):
        entity_scores([["O"], ["O", "O"]], [["O"], ["O"]])
