# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Fine-tuning from a checkpoint: parity with Transformers, new heads, the best model, and what is refused."""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

import zoo
from tests.objectives.fakes import info
from zoo.data.schema import Feature
from zoo.errors import ConfigError
from zoo.objectives import MultipleChoice, QuestionAnswering, SequenceClassification, TokenClassification
from zoo.optim.chain import make_optimizer
from zoo.optim.optimizers import AdamW
from zoo.predict import predict
from zoo.text.train import train_tokenizer
from zoo.train.config import RunConfig
from zoo.train.evaluate import evaluate_workdir
from zoo.train.loop import train
from zoo.train.state import TrainState
from zoo.train.step import make_train_step

GOLDEN = Path(__file__).parents[1] / "golden"
TOKENS = {name: Feature(kind="tokens") for name in ("tokens", "token_types", "segments")}
CHOICES = {name: Feature(kind="choices", num_choices=3) for name in TOKENS}
KINDS = {
    "classification": (
        SequenceClassification(),
        TOKENS | {"label": Feature(kind="class", classes=("LABEL_0", "LABEL_1", "LABEL_2"))},
    ),
    "regression": (SequenceClassification(), TOKENS | {"label": Feature(kind="float")}),
    "tagging": (TokenClassification(), TOKENS | {"tags": Feature(kind="tags", classes=("A", "B", "C", "D"))}),
    "spans": (QuestionAnswering(), TOKENS | {"span": Feature(kind="span")}),
    "choices": (MultipleChoice(), CHOICES | {"label": Feature(kind="class", classes=("0", "1", "2"))}),
}


def batch_of(kind, golden):
    """The batch by the names that it has here."""
    batch = {name.removeprefix("batch/"): values for name, values in golden.items() if name.startswith("batch/")}
    found = {"tokens": batch["input_ids"], "token_types": batch["token_type_ids"], "segments": batch["attention_mask"]}
    if kind == "spans":
        found["span"] = np.stack([batch["start_positions"], batch["end_positions"]], axis=1)
    elif kind == "tagging":
        found["tags"] = np.maximum(batch["labels"], -1)
    else:
        found["label"] = batch["labels"]
    return {
        name: values.astype(np.float32 if values.dtype == np.float32 else np.int32) for name, values in found.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_gives_the_parameters_of_transformers(tmp_path, kind):
    golden = dict(np.load(GOLDEN / "finetune" / f"{kind}.npz"))
    source, target = tmp_path / "before", tmp_path / "after"
    source.mkdir()
    (source / "config.json").write_text(str(golden["config"]))
    tensors = {name.removeprefix("before/"): value for name, value in golden.items() if name.startswith("before/")}
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, source / "model.safetensors")
    model = zoo.load(source)
    graphdef, params = nnx.split(model)
    optimizer = make_optimizer(AdamW(learning_rate=1e-3, warmup_steps=0, eps=1e-6), 1000)
    state = TrainState.create(nnx.to_pure_dict(params), {}, optimizer, 0)
    objective, schema = KINDS[kind]
    batch = batch_of(kind, golden)
    with jax.default_matmul_precision("highest"):
        state, _ = make_train_step(graphdef, objective.bind(info(schema=schema)), optimizer)(state, batch)
    zoo.save(nnx.merge(graphdef, state.params, state.frozen), target)
    saved = load_file(target / "model.safetensors")
    moved = 0.0
    if kind == "choices":  # a constant added to all scores changes nothing: its gradient is rounding alone
        saved.pop("classifier.bias")
    for name, value in saved.items():
        np.testing.assert_allclose(value, golden[f"after/{name}"], rtol=0, atol=1e-5, err_msg=name)
        moved = max(moved, float(np.abs(value - golden[f"before/{name}"]).max()))
    assert moved > 5e-4  # the step is a hundred times the tolerance


CONFIG = {
    "objective": {"type": "sequence_classification"},
    "data": {
        "type": "table",
        "source": "embedded",
        "seq_len": 32,
        "tokenizer": {"kind": "wordpiece", "vocab_size": 400, "lower_case": True},
    },
    "model": {
        "name": "bert-tiny", "width": 16, "num_layers": 1, "stack": "loop", "num_heads": 2, "mlp_width": 32,
        "hidden_dropout": 0.0, "attention_dropout": 0.0, "embed_dropout": 0.0,
    },
    "optimizer": {"learning_rate": 1e-2, "warmup_steps": 2, "weight_decay": 0.0},
    "evals": {"validation": {"type": "loss"}, "metrics": {"type": "sequence_classification", "every": 5}},
    "keep_best": "metrics/accuracy",
    "batch_size": 32,
    "num_steps": 20,
    "eval_every": 10,
    "checkpoint_every": 10,
    "log_every": 10,
}  # fmt: skip


def config(**changes):
    return RunConfig.from_dict({**CONFIG, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workdir of a classifier that has learned the embedded reviews."""
    workdir = tmp_path_factory.mktemp("runs") / "reviews"
    return workdir, train(config(), workdir)


def test_it_learns_and_keeps_the_best(trained):
    workdir, summary = trained
    assert summary["metrics"]["accuracy"] >= 0.95
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    by_step = {row["step"]: row["accuracy"] for row in rows if row["split"] == "metrics"}
    best = json.loads((workdir / "best.json").read_text())
    assert sorted(by_step) == [5, 10, 15, 20] and best["value"] == max(by_step.values())
    assert best["step"] == min(step for step, value in by_step.items() if value == best["value"])
    found = evaluate_workdir(workdir, model=str(workdir / "model"))
    assert found["metrics"]["accuracy"] == pytest.approx(best["value"])
    report, evaluation = (
        json.loads((workdir / name / "metrics.json").read_text()) for name in ("report", "evaluation")
    )
    assert report["step"] == best["step"] and report["metrics"]["metrics"]["accuracy"] == best["value"]
    assert (
        evaluation["model"] == str(workdir / "model") and (workdir / "evaluation" / "metrics" / "classes.png").exists()
    )


def test_a_model_with_its_columns_predicts(trained, tmp_path):
    workdir, _ = trained
    table = tmp_path / "new.csv"
    table.write_text("id,text\n1,a dull and boring film\n2,a gripping and tender film\n")
    assert predict(workdir / "model", table, tmp_path / "out.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["1", "2"]
    assert [row["prediction"] for row in rows] == ["negative", "positive"]
    for row in rows:
        assert row["probability:negative"] + row["probability:positive"] == pytest.approx(1, abs=1e-5)
    with pytest.raises(ConfigError, match="exists"):
        predict(workdir / "model", table, tmp_path / "out.jsonl")
    with pytest.raises(ConfigError, match="body"):
        predict(workdir / "model", table, tmp_path / "other.csv", columns={"text": "body"})


def test_a_run_starts_from_another_ones_model(trained, tmp_path):
    """From the workdir, whose model it finds; the head is kept, since it has as many labels."""
    workdir, summary = trained
    again = config(model={}, init_from=str(workdir), num_steps=1, optimizer={"learning_rate": 0.0, "warmup_steps": 0})
    found = train(again, tmp_path / "run")
    assert found["metrics"]["accuracy"] == pytest.approx(summary["metrics"]["accuracy"], abs=0.05)
    kept, new = (load_file(folder / "model" / "model.safetensors") for folder in (workdir, tmp_path / "run"))
    np.testing.assert_array_equal(kept["classifier.weight"], new["classifier.weight"])


def test_what_the_checkpoint_declares_is_exported(trained, tmp_path):
    """Not what its head was trained for."""
    source = shutil.copytree(trained[0] / "model", tmp_path / "source")
    declared = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(declared | {"team": "ours", "problem_type": "regression"}))
    (source / "generation_config.json").write_text('{"num_beams": 4}')
    train(config(model={}, init_from=str(source), num_steps=2), tmp_path / "run")
    exported = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert exported == declared | {"team": "ours"}
    assert (tmp_path / "run" / "model" / "generation_config.json").read_text() == '{"num_beams": 4}'


def test_a_new_head_is_drawn_and_named(trained, tmp_path, caplog):
    workdir, _ = trained
    table = tmp_path / "three.csv"
    rows = [f"{name} words here,{name}" for name in ("good", "bad", "fair") for _ in range(20)]
    table.write_text("text,label\n" + "\n".join(rows) + "\n")
    data = {**CONFIG["data"], "source": str(table)}
    with caplog.at_level("WARNING", logger="zoo"):
        train(
            config(model={}, init_from=str(workdir / "model"), data=data, num_steps=2, batch_size=16), tmp_path / "run"
        )
    assert "head.classifier.kernel" in caplog.text
    assert zoo.config(tmp_path / "run" / "model").label_names == ("bad", "fair", "good")


def test_a_head_is_never_drawn_to_be_evaluated(trained, tmp_path):
    workdir, _ = trained
    lacking, other = tmp_path / "lacking", tmp_path / "other"
    for folder, head, labels in ((lacking, "masked_lm", {}), (other, "sequence_classification", {"num_labels": 3})):
        zoo.save(zoo.load(workdir / "model", head=head, head_init="random", **labels), folder)
        zoo.tokenizer(workdir / "model").save(folder)
    with pytest.raises(ConfigError, match="sequence_classification"):
        evaluate_workdir(workdir, model=str(lacking))
    with pytest.raises(ConfigError, match="3 labels without names and the data as 'negative', 'positive'"):
        evaluate_workdir(workdir, model=str(other))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"init_from": "bert-base-uncasd", "model": {}}, "bert-base-uncased"),
        ({"init_from": "MODEL", "model": {"width": 32}}, "another model|is .* there"),
        ({"init_from": "MODEL", "model": {"init_std": 0.01}}, r"model\.init_std is set .*come from the checkpoint"),
        ({"keep_best": "metrics/f1"}, "metrics/f1_macro.* '' to keep the last model"),
        ({"objective": {"type": "mlm"}}, "reads 'positions'"),
        ({"model": {"name": "transformer-base"}}, "sequence_classification head, which transformer lacks"),
    ],
)
def test_refused(trained, tmp_path, changes, words):
    workdir, _ = trained
    changes = {k: str(workdir / "model") if v == "MODEL" else v for k, v in changes.items()}
    with pytest.raises(ConfigError, match=words):
        train(config(**changes), tmp_path / "run")


def test_a_tokenizer_of_another_vocabulary_is_refused(trained, tmp_path):
    model = trained[0] / "model"
    words = [*zoo.tokenizer(model).backend.get_vocab()]
    train_tokenizer(["other words entirely"], kind="wordpiece", vocab_size=100).save(tmp_path / "other")
    path = {"kind": "wordpiece", "vocab_size": 100, "path": str(tmp_path / "other")}
    changes = {"model": {}, "init_from": str(model), "data": {**CONFIG["data"], "tokenizer": path}}
    with pytest.raises(
        ConfigError, match=r"has another vocabulary than init_from .*: id \d+ is '.+' in the first"
    ) as e:
        train(config(**changes), tmp_path / "run")
    assert any(repr(word) in str(e.value) for word in words)
    path["path"] = str(model)
    train(config(**changes, num_steps=2, evals={}, keep_best=""), tmp_path / "run")


def test_a_workdir_that_has_not_ended_is_named(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ConfigError, match="has not ended"):
        train(config(model={}, init_from=str(tmp_path / "run")), tmp_path / "new")
