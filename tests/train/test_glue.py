# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The configs of GLUE and SuperGLUE: each task trains from its files, and is evaluated on each of its sets."""

import json

import numpy as np
import pytest

from configs import glue, superglue
from zoo.data.table import TableConfig
from zoo.data.tables import open_table
from zoo.errors import ConfigError, InputError
from zoo.predict import predict
from zoo.train.config import RunConfig
from zoo.train.evaluate import evaluate_workdir
from zoo.train.loop import train

TEXTS = [f"the film number {index} was {'good' if index % 3 else 'bad'}" for index in range(24)]
HALF = [f"it was number {index % 5}" for index in range(24)]
LABELS = ("label", "Quality", "score", "is_duplicate", "gold_label")
COLUMNS = {  # of the benchmark's own files, with the values of the row `index`
    "cola": lambda i: {"source": "gj04", "label": i % 2, "original_label": "", "sentence": TEXTS[i]},
    "sst2": lambda i: {"sentence": TEXTS[i], "label": i % 2},
    "mrpc": lambda i: {"Quality": i % 2, "#1 ID": i, "#2 ID": i, "#1 String": TEXTS[i], "#2 String": HALF[i]},
    "stsb": lambda i: {"index": i, "sentence1": TEXTS[i], "sentence2": HALF[i], "score": f"{i % 5}.250"[:3]},
    "qqp": lambda i: {"id": i, "question1": TEXTS[i], "question2": HALF[i], "is_duplicate": i % 2},
    "mnli": lambda i: {
        "sentence1": TEXTS[i],
        "sentence2": HALF[i],
        "gold_label": ["neutral", "entailment", "contradiction"][i % 3],
    },
    "qnli": lambda i: {"question": TEXTS[i], "sentence": HALF[i], "label": ["entailment", "not_entailment"][i % 2]},
    "rte": lambda i: {"sentence1": TEXTS[i], "sentence2": HALF[i], "label": ["not_entailment", "entailment"][i % 2]},
    "wnli": lambda i: {"sentence1": TEXTS[i], "sentence2": HALF[i], "label": i % 2},
}
RECORDS = {
    "boolq": lambda i: {"passage": TEXTS[i], "question": HALF[i], "label": i % 2 == 0, "idx": i},
    "cb": lambda i: {
        "premise": TEXTS[i],
        "hypothesis": HALF[i],
        "label": ["neutral", "entailment", "contradiction"][i % 3],
    },
    "copa": lambda i: {"premise": TEXTS[i], "choice1": HALF[i], "choice2": "no", "question": "cause", "label": i % 2},
    "rte": lambda i: {"premise": TEXTS[i], "hypothesis": HALF[i], "label": ["not_entailment", "entailment"][i % 2]},
    "wic": lambda i: {"word": "film", "sentence1": TEXTS[i], "sentence2": HALF[i], "label": i % 2 == 0, "start1": 4},
}


def write(path, rows):
    """A file as the benchmarks have it: JSON lines, or TSV with a header, which CoLA's files lack."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        header = [] if "original_label" in rows[0] else [[*rows[0]]]
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in [*header, *(row.values() for row in rows)]))
    return str(path)


def tiny(config, folder, rows, suffix, **fields):
    """The config with rows of its own and a tiny random BERT, for two steps."""
    values = config.to_dict()
    values["data"].update(
        source=write(folder / f"train{suffix}", rows[:16]),
        validation=write(folder / f"dev{suffix}", rows[16:21]),
        seq_len=32,
        tokenizer={"kind": "wordpiece", "vocab_size": 200, "lower_case": True},
    )
    if values["data"].get("splits"):
        values["data"]["splits"] = (f"mismatched={write(folder / f'mismatched{suffix}', rows[21:])}",)
    values["model"] |= {"name": "bert-tiny", "num_layers": 1}
    return RunConfig.from_dict(
        {**values, "batch_size": 8, "num_epochs": 1.0, "num_steps": 0, "keep_best": "", **fields}
    )


def first(data):
    """The first row of the validation set."""
    return {name: values[0] for name, values in data.split("validation").read(np.arange(1)).items()}


@pytest.mark.parametrize("task", COLUMNS)
def test_glue_from_the_benchmarks_files(tmp_path, task):
    rows = [COLUMNS[task](index) for index in range(24)]
    config = tiny(glue.get_config(f"{task},electra,files"), tmp_path, rows, ".tsv")
    data = config.data.open(cache_dir=tmp_path)
    assert [len(data.split(name)) for name in ("train", "validation")] == [16, 5]
    row, label = first(data), next(rows[16][name] for name in LABELS if name in rows[16])
    text = data.tokenizer.decode(row["tokens"].tolist())
    assert TEXTS[16] in text and (HALF[16] in text or task in ("cola", "sst2"))
    if task == "stsb":
        assert row["label"] == float(label)
    else:
        assert str(label) in (data.schema["label"].classes[row["label"]], str(row["label"]))


@pytest.mark.parametrize("task", RECORDS)
def test_superglue_from_the_benchmarks_files(tmp_path, task):
    rows = [RECORDS[task](index) for index in range(24)]
    data = tiny(superglue.get_config(task), tmp_path, rows, ".jsonl").data.open(cache_dir=tmp_path)
    name = data.schema["label"].classes[first(data)["label"]]
    assert json.loads(name) == rows[16]["label"] if name in ("true", "false", "0", "1") else name == rows[16]["label"]


@pytest.mark.parametrize("recipe", ["", ",bert", ",roberta", ",electra", ",albert"])
@pytest.mark.parametrize("task", COLUMNS)
def test_recipes_are_configs(task, recipe):
    config = RunConfig.from_dict({**glue.get_config(task + recipe).to_dict(), "init_from": "bert-base-uncased"})
    steps = config.in_steps(5749).num_steps  # of STS-B
    published = {"stsb,albert": 3598, "stsb,electra": 1797, "stsb,roberta": 3594, "stsb": 539}
    assert steps == published.get(task + recipe, steps) and config.evals["metrics"].task == task
    assert config.keep_best == (
        "validation/" + ("loss" if task == "stsb" else "accuracy") if "roberta" in recipe else ""
    )


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("cola,fiels", "no variant is called 'fiels'; .* are bert, roberta, electra, albert, files, test"),
        ("roberta", "no variant is called 'roberta'; .* are cola, sst2"),
        ("cola,files,bert,albert", "more than one recipe"),
        ("cola,test", "'test' goes with 'files'"),
    ],
)
def test_variants_refused(variant, message):
    with pytest.raises(ValueError, match=message):
        glue.get_config(variant)


def test_a_run_has_the_metrics_of_both_sets(tmp_path):
    rows = [COLUMNS["mnli"](index) for index in range(24)]
    train(tiny(glue.get_config("mnli,files"), tmp_path, rows, ".tsv"), tmp_path / "run")
    result = evaluate_workdir(tmp_path / "run")
    assert result["step"] == 2
    assert {*result["metrics"]} == {*result["mismatched"]} == {"accuracy"}


def test_predictions_for_the_benchmarks_site(tmp_path):
    rows = [COLUMNS["rte"](index) | {"index": index} for index in range(24)]
    hidden = [{name: row[name] for name in ("index", "sentence1", "sentence2")} for row in rows[21:]][::-1]
    values = tiny(glue.get_config("rte,files"), tmp_path, rows, ".tsv").to_dict()
    values["data"] |= {"splits": (f"test={write(tmp_path / 'test.tsv', hidden)}",), "id": "index"}
    values["evals"]["test"] = {"type": "glue_submission", "task": "rte", "split": "test"}
    train(RunConfig.from_dict(values), tmp_path / "run")
    report = tmp_path / "run" / "report"
    lines = (report / "test" / "RTE.tsv").read_text().splitlines()
    assert lines[0] == "index\tprediction" and [line.split("\t")[0] for line in lines[1:]] == ["21", "22", "23"]
    assert {line.split("\t")[1] for line in lines[1:]} <= {"entailment", "not_entailment"}
    assert [path.name for path in (report / "test").iterdir()] == ["RTE.tsv"]
    predict(tmp_path / "run" / "model", tmp_path / "test.tsv", tmp_path / "out.tsv")
    predicted = {row.values["index"]: row.values["prediction"] for row in open_table(tmp_path / "out.tsv")}
    assert dict(line.split("\t") for line in lines[1:]) == predicted
    recorded = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {line["split"] for line in recorded} == {"train", "validation", "metrics"}


@pytest.mark.parametrize("task", COLUMNS)
def test_predictions_of_the_benchmarks_own_test_files(tmp_path, task):
    rows = [COLUMNS[task](index) for index in range(24)]
    config = glue.get_config(f"{task},files,test")
    number, texts = config.data.id, [name for name in (config.data.text, config.data.text_pair) if name]
    assert number == ("id" if task == "qqp" else "index")  # the first column of the benchmark's test files
    hidden = [{number: index, **{name: rows[index][name] for name in texts}} for index in (23, 21, 22)]
    names = [name.partition("=")[0] for name in config.data.splits]
    values = tiny(config, tmp_path, rows, ".tsv").to_dict()
    tests = [name for name in names if name != "mismatched"]
    paths = {name: write(tmp_path / f"{name}.tsv", hidden) for name in tests}
    values["data"]["splits"] = tuple(f"{name}={paths.get(name, tmp_path / 'dev.tsv')}" for name in names)
    found = [name for name, evaluator in values["evals"].items() if evaluator["type"] == "glue_submission"]
    assert sorted(tests) == sorted(found)
    data = RunConfig.from_dict(values).data.open(cache_dir=tmp_path)
    for name in tests:
        assert data.split(name).rows["id"] == [23, 21, 22] and name in data.unlabelled
        assert data.split(name).rows["text"] == [row[texts[0]] for row in hidden]
    assert len(data.split("train")) == 16


def test_an_id_that_no_table_has(tmp_path):
    source = write(tmp_path / "train.jsonl", [{"text": f"a film {i}", "label": i % 2} for i in range(20)])
    with pytest.raises(ConfigError, match=r"data\.id is 'idx', and no table .*train\.jsonl has 'text', 'label'"):
        TableConfig(source=source, id="idx", seq_len=16).open(cache_dir=tmp_path)


def test_a_prediction_reads_the_word_too(tmp_path):
    rows = [RECORDS["wic"](index) | {"word": f"film {index % 4}"} for index in range(24)]
    config = tiny(superglue.get_config("wic"), tmp_path, rows, ".jsonl", optimizer={"learning_rate": 0.1})
    train(config, tmp_path / "run")
    predict(tmp_path / "run" / "model", tmp_path / "dev.jsonl", tmp_path / "out.jsonl")
    predicted = {row.line: row.values for row in open_table(tmp_path / "out.jsonl")}
    errors = (tmp_path / "run" / "report" / "metrics" / "errors.jsonl").read_text().splitlines()
    assert errors
    for error in map(json.loads, errors):
        row = predicted[int(error["where"].rsplit(" ", 1)[1])]
        assert row["prediction"] == error["predicted"]
        assert row[f"probability:{error['predicted']}"] == pytest.approx(error["probability"], abs=2e-6)


@pytest.mark.parametrize("values", [["a"], [3], [None], ["3", 4], [True]])
def test_numbers_of_rows_are_checked(tmp_path, values):
    rows = [{"idx": 3, "text": "a film", "label": 0}, {"idx": 5, "text": "a plot", "label": 1}] + [
        {"idx": value, "text": "it was", "label": 0} for value in values
    ]
    source = write(tmp_path / "train.jsonl", rows)
    with pytest.raises(InputError, match=r"train\.jsonl, line 3, column 'idx': expected a whole number of its own"):
        TableConfig(source=source, id="idx", seq_len=16).open(cache_dir=tmp_path)


def test_splits_are_checked_before_a_device_is_touched(tmp_path):
    rows = [COLUMNS["sst2"](index) for index in range(24)]
    hidden = write(tmp_path / "test.tsv", [{"index": 0, "sentence": TEXTS[0]}])
    config = glue.get_config("sst2,files").unlock()
    config.evals.test = {"type": "glue", "task": "sst2", "split": "test"}
    with pytest.raises(ConfigError, match=r"evals\.test\.split is 'test', which the data lack; they have train, valid"):
        train(tiny(config, tmp_path, rows, ".tsv"), tmp_path / "run")
    values = tiny(config, tmp_path, rows, ".tsv").to_dict()
    values["data"]["splits"] = (f"test={hidden}",)
    with pytest.raises(ConfigError, match=r"evals\.test evaluates the split 'test', which has no labels"):
        train(RunConfig.from_dict(values), tmp_path / "run2")
    assert not (tmp_path / "run2" / "checkpoints").exists()
