# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Answers score as by the official scripts of SQuAD, whose scores the golden holds."""

import json
from pathlib import Path

import pytest

from zoo.errors import InputError
from zoo.evals.squad_metric import best_threshold, exact_match, f1, normalize_answer, squad_scores

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "squad.json").read_text(encoding="utf-8"))
QUESTIONS = GOLDEN["questions"]
NAMES = {
    f"{ours}{group}": f"{prefix}{theirs}"
    for group, prefix in (("", ""), ("_answerable", "HasAns_"), ("_unanswerable", "NoAns_"))
    for ours, theirs in (("exact_match", "exact"), ("f1", "f1"))
}


def close(value: float):
    return pytest.approx(value, rel=0, abs=1e-12)


def chosen(ids: list[int]) -> tuple[dict, dict]:
    """Predictions and gold answers."""
    return tuple({str(index): QUESTIONS[index][name] for index in ids} for name in ("prediction", "golds"))


def test_every_answer_scores_as_by_the_official_script():
    assert len(QUESTIONS) > 100
    for each in QUESTIONS:
        assert normalize_answer(each["prediction"]) == each["normalized"]
        assert exact_match(each["prediction"], each["golds"]) == each["exact_match"], each
        assert f1(each["prediction"], each["golds"]) == close(each["f1"]), each


def test_means_over_questions_are_those_of_version_1():
    scores = squad_scores(*chosen(GOLDEN["v1.1"]["questions"]))
    assert scores == {name: close(value / 100) for name, value in GOLDEN["v1.1"]["scores"].items()}


@pytest.mark.parametrize("case", GOLDEN["v2.0"], ids=lambda case: f"{len(case['questions'])}-questions")
def test_means_and_best_thresholds_are_those_of_version_2(case):
    predictions, golds = chosen(case["questions"])
    printed = case["scores"]
    expected = {ours: close(printed[theirs] / 100) for ours, theirs in NAMES.items() if theirs in printed}
    if "f1_unanswerable" not in expected:  # the script repeats the scores over all as those of answerable questions
        expected = {name: expected[name] for name in ("exact_match", "f1")}
    assert squad_scores(predictions, golds) == expected
    best = best_threshold(predictions, golds, dict(zip(golds, case["no_answer_scores"], strict=True)))
    assert best.exact_match_threshold == printed["best_exact_thresh"]
    assert best.f1_threshold == printed["best_f1_thresh"]
    assert best.exact_match == close(printed["best_exact"] / 100)
    assert best.f1 == close(printed["best_f1"] / 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  A-Team\t(an\u00a0Act)", "ateam act"),  # punctuation goes before articles
        ("a.n. apple", "apple"),
        ("Theatre and a thean", "theatre and thean"),
        ("1914\u20131918", "1914\u20131918"),
        ("the, a!", ""),
    ],
)
def test_normalization(text, expected):
    assert normalize_answer(text) == expected


def test_f1_is_of_words_counted_as_often_as_both_have_them():
    assert f1("red red kite", ["red kite kite", "blue"]) == close(2 / 3)
    assert f1("kite", ["red kite", "kite flying club"]) == close(2 / 3)  # the better of 2/3 and 1/2
    assert f1("blue", ["red kite"]) == 0.0


def test_the_empty_answer_is_right_where_there_is_none():
    for metric in (exact_match, f1):
        assert [metric(prediction, []) for prediction in ("", "the", "red")] == [1.0, 1.0, 0.0]
        assert metric("", ["red"]) == 0.0


def test_a_threshold_turns_predictions_above_it_into_no_answer():
    golds = {"a": ["red"], "b": ["blue"], "c": [], "d": []}
    predictions = {"a": "red", "b": "blue kite", "c": "kite", "d": "kite"}
    scores = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.9}
    best = best_threshold(predictions, golds, scores)
    assert best == (0.75, 0.1, close(11 / 12), 0.2)
    kept = {key: "" if scores[key] > best.f1_threshold else text for key, text in predictions.items()}
    assert squad_scores(kept, golds)["f1"] == best.f1


def test_f1_is_rounded_as_by_the_official_script():
    golds = {"a": [], "b": ["one two three four five six seven"], "c": ["one two three four five"]}
    predictions = {"a": "one", "b": "one nine ten", "c": "one two three four six"}
    # 1 - 1 + 0.2 + 0.8 is just above 1, which no answer at all gives; the script prints this threshold.
    assert best_threshold(predictions, golds, {"a": 0.1, "b": 0.2, "c": 0.3}).f1_threshold == 0.3


def test_ids_that_do_not_match_are_refused():
    with pytest.raises(InputError, match=r"prediction needs gold answers.* 'b' is not"):
        squad_scores({"a": "", "b": ""}, {"a": []})
    with pytest.raises(InputError, match=r"needs a prediction; 'b' has none"):
        squad_scores({"a": ""}, {"a": [], "b": []})
    with pytest.raises(InputError, match=r"needs a no-answer score; 'a' has none"):
        best_threshold({"a": ""}, {"a": []}, {})
    with pytest.raises(InputError, match="1 question or more"):
        squad_scores({}, {})


def test_other_inputs_that_cannot_be_scored_are_refused():
    with pytest.raises(InputError, match="'a' is NaN"):
        best_threshold({"a": ""}, {"a": []}, {"a": float("nan")})
    with pytest.raises(InputError, match="found the string 'red'"):
        f1("red", "red")
