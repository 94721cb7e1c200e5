# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A run ends after so many evaluations without a new best, at the same step however often it was interrupted."""

import dataclasses
import json
import shutil
import signal

import optax
import pytest

from tests.objectives.fakes import info
from tests.train.test_finetune import CONFIG, KINDS
from zoo.train.best import Best
from zoo.train.checkpoint import Checkpoints
from zoo.train.config import RunConfig
from zoo.train.loop import train
from zoo.train.run_spec import RunSpec
from zoo.train.state import TrainState

EVERY = 2
ACCURACY = {2: 0.5, 4: 0.7, 6: 0.7, 8: 0.6, 10: 0.8, 12: 0.75}
RUN = RunConfig.from_dict(
    {
        **CONFIG,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2},
        "evals": {
            "metrics": {"type": "sequence_classification", "every": EVERY, "num_batches": 1},
            "validation": {"type": "loss", "every": EVERY},
        },
        "num_steps": 12,
        "checkpoint_every": 3,
        "log_every": 1,
        "early_stopping": 2,
    }
)


@pytest.fixture(scope="module", autouse=True)
def scripted():
    """Evaluations whose accuracy is that of the table."""
    offer = Best.offer

    def offer_scripted(self, step, name, metrics, state):
        offer(self, step, name, {**metrics, "accuracy": ACCURACY[step]}, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Best, "offer", offer_scripted)
        yield


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, scripted):
    """A run that stops early, and its summary."""
    workdir = tmp_path_factory.mktemp("runs") / "stopped"
    return workdir, train(RUN, workdir)


def left(workdir):
    """All that does not depend on time."""
    names = ("metrics.jsonl", "summary.json", "best.json", "model/model.safetensors")
    return {name: (workdir / name).read_bytes() for name in names}


def saved(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


def test_it_ends_as_a_finished_run(stopped):
    workdir, summary = stopped
    assert summary["stopped_early"] == summary["step"] == summary["metrics"]["step"] == 8
    assert json.loads((workdir / "summary.json").read_text()) == summary
    assert saved(workdir) == [6, 8]
    assert json.loads((workdir / "best.json").read_text())["step"] == 4


def test_the_report_is_about_the_best_step(stopped):
    workdir, _ = stopped
    report = json.loads((workdir / "report" / "metrics.json").read_text())
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    losses = {row["step"]: row["loss"] for row in rows if row["split"] == "validation"}
    assert report["step"] == 4 and report["metrics"]["validation"]["loss"] == losses[4] != losses[8]


def test_the_same_command_changes_nothing(stopped, caplog, capsys):
    workdir, summary = stopped
    before = left(workdir)
    with caplog.at_level("INFO", logger="zoo"):
        assert train(RUN, workdir) == summary
    assert left(workdir) == before and saved(workdir) == [6, 8]
    line = "stopped early after step 8: 2 evaluations without a better metrics/accuracy."
    assert [each for each in caplog.messages if each.startswith("stopped")] == [line]
    assert "step 8, stopped early\n" in capsys.readouterr().out


def test_more_patience_goes_on(stopped, tmp_path):
    """To a new best, after which the run is not over until its last step."""
    workdir = shutil.copytree(stopped[0], tmp_path / "run")
    summary = train(dataclasses.replace(RUN, early_stopping=3), workdir)
    assert "stopped_early" not in summary and summary["step"] == 12
    assert json.loads((workdir / "best.json").read_text())["step"] == 10


def test_a_metric_that_is_no_number_is_no_best(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(ACCURACY, 3, float("nan"))
    data = info(schema=KINDS["classification"][1], pad_id=0)
    config = dataclasses.replace(RUN, keep_best="metrics/accuracy")
    with Best(tmp_path, RunSpec.create(config, data)) as kept, caplog.at_level("WARNING"):
        kept.offer(3, "metrics", {"accuracy": 0.0}, TrainState.create({}, {}, optax.identity(), 0))
    assert "keep_best: metrics/accuracy is nan after step 3, which is no best" in caplog.text
    assert not (tmp_path / "best.json").exists()


class Crash(Exception):
    pass


def test_interrupted_anywhere_it_stops_at_the_same_step(stopped, tmp_path, monkeypatch):
    """Before a checkpoint that follows the best step, by a signal, and between the last evaluation and its save."""
    workdir, save, crash_at = tmp_path / "run", Checkpoints.save, None

    def save_or_crash(self, step, state, iterator):
        if step == crash_at:
            raise Crash
        save(self, step, state, iterator)

    monkeypatch.setattr(Checkpoints, "save", save_or_crash)
    crash_at = 6
    with pytest.raises(Crash):
        train(RUN, workdir)
    assert saved(workdir) == [3] and json.loads((workdir / "best.json").read_text())["step"] == 4
    crash_at = None
    offer = Best.offer

    def offer_and_signal(self, step, *rest):
        offer(self, step, *rest)
        if step == 6:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(Best, "offer", offer_and_signal)
        train(RUN, workdir)
    assert ended.value.code == 143 and saved(workdir)[-1] == 7
    crash_at = 8
    with pytest.raises(Crash):
        train(RUN, workdir)
    assert saved(workdir)[-1] == 7
    crash_at = None
    assert train(RUN, workdir) == stopped[1]
    assert left(workdir) == left(stopped[0])


@pytest.mark.parametrize(
    ("every", "patience", "best", "step", "over"),
    [
        (5, 2, 5, 10, False),
        (5, 2, 5, 14, False),
        (5, 2, 5, 15, True),
        (5, 1, 5, 10, True),
        (5, 2, 12, 15, False),  # the best was the last step of a run that was then extended
        (5, 2, 12, 20, True),
        (5, 2, 20, 10, False),  # resumed from a checkpoint before the best step
        (5, 2, None, 5, False),
        (5, 2, None, 10, True),  # nothing but NaN
        (5, 2, None, 0, False),
        (5, 0, 5, 1000, False),
    ],
)
def test_evaluations_since_the_best_one(tmp_path, every, patience, best, step, over):
    evals = {"metrics": dataclasses.replace(RUN.evals["metrics"], every=0)}
    config = dataclasses.replace(RUN, evals=evals, eval_every=every, early_stopping=patience)
    if best is not None:
        (tmp_path / "best.json").write_text(json.dumps({"step": best, "metric": "metrics/accuracy", "value": 0.5}))
    data = info(schema=KINDS["classification"][1], pad_id=0)
    with Best(tmp_path, RunSpec.create(config, data)) as kept:
        assert kept.is_over(step) is over
