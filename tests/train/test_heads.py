# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A run of each head, from its config file to predictions, whose scores are those that the run's evaluator gave."""

import functools
import importlib
import json

import jax
import numpy as np
import pytest

from zoo.data.tables import open_table
from zoo.errors import ConfigError, InputError
from zoo.evals import SequenceClassification
from zoo.evals.entities import entity_scores
from zoo.evals.glue_metrics import glue_metrics
from zoo.evals.squad_metric import squad_scores
from zoo.predict import predict
from zoo.train.config import RunConfig
from zoo.train.learner import Learner
from zoo.train.loop import train

HEADS = {"tagging": "tagging", "squad": "questions", "choice": "choices"}  # configs, and the modules of their data
SMALL = dict(width=16, num_layers=1, num_heads=2, mlp_width=32)


def config(name, **changes):
    """The tiny variant of a config file, smaller and for a few steps."""
    found = importlib.import_module(f"configs.{name}").get_config("tiny").unlock()
    found.model.update(SMALL)
    found.data.tokenizer.vocab_size = 400
    found.optimizer.update(learning_rate=1e-2, warmup_steps=2)
    found.update(num_steps=16, eval_every=8, checkpoint_every=16, log_every=8, **changes)
    return found


def halves(tmp_path, name):
    """The lines of a dataset of the package, in two files; the names are those of training and validation."""
    source = importlib.import_module(f"zoo.data.{name}").EMBEDDED
    header, rows = "", source.read_text().splitlines(keepends=True)
    if source.suffix == ".csv":
        header, *rows = rows
    paths = [tmp_path / f"{split}{source.suffix}" for split in ("train", "dev")]
    for path, part in zip(paths, (rows[:300], rows[300:360]), strict=True):
        path.write_text(header + "".join(part))
    return {"source": str(paths[0]), "validation": str(paths[1])}


def run(tmp_path, name, data):
    """The metrics of a run on two files, and the second of them with its predictions."""
    found = config(name)
    found.data.update(halves(tmp_path, data))
    summary = train(RunConfig.from_dict(found), tmp_path / "run")
    given = found.data.validation
    output = tmp_path / f"out.{given.rsplit('.')[-1]}"
    predict(tmp_path / "run" / "model", given, output)
    name = "metrics" if "metrics" in summary else "validation"
    return {key: value for key, value in summary[name].items() if key != "step"}, [
        row.values for row in open_table(output)
    ]


def errors(tmp_path, evaluator="metrics"):
    """The worst predictions that the run's report lists."""
    path = tmp_path / "run" / "report" / evaluator / "errors.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_tags(tmp_path):
    scores, rows = run(tmp_path, "tagging", "tagging")
    expected = entity_scores([row["tags"] for row in rows], [row["prediction"] for row in rows])
    assert scores == pytest.approx(expected) and scores["accuracy"] > 0.5
    wrong = [(row["words"], row["tags"], row["prediction"]) for row in rows if row["tags"] != row["prediction"]]
    assert sorted((row["words"], row["tags"], row["predicted"]) for row in errors(tmp_path)) == sorted(wrong) != []


def test_the_best_by_one_type_of_entity(tmp_path):
    """Of a type that the split may lack, too: its score is then 0."""
    found = config("tagging", keep_best="metrics/f1:PER")
    found.data.update(halves(tmp_path, "tagging"))
    lines = (tmp_path / "dev.jsonl").read_text().splitlines()
    plain = [line for line in lines if "PER" not in line]
    (tmp_path / "dev.jsonl").write_text("".join(f"{line}\n" for line in plain[:5]))
    found.update(num_steps=2, eval_every=1, checkpoint_every=2)
    summary = train(RunConfig.from_dict(found), tmp_path / "run")
    assert {"f1:LOC", "f1:ORG", "f1:PER"} <= {*summary["metrics"]} and summary["metrics"]["f1:PER"] == 0.0
    found.keep_best = "metrics/f1:MISC"
    with pytest.raises(ConfigError, match=r"'metrics/f1:MISC', which no evaluator reports; .*metrics/f1:LOC"):
        train(RunConfig.from_dict(found), tmp_path / "other")


def test_answers(tmp_path):
    scores, rows = run(tmp_path, "squad", "questions")
    golds = {row["id"]: row["answers"]["text"] for row in rows}
    expected = squad_scores({row["id"]: row["prediction"] for row in rows}, golds)
    assert scores == pytest.approx(expected) and scores["f1"] > 0.05
    predictions = json.loads((tmp_path / "run" / "report" / "metrics" / "predictions.json").read_text())
    assert predictions == {row["id"]: row["prediction"] for row in rows}
    questions = {row["id"]: row["question"] for row in rows}
    assert all(row["question"] == questions[row["id"]] for row in errors(tmp_path))


def test_choices(tmp_path):
    scores, rows = run(tmp_path, "choice", "choices")
    right = sum(row["prediction"] == row["label"] for row in rows) / len(rows)
    assert scores["accuracy"] == pytest.approx(right) and right > 0.5


def test_choices_in_lists_without_names(tmp_path):
    """What the data call the options is remembered, and their tokens count in the speed."""
    lines = tmp_path / "rows.jsonl"
    rows = [{"text": "go", "options": ["yes it is", "no", "rain"], "label": index % 3} for index in range(40)]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = config("choice", evals={"copa": {"type": "glue", "task": "copa"}}, keep_best="copa/accuracy")
    found.data.update({"source": str(lines), "text": "text", "question": "", "options": ("options",)})
    found.update(num_steps=4, batch_size=8, log_every=1)
    summary = train(RunConfig.from_dict(found), tmp_path / "run")
    assert summary["copa"].keys() == {"step", "accuracy"}
    for row in (wrong := errors(tmp_path, "copa")):  # the rows differ by their labels alone
        line = int(row["where"].rpartition(" ")[2])
        assert row["options"] == rows[0]["options"] and row["label"] == str((line - 1) % 3) != row["predicted"]
    assert wrong
    timing = json.loads((tmp_path / "run" / "timing.jsonl").read_text().splitlines()[-1])
    assert timing["tokens_per_second"] * timing["seconds"] == pytest.approx(8 * 3 * 32)
    assert predict(tmp_path / "run" / "model", lines, tmp_path / "out.jsonl") == 40
    assert {row.values["prediction"] for row in open_table(tmp_path / "out.jsonl")} <= {"0", "1", "2"}


@pytest.mark.parametrize("task", ["mrpc", "cola"])
def test_glue_is_the_metric_of_the_predictions(tmp_path, task):
    found = config("finetune", evals={"glue": {"type": "glue", "task": task}}, keep_best="")
    found.data.update(halves(tmp_path, "table"))
    found.num_steps = 4
    summary = train(RunConfig.from_dict(found), tmp_path / "run")
    predict(tmp_path / "run" / "model", found.data.validation, tmp_path / "out.csv")
    rows = [row.values for row in open_table(tmp_path / "out.csv")]
    labels, predicted = (np.array([row[name] == "positive" for row in rows], int) for name in ("label", "prediction"))
    scores = {key: value for key, value in summary["glue"].items() if key != "step"}
    assert scores == pytest.approx(glue_metrics(task, labels, predicted))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("tagging", {"objective": {"type": "sequence_classification"}}, "reads 'label', which the examples lack"),
        ("squad", {"evals": {"a": {"type": "token_classification"}}}, "needs the objective TokenClassification"),
        ("tagging", {"evals": {"a": {"type": "question_answering"}}}, "needs the objective QuestionAnswering"),
        ("squad", {"evals": {"a": {"type": "question_answering", "num_batches": 2}}}, "needs whole contexts"),
        ("choice", {"evals": {"a": {"type": "glue", "task": "copy"}}}, "Unknown GLUE or SuperGLUE task 'copy'"),
    ],
)
def test_refused(tmp_path, name, changes, message):
    values = {**config(name).to_dict(), "keep_best": "", **changes}
    with pytest.raises(ConfigError, match=message):
        train(RunConfig.from_dict(values), tmp_path / "run")


def test_tags_of_an_unknown_scheme_are_refused_before_training(tmp_path):
    lines = tmp_path / "rows.jsonl"
    lines.write_text((json.dumps({"words": ["Anna", "runs"], "tags": ["X-PER", "O"]}) + "\n") * 20)
    found = config("tagging")
    found.data.source = str(lines)
    with pytest.raises(InputError, match="as its prefix; found 'X-PER'"):
        train(RunConfig.from_dict(found), tmp_path / "run")


PRESETS = {"dp": "data:8", "fsdp": "fsdp:8", "tp": "data:4,tensor:2", "fsdp_tp": "fsdp:4,tensor:2"}
EVERYWHERE = [
    pytest.param(name, rules, marks=() if (name, rules) == ("finetune", "fsdp_tp") else pytest.mark.slow)
    for name in ("finetune", *HEADS)
    for rules in PRESETS
]


@pytest.mark.parametrize(("name", "rules"), EVERYWHERE)
def test_the_metrics_of_one_device_under_every_preset(tmp_path, one_device, name, rules):
    found = short(tmp_path, name, mesh=PRESETS[rules], rules=rules)
    for split, expected in one_device(name).items():
        assert found[split] == pytest.approx(expected, rel=2e-4, abs=2e-4), split


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    """The metrics of a head's run on a single device."""
    create = Learner.create

    @functools.cache
    def run(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "create", lambda spec: create(spec, devices=jax.devices()[:1]))
            return short(tmp_path_factory.mktemp(name), name, mesh="data:1", rules="dp")

    return run


def short(folder, name, **fields):
    """The metrics of a few steps on two files; the last batch of the second is not full."""
    found = config(name, **fields)
    found.data.update(halves(folder, HEADS.get(name, "table")))
    found.data.tokenizer.vocab_size = 128  # all of it is learned, so that it is divisible
    # Far enough in these steps for a wrong gradient to show, and not so far that rounding does.
    found.optimizer.learning_rate = 1e-2
    found.update(num_steps=12, eval_every=12, checkpoint_every=12, batch_size=16, keep_best="")
    summary = train(RunConfig.from_dict(found), folder / "run")
    return {split: values for split, values in summary.items() if split in ("train", "validation", "metrics")}


def test_killed_within_an_evaluation(tmp_path, monkeypatch):
    """The same command continues from the last checkpoint, evaluates again, and ends in the same bits and metrics."""
    found = config("finetune")
    found.data.update(halves(tmp_path, "table"))
    found.update(num_steps=12, eval_every=4, checkpoint_every=3)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    train(RunConfig.from_dict(found), undisturbed)
    examine, calls = SequenceClassification.examine, []

    def dies(evaluator, model):
        calls.append(evaluator)
        if len(calls) == 2:
            next(iter(model.batches("validation")))
            raise KeyboardInterrupt
        return examine(evaluator, model)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SequenceClassification, "examine", dies)
        train(RunConfig.from_dict(found), killed)
    assert not (killed / "model").exists()
    train(RunConfig.from_dict(found), killed)
    for name in ("metrics.jsonl", "model/model.safetensors", "report/metrics.json", "report/metrics/errors.jsonl"):
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes(), name
