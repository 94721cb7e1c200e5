# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes squad.json: answers with their scores by the official scripts of SQuAD.

The answers were written for this file, so that no other licence applies. Run by hand with the two scripts of
https://rajpurkar.github.io/SQuAD-explorer:
`python tests/golden/make_squad_golden.py evaluate-v1.1.py evaluate-v2.0.py`. With a file of questions in SQuAD's format
as a third argument, it compares `zoo` with the scripts on altered answers to these instead, and writes nothing.
"""

import importlib.util
import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

TARGET = Path(__file__).with_name("squad.json")

# Gold answers, several to a question after a bar. Of the last ones nothing is left without articles and punctuation.
ANSWERS = """
a red kite | red kite | the red kites
the Great Northern Railway | Great Northern
1,250,000 | about 1.25 million | 1250000
3.5 metres | 3½ metres
the U.S.A. | USA | the United States of America
Zoë Ångström-Nørgård | Ångström-Nørgård
“the old mill” | the old mill | an old mill
between 1914\u20131918 | 1914\u20131918
İstanbul | the city of İstanbul
an A-frame house | A-frame
the theremin | a theremin, an instrument
Anna and Theo | Theo and Anna
rock 'n' roll | rock and roll
to be or not to be | be or not be
the\u00a0end of\u2003the line | end of the line
naïve Bayes | nai\u0308ve Bayes
東京 タワー | 東京
50% | fifty percent | 50 per cent
$12.99 | 12.99 dollars
in the north-east, near a lake | the north-east
the the band | The The
¿dónde? | dónde
e = mc² | E=mc2
under_score and dash-ed | underscore
Straße am Thé | STRASSE am Thé
12 May 1821 | May 1821 | 1821
the | a
a.n. | ...
"""
UNANSWERABLE = 30
QUESTIONS, SETS = 140, 60


def alterations(draw: random.Random, answers: list[str]) -> dict[str, Callable[[str], str]]:
    """The ways in which a prediction may differ from a gold answer."""

    def words(change: Callable[[list[str], int], Iterable[str]]) -> Callable[[str], str]:
        return lambda text: " ".join(change(text.split(), draw.randrange(max(len(text.split()), 1))))

    return {
        "same": lambda text: text,
        "upper": str.upper,
        "punctuated": lambda text: f'"{text}"!?',
        "article before": lambda text: f"{draw.choice(['The', 'a', 'AN'])} {text}",
        "article inside": words(lambda found, at: [*found[:at], "the", *found[at:]]),
        "word dropped": words(lambda found, at: found[:at] + found[at + 1 :]),
        "word added": words(lambda found, at: [*found[:at], "very", *found[at:]]),
        "word doubled": words(lambda found, at: [*found[:at], *found[at : at + 1], *found[at:]]),
        "order": words(lambda found, at: found[at:] + found[:at]),
        "spaced": lambda text: f" \t{text.replace(' ', '  ')}\n",
        "cut": lambda text: text[: draw.randrange(len(text) + 1)],
        "empty": lambda text: "",
        "blank": lambda text: " ",
        "nothing left": lambda text: "the, a!",
        "other": lambda text: draw.choice(answers),
        "longer": lambda text: f"{text}, {draw.choice(answers)}",
    }


def altered(draw: random.Random, golds: list[list[str]]) -> list[str]:
    """A prediction for each question, each alteration about as often."""
    answers = sorted({answer for each in golds for answer in each})
    changes = list(alterations(draw, answers).values())
    return [changes[index % len(changes)](draw.choice(each or answers)) for index, each in enumerate(golds)]


def dataset(golds: dict[str, list[str]]) -> list[dict]:
    """Gold answers in SQuAD's format."""
    questions = [{"id": key, "answers": [{"text": text} for text in each]} for key, each in golds.items()]
    return [{"paragraphs": [{"qas": questions}]}]


def by_v2(script: ModuleType, predictions: dict, golds: dict, no_answer_scores: dict | None) -> dict:
    """What the script prints, in percent, as its `main` calculates it."""
    answerable = script.make_qid_to_has_ans(dataset(golds))
    exact, f1 = script.get_raw_scores(dataset(golds), predictions)
    found = script.make_eval_dict(exact, f1)
    for prefix, wanted in (("HasAns", True), ("NoAns", False)):
        if ids := [key for key, has in answerable.items() if has is wanted]:
            script.merge_eval(found, script.make_eval_dict(exact, f1, qid_list=ids), prefix)
    if no_answer_scores is not None:
        script.find_all_best_thresh(found, predictions, exact, f1, no_answer_scores, answerable)
    return dict(found)


def make(v1: ModuleType, v2: ModuleType) -> dict:
    draw = random.Random(0)
    written = [[text.strip() for text in line.split("|")] for line in ANSWERS.strip().split("\n")]
    golds = [written[index % len(written)] for index in range(QUESTIONS - UNANSWERABLE)] + [[]] * UNANSWERABLE
    draw.shuffle(golds)
    predictions = altered(draw, golds)
    numbered = {str(index): each for index, each in enumerate(golds)}
    exact, f1 = v2.get_raw_scores(dataset(numbered), dict(zip(numbered, predictions, strict=True)))
    rows = zip(golds, predictions, map(v2.normalize_answer, predictions), exact.values(), f1.values(), strict=True)
    names = ("golds", "prediction", "normalized", "exact_match", "f1")
    questions = [dict(zip(names, row, strict=True)) for row in rows]
    return {"questions": questions, "v1.1": by_v1(v1, v2, questions), "v2.0": make_sets(v2, draw, questions)}


def by_v1(v1: ModuleType, v2: ModuleType, questions: list[dict]) -> dict:
    """The older script's scores of those questions where the two agree: with answers, of which something is left."""
    ids = [
        index
        for index, each in enumerate(questions)
        if each["golds"] and all(map(v2.normalize_answer, each["golds"]))
    ]  # fmt: skip
    golds = {str(index): questions[index]["golds"] for index in ids}
    scores = v1.evaluate(dataset(golds), {str(index): questions[index]["prediction"] for index in ids})
    return {"questions": ids, "scores": scores}


def make_sets(v2: ModuleType, draw: random.Random, questions: list[dict]) -> list[dict]:
    """Sets of questions with no-answer scores: probabilities, many of them equal, or log-odds that may be negative."""
    found = []
    for row in range(SETS):
        kinds = {0: [True], 1: [False]}.get(row % 6, [True, False])  # all with answers, none, or both
        pool = [index for index, each in enumerate(questions) if bool(each["golds"]) in kinds]
        ids = draw.sample(pool, min(len(pool), draw.choice([1, 2, 5, 10, 20])))
        scores = [round(draw.random(), 1) if row % 2 else round(draw.gauss(0, 3), 2) for _ in ids]
        predictions = {str(index): questions[index]["prediction"] for index in ids}
        golds = {str(index): questions[index]["golds"] for index in ids}
        printed = by_v2(v2, predictions, golds, dict(zip(golds, scores, strict=True)))
        found.append({"questions": ids, "no_answer_scores": scores, "scores": printed})
    return found


def compare(v1: ModuleType, v2: ModuleType, file: Path) -> None:
    """Prints the largest differences on altered answers to a file's questions, then with a third unanswerable."""
    from zoo.evals.squad_metric import best_threshold, exact_match, f1, squad_scores

    draw = random.Random(1)
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    found = [qa for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
    golds = {qa["id"]: [answer["text"] for answer in qa["answers"]] for qa in found}
    predictions = dict(zip(golds, altered(draw, list(golds.values())), strict=True))
    older = v1.evaluate(dataset(golds), predictions)
    ours = squad_scores(predictions, golds)
    print("v1.1", older, max(abs(100 * ours[name] - older[name]) for name in older))
    golds = {key: [] if index % 3 == 0 else each for index, (key, each) in enumerate(golds.items())}
    no_answer_scores = {key: round(draw.random(), 3) for key in golds}
    exact, overlap = v2.get_raw_scores(dataset(golds), predictions)
    printed = by_v2(v2, predictions, golds, no_answer_scores)
    ours, best = squad_scores(predictions, golds), best_threshold(predictions, golds, no_answer_scores)
    each = max(
        max(
            abs(exact_match(predictions[key], golds[key]) - exact[key]),
            abs(f1(predictions[key], golds[key]) - overlap[key]),
        )
        for key in golds
    )
    pairs = [(ours["exact_match"], "exact"), (ours["f1"], "f1"), (ours["f1_answerable"], "HasAns_f1")]
    pairs += [(ours["exact_match_unanswerable"], "NoAns_exact"), (best.exact_match, "best_exact"), (best.f1, "best_f1")]
    print("v2.0", printed, max(abs(100 * value - printed[name]) for value, name in pairs))
    print("thresholds equal", best[1::2] == (printed["best_exact_thresh"], printed["best_f1_thresh"]))
    print(f"{len(golds)} questions, largest difference of one {each}")


def load(path: str) -> ModuleType:
    """A script as a module; the two have names that no import statement can have."""
    spec = importlib.util.spec_from_file_location("script", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    scripts = load(sys.argv[1]), load(sys.argv[2])
    if sys.argv[3:]:
        compare(*scripts, Path(sys.argv[3]))
    else:
        TARGET.write_text(json.dumps(make(*scripts), ensure_ascii=False) + "\n", encoding="utf-8")
