# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""What evaluators write about a finished model, from predictions given by hand."""

import itertools
import json

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.image import imread

from tests.objectives.fakes import info
from tests.train.test_finetune import KINDS, config
from zoo.data import SentencePairsConfig, TranslationConfig
from zoo.data.rows import read_rows
from zoo.data.schema import Feature, SplitSummary
from zoo.data.table import TableConfig
from zoo.data.tables import open_table
from zoo.errors import ConfigError
from zoo.evals import EVALUATORS, Findings, Glue, SequenceClassification
from zoo.evals.entities import TypeScores, entity_scores, type_scores
from zoo.evals.glue import GlueFindings
from zoo.evals.glue_metrics import GLUE_METRICS
from zoo.evals.glue_submission import submission_lines, submission_name
from zoo.evals.label_metrics import calibration
from zoo.evals.plots import draw_classes
from zoo.evals.question_answering import AnswerFindings
from zoo.evals.sequence_classification import LabelFindings
from zoo.evals.squad_metric import best_threshold, squad_scores
from zoo.evals.token_classification import TagFindings
from zoo.objectives import OBJECTIVES
from zoo.objectives import SequenceClassification as SequenceClassificationObjective
from zoo.train.final_report import drop_stale_report, is_finished, read_metrics, write_report

WORDS = {**info().schema, "word_starts": Feature(kind="tokens")}
LABELS = (*(schema for _, schema in KINDS.values()), info().schema, WORDS)


def evaluators():
    """An evaluator of each type that has metrics, and one for each task of GLUE."""
    for kind in [kind for kind in EVALUATORS.values() if kind.needs_labels]:
        yield from (kind(task=task) for task in GLUE_METRICS) if issubclass(kind, Glue) else (kind(),)


def bound_objectives():
    """Every objective with each schema that it reads."""
    for kind, schema in itertools.product(OBJECTIVES.values(), LABELS):
        if kind.needs <= schema.keys():
            ids = dict(mask_id=3, eos_id=1, cls_id=4, sep_id=5, sentinels=100)
            yield kind().bind(info(schema=schema, bytes_per_token=4.0, **ids))
    schema = {**info().schema, **TranslationConfig(seq_len=16, source="embedded").outlined}
    yield OBJECTIVES["seq2seq"]().bind(info(schema=schema, eos_id=1))
    for name, pairs in (("mlm_nsp", "next"), ("mlm_sop", "order")):
        yield OBJECTIVES[name]().bind(info(schema=SentencePairsConfig(seq_len=16, pairs=pairs).schema, mask_id=3))


@pytest.mark.parametrize("evaluator", [*evaluators()], ids=str)
def test_every_metric_has_a_definition(evaluator):
    names = set()
    for objective in bound_objectives():
        if isinstance(objective, evaluator.evaluates):
            names |= {*evaluator.metric_names(objective)}
    assert names
    for name in names:
        assert evaluator.define(name).endswith("."), name


def test_less_is_better_of_losses_alone():
    less = ("loss", "mlm_loss", "pair_loss", "generator_perplexity", "bits_per_byte", "mean_squared_error")
    names = {name for objective in bound_objectives() for name in objective.metric_names} | {*less}
    assert {name for name in names if EVALUATORS["loss"]().lower_is_better(name)} >= {*less}
    assert not any(EVALUATORS["loss"]().lower_is_better(name) for name in names if "accuracy" in name)


def test_metrics_that_depend_on_the_data_have_definitions():
    tags = entity_scores([["B-PER", "O"]], [["O", "B-LOC"]])
    answers, golds = {"a": "x", "b": ""}, {"a": ["x"], "b": []}
    best = {f"best_{name}" for name in best_threshold(answers, golds, {"a": 0.0, "b": 1.0})._fields}
    for kind, names in (("token_classification", tags), ("question_answering", {*squad_scores(answers, golds), *best})):
        assert len(names) > 4
        for name in names:
            assert EVALUATORS[kind]().define(name).endswith("."), name
    assert SequenceClassification().define("unheard_of") == ""


def table(tmp_path, **columns):
    """The rows of a file of these columns; the first stands in line 1."""
    path = tmp_path / "rows.jsonl"
    each = zip(*columns.values(), strict=True)
    path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in each))
    return read_rows(open_table(path), {name: name for name in columns}, texts=())


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def of_classes(rows, **changes):
    """Four rows of which the last two are wrong, the last one more so."""
    given = {
        "metrics": {"accuracy": 0.5},
        "labels": np.array([0, 1, 1, 0]),
        "logits": np.log(np.array([[0.75, 0.25], [0.25, 0.75], [0.625, 0.375], [0.125, 0.875]], np.float32)),
        "classes": ("bad", "good"),
        "rows": rows,
    }
    return given | changes


def test_classes(tmp_path):
    rows = table(tmp_path, text=["a", "b", 'ü "c"\tc', "d"], text_pair=["e", "f", "g", "h"], label=[0, 1, 1, 0])
    folder = tmp_path / "name"
    folder.mkdir()
    page = LabelFindings(**of_classes(rows)).write(folder)
    found = lines(folder / "errors.jsonl")
    assert [row["where"] for row in found] == [f"{tmp_path / 'rows.jsonl'}, line {line}" for line in (4, 3)]
    assert found[1] == {
        "where": found[1]["where"],
        "text": 'ü "c"\tc',
        "text_pair": "g",
        "label": "good",
        "predicted": "bad",
        "probability": 0.625,
        "loss": pytest.approx(-np.log(0.375), rel=1e-5),
    }
    assert found[0]["loss"] == pytest.approx(-np.log(0.125), rel=1e-5)
    assert imread(folder / "classes.png").ndim == 3
    error = (2 * 0.25 + 0.625 + 0.875) / 4
    assert f"`expected_calibration_error` is {error:.4g}" in page
    assert "(2): [errors.jsonl](name/errors.jsonl)" in page and "(name/classes.png)" in page


def test_texts_that_are_not_kept_are_not_listed(tmp_path):
    page = LabelFindings(**of_classes(None)).write(tmp_path)
    assert "not kept" in page and [path.name for path in tmp_path.iterdir()] == ["classes.png"]


def test_a_model_that_is_not_finite_has_a_report(tmp_path):
    rows = table(tmp_path, text=["a", "b", "c", "d"])
    nan = np.full((4, 2), np.nan, np.float32)
    page = LabelFindings(**of_classes(rows, logits=nan)).write(tmp_path)
    assert "is nan" in page and lines(tmp_path / "errors.jsonl")[0]["loss"] is None
    LabelFindings(**of_classes(rows, logits=nan[:, :1], classes=(), labels=np.arange(4.0))).write(tmp_path)
    findings = {"metrics": Findings(metrics={"accuracy": float("nan")})}
    write_report(tmp_path / "report", config(), findings, {"step": 1}, {})
    assert json.loads((tmp_path / "report" / "metrics.json").read_text())["metrics"] == {"metrics": {"accuracy": None}}


def test_numbers_are_sorted_by_their_squared_error(tmp_path):
    rows = table(tmp_path, text=["a", "b", "c"])
    logits = np.array([[1.5], [4.0], [2.0]], np.float32)
    labels = np.array([1.0, 2.0, 2.0], np.float32)
    LabelFindings(metrics={}, labels=labels, logits=logits, classes=(), rows=rows).write(tmp_path)
    found = lines(tmp_path / "errors.jsonl")
    assert [(row["text"], row["label"], row["predicted"], row["loss"]) for row in found] == [
        ("b", 2.0, 4.0, 4.0),
        ("a", 1.0, 1.5, 0.25),
        ("c", 2.0, 2.0, 0.0),
    ]
    assert imread(tmp_path / "numbers.png").ndim == 3


def test_tags(tmp_path):
    rows = table(tmp_path, words=[["Anna", "runs"], ["in", "Rome"], ["Anna", "Rome"]])
    golds = [["B-PER", "O"], ["O", "B-LOC"], ["B-PER", "B-LOC"]]
    predicted = [["B-PER", "O"], ["O", "O"], ["B-LOC", "B-PER"]]
    page = TagFindings(metrics={}, golds=golds, predicted=predicted, rows=rows).write(tmp_path)
    assert (tmp_path / "types.tsv").read_text() == (
        "type\tprecision\trecall\tf1\tlabelled\tpredicted\nLOC\t0\t0\t0\t2\t1\nPER\t0.5\t0.5\t0.5\t2\t2\n"
    )
    assert "| PER | 0.5 | 0.5 | 0.5 | 2 | 2 |" in page
    assert type_scores(golds, predicted)["LOC"] == TypeScores(0, 0, 0, 2, 1)
    found = lines(tmp_path / "errors.jsonl")
    assert [(row["words"], row["wrong"]) for row in found] == [(["Anna", "Rome"], 2), (["in", "Rome"], 1)]
    assert found[0]["tags"] == golds[2] and found[0]["predicted"] == predicted[2]


def test_answers(tmp_path):
    rows = table(tmp_path, id=["p", "q", "r"], question=["who?", "where?", "when?"], context=["x", "y", "z"])
    golds = {"p": ["Anna"], "q": ["in Rome", "Rome"], "r": []}
    predicted = {"p": "Anna", "q": "near Rome", "r": "now"}
    AnswerFindings(metrics={}, predicted=predicted, golds=golds, rows=rows).write(tmp_path)
    assert json.loads((tmp_path / "predictions.json").read_text()) == predicted
    found = lines(tmp_path / "errors.jsonl")
    assert [(row["id"], row["question"], row["context"], row["right"], row["f1"]) for row in found] == [
        ("r", "when?", "z", [], 0.0),
        ("q", "where?", "y", ["in Rome", "Rome"], 0.666667),
    ]


def test_calibration_by_hand():
    confidence = np.array([0.5, 0.52, 0.9, 0.95, 1.0])  # bins end at 8/15, 14/15 and 1
    bins = calibration(confidence, np.array([True, False, True, True, False]))
    np.testing.assert_allclose(bins.confidence, [0.51, 0.9, 0.975])
    np.testing.assert_allclose(bins.accuracy, [0.5, 1.0, 0.5])
    assert bins.count.tolist() == [2, 1, 2] and bins.error == pytest.approx((2 * 0.01 + 0.1 + 2 * 0.475) / 5)
    assert np.isnan(calibration(np.zeros(0), np.zeros(0, bool)).error)


def test_the_confusion_matrix_has_labels_down_and_predictions_across():
    labels, predicted = np.array([0, 0, 1]), np.array([1, 1, 1])
    figure = draw_classes(labels, predicted, ("a", "b"), calibration(np.full(3, 0.5), labels == predicted))
    shown = {tuple(map(round, text.get_position())): text.get_text() for text in figure.axes[0].texts}
    assert shown == {(0, 0): "0", (1, 0): "2", (0, 1): "0", (1, 1): "1"}  # by x and y


@pytest.mark.parametrize(
    ("task", "classes", "predicted", "expected"),
    [
        ("cola", ("0", "1"), [1, 0], ["1", "0"]),
        ("cola", ("acceptable", "unacceptable"), [1, 0], ["0", "1"]),  # sorted: not the benchmark's order
        ("wnli", ("not_entailment", "entailment"), [1], ["1"]),
        ("mnli", ("contradiction", "entailment", "neutral"), [0, 2, 1], ["contradiction", "neutral", "entailment"]),
        ("ax", ("0", "1", "2"), [0, 1, 2], ["entailment", "neutral", "contradiction"]),
        ("rte", ("0", "1"), [0, 1], ["entailment", "not_entailment"]),
        ("stsb", (), [-0.2, 3.14159, 5.2], ["0.000", "3.142", "5.000"]),
    ],
)
def test_glue_files_hold_what_the_benchmark_reads(task, classes, predicted, expected):
    header, *rows = submission_lines(task, np.array(predicted), classes)
    assert header == "index\tprediction\n"
    assert rows == [f"{index}\t{value}\n" for index, value in enumerate(expected)]


def test_names_of_glue_files():
    names = {task: submission_name(task, "test") for task in GLUE_METRICS}
    assert {*names.values()} == {
        *("", "CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "STS-B.tsv", "QQP.tsv", "MNLI-m.tsv", "QNLI.tsv", "RTE.tsv"),
        *("WNLI.tsv", "AX.tsv"),
    }
    assert names["copa"] == "" and submission_name("mnli", "test_mismatched") == "MNLI-mm.tsv"


@pytest.mark.parametrize(
    ("changes", "written", "words"),
    [
        ({}, ["SST-2.tsv"], "[SST-2.tsv](GLUE/SST-2.tsv)"),
        ({"classes": ("no", "yes")}, [], "expects the classes negative, positive, or 0, 1"),
        ({"num_batches": 2}, [], "`num_batches` leaves rows out"),
        ({"task": "boolq"}, [], "none of GLUE's"),
    ],
)
def test_glue_writes_whole_splits_of_known_labels(tmp_path, changes, written, words):
    folder = tmp_path / "GLUE"
    folder.mkdir()
    given = of_classes(None, classes=("negative", "positive"), task="sst2", split="validation", num_batches=0)
    page = GlueFindings(**given | changes).write(folder)
    assert words in page and [path.name for path in folder.glob("*.tsv")] == written


class Scripted(SequenceClassificationObjective):
    """Whose logits are in the batch."""

    def logits(self, module, batch, *, dropout_key=None):
        return batch["logits"]


class Evaluated:
    """One batch of three rows, of which the last fills it up."""

    def __init__(self, dataset):
        self.objective, self._dataset = Scripted().bind(dataset.info), dataset

    def examples(self, split):
        return self._dataset.split(split)

    def batches(self, split, num_batches=0):
        logits = jnp.array([[0.0, 1.0], [2.0, 0.0], [9.0, 0.0]])
        yield {"logits": logits, "label": jnp.array([0, 0, 0]), "segments": jnp.array([[1], [1], [0]])}

    def losses(self, split, num_batches=0):
        yield from ()

    def compiled(self, function):
        return lambda batch: function(self.objective, None, batch)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """The reviews of the package, of which two are held out."""
    data = TableConfig(source="embedded", seq_len=16, validation_fraction=2 / 600)
    return data.open(cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("evaluator", [SequenceClassification(), Glue(task="sst2")])
def test_a_pass_gives_metrics_and_what_a_report_shows(dataset, tmp_path, evaluator):
    model = Evaluated(dataset)
    found = evaluator.examine(model)
    assert found.metrics == evaluator.run(model) and found.metrics["accuracy"] == 0.5
    found.write(tmp_path)
    (row,) = lines(tmp_path / "errors.jsonl")
    validation = dataset.split("validation")
    assert row["where"] == validation.rows.where(0) and row["text"] == validation.rows["text"][0]
    assert row["label"] == "negative" and row["predicted"] == "positive"


def test_texts_are_kept_of_evaluated_splits_alone(dataset):
    assert dataset.split("train").rows is None
    rows = dataset.split("validation").rows
    assert len(rows) == len(dataset.split("validation")) == 2
    by_line = {row.line: row.values["text"] for row in open_table(TableConfig.embedded)}
    assert [by_line[line] for line in rows.lines] == rows["text"]


def test_the_page_and_its_mark(tmp_path):
    """A report that is not whole is none; another one of the same folder replaces its own files alone."""
    run, folder = config(), tmp_path / "report"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    findings = {"metrics": Findings(metrics={"accuracy": 0.5, "odd": 2.0})}
    assert not is_finished(tmp_path, run)
    splits = {"train": SplitSummary("9 rows", ("2 texts were cut.",)), "validation": SplitSummary("3 rows")}
    page = write_report(folder, run, findings, {"step": 12}, splits).read_text()
    assert "step 12" in page and "## metrics" in page
    assert "| `accuracy` | 0.5 | Share of the rows whose predicted class is the label. |" in page
    assert "| `odd` | 2 |  |" in page
    assert page.endswith("## Data\n\n* `train`: 9 rows\n    * 2 texts were cut.\n* `validation`: 3 rows\n")
    assert is_finished(tmp_path, run) and read_metrics(tmp_path) == {"metrics/accuracy": 0.5, "metrics/odd": 2.0}
    assert not is_finished(tmp_path, config(num_steps=30)) and not is_finished(tmp_path, config(seed=1))

    class Broken(Findings):
        def write(self, folder):
            raise ConfigError("broken")

    with pytest.raises(ConfigError):
        write_report(folder, run, {"metrics": Broken(metrics={})}, {"step": 12}, {})
    assert not is_finished(tmp_path, run) and (folder / "notes.txt").read_text() == "mine"


def test_a_run_that_goes_on_has_no_report(tmp_path):
    run = config()
    write_report(tmp_path / "report", run, {}, {"step": 20}, {})
    drop_stale_report(tmp_path, run)
    assert is_finished(tmp_path, run)
    drop_stale_report(tmp_path, config(num_steps=30))
    assert not [*(tmp_path / "report").iterdir()]


def test_the_default_is_the_metrics_alone(tmp_path):
    assert Findings(metrics={"loss": 1.0}).write(tmp_path) == "" and not [*tmp_path.iterdir()]
