# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Sentences of a text: no character is lost, and periods that end none do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.data.sentences import split_sentences

SENTENCES = [
    "Mr. Smith went to Washington, D.C. yesterday.",
    "He paid $3.50 for it!",
    "“Really?” she asked.",
    "J. R. Ewing, e.g., saw No. 5 and Fig. 3 ...",
    "But he said no.",
    "“Stop!”",
    "(It was over.)",
    "Quite so…",
    "4 is a number?!",
    "Élan vital.",
]


def test_periods_that_end_a_sentence_and_others():
    assert [each.strip() for each in split_sentences(" ".join(SENTENCES), "punctuation")] == SENTENCES


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("a heading\n\nThe text. more", ["a heading", "\n\nThe text. more"]),  # a lower-case letter goes on
        ("one line\nand the next", ["one line\nand the next"]),
        ("我来了。你呢？「好！」他说。", ["我来了。", "你呢？", "「好！」", "他说。"]),  # noqa: RUF001
        ("Это конец. И начало.", ["Это конец.", " И начало."]),
        ("  \n ", []),
        ("End. \n", ["End. \n"]),
    ],
)
def test_scripts_and_lines(text, sentences):
    assert split_sentences(text, "punctuation") == sentences


def test_a_line_is_a_sentence():
    assert split_sentences("one. Two\n\n  three \nfour\n ", "line") == ["one. Two", "\n\n  three ", "\nfour\n "]
    assert split_sentences("\n \n", "line") == []


@pytest.mark.parametrize("rule", ["line", "punctuation"])
@given(text=st.text(st.sampled_from("aB.!?…\n 。”\"'()\t5"), max_size=60) | st.text(max_size=30))
def test_joined_they_are_the_text(rule, text):
    found = split_sentences(text, rule)
    assert "".join(found) == text if text.strip() else not found
    assert all(sentence.strip() for sentence in found)
