# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Scores of entities in tagged sequences (Tjong Kim Sang and De Meulder 2003, arXiv:cs/0306050, section 2): an entity
counts if its type, first and last token are right.

Equal to the default mode of seqeval 1.2.2 (https://github.com/chakki-works/seqeval), in which every order of tags has a
meaning, and to conlleval (https://www.clips.uantwerpen.be/conll2000/chunking/output.html) for the schemes that it
knows, IOB and IOE. Differs from seqeval in tags without a prefix, whose first letter it takes for one, so that `ORG` is
outside: here the whole tag is the type. Prefixes other than B, I, E and S, which it accepts as well, are an error.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from zoo.errors import InputError

DEFINITIONS = {
    "precision": "Share of the predicted entities whose type, first and last word are right.",
    "recall": "Share of the labelled entities that are predicted with the right type, first and last word.",
    "f1": "Harmonic mean of `precision` and `recall` over all entities, as CoNLL-2003 counts them.",
    "f1:": "Harmonic mean of precision and recall over the entities of this type alone.",
    "accuracy": "Share of the words whose tag is right, those outside of entities included.",
}


class Tag(NamedTuple):
    """A tag in its parts: `letter` is one of O, B, I, E and S, and `type` is empty for O."""

    letter: str
    type: str


class Entity(NamedTuple):
    """An entity, with the places of its first and last token."""

    type: str
    first: int
    last: int


class TypeScores(NamedTuple):
    """Scores of the entities of one type; `labelled` and `predicted` are how many there are."""

    precision: float
    recall: float
    f1: float
    labelled: int
    predicted: int


def split_tag(tag: str) -> Tag:
    """The parts of a tag: B-PER is (B, PER); B is (B, _); PER, without a prefix, is (I, PER).

    Raises:
      InputError: an empty tag, or one with another prefix, or with a suffix in its place.
    """
    if tag == "O":
        return Tag("O", "")
    letter, hyphen, kind = tag[:1], tag[1:2], tag[2:]
    if letter in ("B", "I", "E", "S") and hyphen in ("", "-"):
        return Tag(letter, kind or "_")
    if not tag or "-" in (tag[1:2], tag[-2:-1]):
        raise InputError(
            f"Tags must be O, or a type with one of the letters B, I, E and S as its prefix; found {tag!r}. Rename it "
            "(BILOU's L and U are E and S here)."
        )
    return Tag("I", tag)


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of a sequence of tags by IOB1, IOB2, IOE or IOBES, in order.

    A tag other than O begins an entity if its letter is B or S, if it follows O, E, S or another type, or if it is the
    first one; otherwise it continues one. Tags without a prefix thus make one entity of each run of a type.
    """
    found: list[Entity] = []
    previous = Tag("O", "")
    for place, tag in enumerate(split_tag(each) for each in tags):
        if tag.letter == "O":
            pass
        elif tag.letter in "BS" or previous.letter in "OES" or tag.type != previous.type:
            found.append(Entity(tag.type, place, place))
        else:
            found[-1] = found[-1]._replace(last=place)
        previous = tag
    return found


def entity_scores(golds: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> dict[str, float]:
    """`precision`, `recall` and `f1` over all entities, `f1:TYPE` of each type, and `accuracy` of tags.

    A fraction of nothing is 0. The types are those of `golds` and `predictions` together, in alphabetical order.

    Raises:
      InputError: sequences of unequal number or length, or an invalid tag.
    """
    counts = _counts(golds, predictions)
    precision, recall, score = _scores(*(each.total() for each in counts))
    same = [a == b for pair in zip(golds, predictions, strict=True) for a, b in zip(*pair, strict=True)]
    by_type = {f"f1:{kind}": scores.f1 for kind, scores in _by_type(counts).items()}
    return {"precision": precision, "recall": recall, "f1": score, "accuracy": _share(sum(same), len(same)), **by_type}


def type_scores(golds: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> dict[str, TypeScores]:
    """The scores of each type of `entity_scores`, in alphabetical order.

    Raises:
      InputError: as `entity_scores`.
    """
    return _by_type(_counts(golds, predictions))


def _counts(golds: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> list[Counter[str]]:
    """How many entities of each type are right, predicted and labelled."""
    _check_lengths(golds, predictions)
    gold, predicted = _located(golds), _located(predictions)
    return [Counter(entity.type for _, entity in found) for found in (gold & predicted, predicted, gold)]


def _by_type(counts: Sequence[Counter[str]]) -> dict[str, TypeScores]:
    right, predicted, gold = counts
    return {
        kind: TypeScores(*_scores(right[kind], predicted[kind], gold[kind]), gold[kind], predicted[kind])
        for kind in sorted({*predicted, *gold})
    }


def _located(sequences: Iterable[Sequence[str]]) -> set[tuple[int, Entity]]:
    return {(index, entity) for index, tags in enumerate(sequences) for entity in entities(tags)}


def _scores(correct: int, predicted: int, gold: int) -> tuple[float, float, float]:
    precision, recall = _share(correct, predicted), _share(correct, gold)
    return precision, recall, _share(2 * precision * recall, precision + recall)


def _share(part: int | float, whole: int | float) -> float:
    return part / whole if whole else 0.0


def _check_lengths(golds: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]) -> None:
    if len(golds) != len(predictions):
        raise InputError(
            f"Expected as many sequences of predicted tags as of gold tags, {len(golds)}; found {len(predictions)}."
        )
    for index, (gold, predicted) in enumerate(zip(golds, predictions, strict=True)):
        if len(gold) != len(predicted):
            raise InputError(
                f"Sequence {index} has {len(gold)} gold tags and {len(predicted)} predicted ones; predict one per tag."
            )
