# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs from several seeds: their summary, what fails among them, and an interruption that changes nothing."""

import json
import shutil
import signal

import pytest

from tests.multihost.jobs import Job
from tests.train.test_finetune import config
from tests.train.test_processes import OVERRIDES
from zoo.errors import ConfigError, IntegrityError
from zoo.evals import Findings
from zoo.train import seeds as module
from zoo.train.checkpoint import Checkpoints
from zoo.train.final_report import write_report
from zoo.train.seeds import CRASHED, REFUSED, describe, statistics, train_seeds

RUN = config(
    evals={"metrics": {"type": "sequence_classification", "every": 2}, "validation": {"type": "loss"}},
    keep_best="metrics/accuracy",
    num_steps=6,
    checkpoint_every=2,
    log_every=2,
    seed=7,
)


def read(workdir):
    return json.loads((workdir / "seeds.json").read_text())


class Fake:
    """Stands for `train`: a seed's accuracy, or its error, by a table; what it writes is what a run leaves."""

    def __init__(self, ends, data="a"):
        self.ends, self.trained, self.data = ends, [], data

    def __call__(self, run, workdir, data_dir=None, *, damaged, profile):
        self.trained.append(run.seed)
        end = self.ends[run.seed]
        workdir.mkdir(exist_ok=True)
        if isinstance(end, ConfigError) and "at once" in str(end):
            raise end
        (workdir / "metrics.jsonl").write_text("")
        if isinstance(end, BaseException):
            raise end
        loss, accuracy, *rest = end
        (workdir / "summary.json").write_text(json.dumps({"train": {"loss": loss}}))
        (workdir / "data.json").write_text(json.dumps({"sha256": self.data}))
        write_report(workdir / "report", run, {"metrics": Findings(metrics={"accuracy": accuracy})}, {"step": 6}, {})
        return {"signal": rest[0]} if rest else {}


@pytest.fixture
def fake(monkeypatch):
    def use(ends, **changes):
        found = Fake(ends, **changes)
        monkeypatch.setattr(module, "train", found)
        return found

    return use


def test_statistics_by_hand():
    found = statistics({3: 0.1, 4: 0.5, 5: 0.2, 6: None, 7: 0.4})
    assert {name: found[name] for name in ("median", "mean", "min", "max")} == pytest.approx(
        {"median": 0.3, "mean": 0.3, "min": 0.1, "max": 0.5}
    )
    assert found["iqr"] == pytest.approx(0.425 - 0.175)
    assert found["values"] == {"3": 0.1, "4": 0.5, "5": 0.2, "6": None, "7": 0.4}
    assert statistics({0: None})["median"] is None


def test_failures_are_named_and_hide_nothing(tmp_path, fake, capsys):
    """Nor are finished seeds trained again, while those that failed are."""
    ends = {7: (0.5, 0.75), 8: ConfigError("20 steps in a row"), 9: RuntimeError("out\nof memory"), 10: (0.4, 0.25)}
    runs = fake(ends)
    assert train_seeds(RUN, tmp_path, seeds=4) == CRASHED
    found = read(tmp_path)
    assert found["seeds"] == [7, 8, 9, 10] and found["finished"] == [7, 10]
    assert found["failed"] == {"8": "ConfigError: 20 steps in a row", "9": "RuntimeError: out"}
    assert found["metrics"]["metrics/accuracy"]["values"] == {"7": 0.75, "10": 0.25}
    printed = capsys.readouterr().out
    assert "2 of 4 seeds have finished" in printed and "seed 8 failed: ConfigError: 20 steps in a row" in printed
    assert f"{tmp_path / 'seeds.png'}" in printed and (tmp_path / "seeds.png").exists()
    ends[9] = (0.5, 0.5)
    assert train_seeds(RUN, tmp_path, seeds=4) == REFUSED
    assert runs.trained == [7, 8, 9, 10, 8, 9]
    ends[8] = (0.5, 0.5)
    assert train_seeds(RUN, tmp_path, seeds=4) == 0
    assert read(tmp_path)["failed"] == {}


def test_more_seeds_and_another_config(tmp_path, fake):
    """A finished run counts only for the config that it was trained with."""
    runs = fake({seed: (0.5, 0.5) for seed in range(7, 12)})
    assert train_seeds(RUN, tmp_path, seeds=2) == train_seeds(RUN, tmp_path, seeds=3) == 0
    assert runs.trained == [7, 8, 9]
    train_seeds(config(**{**RUN.to_dict(), "num_steps": 8}), tmp_path, seeds=1)
    assert runs.trained == [7, 8, 9, 7]


def test_a_run_whose_loss_is_not_finite_has_failed(tmp_path, fake, capsys):
    """At every start, though it is not trained again."""
    runs = fake({7: (None, 0.5), 8: (0.5, 1.0)})
    for _ in range(2):
        assert train_seeds(RUN, tmp_path, seeds=2) == REFUSED
        assert "seed 7 failed: the last training loss is not finite" in capsys.readouterr().out
        assert read(tmp_path)["metrics"]["metrics/accuracy"]["values"] == {"8": 1.0}
    assert runs.trained == [7, 8]


def test_what_every_seed_would_meet_is_raised_at_once(tmp_path, fake):
    runs = fake({7: ConfigError("at once: no such column")})
    with pytest.raises(ConfigError, match="no such column"):
        train_seeds(RUN, tmp_path, seeds=3)
    assert runs.trained == [7] and not (tmp_path / "seeds.json").exists()


def test_a_signal_in_the_last_step_trains_no_other_seed(tmp_path, fake):
    runs = fake({7: (0.5, 0.5, signal.SIGTERM), 8: (0.5, 0.5)})
    with pytest.raises(SystemExit) as ended:
        train_seeds(RUN, tmp_path, seeds=2)
    assert ended.value.code == 143 and runs.trained == [7]
    assert read(tmp_path)["finished"] == [7]
    assert train_seeds(RUN, tmp_path, seeds=2) == 0 and runs.trained == [7, 8]


def test_refused(tmp_path, fake):
    fake({7: (0.5, 0.5), 8: (0.5, 0.5)})
    train_seeds(RUN, tmp_path / "runs", seeds=1)
    fake({8: (0.5, 0.5)}, data="b")
    with pytest.raises(IntegrityError, match=r"seed-8 was trained on other data than .*seed-7"):
        train_seeds(RUN, tmp_path / "runs", seeds=2)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="of a single run or a model"):
        train_seeds(RUN, tmp_path, seeds=2)
    with pytest.raises(ConfigError, match="1 or more; found 0"):
        train_seeds(RUN, tmp_path / "new", seeds=0)


def test_the_table():
    found = {
        "seeds": [0, 1],
        "finished": [0],
        "failed": {"1": "ConfigError: why"},
        "metrics": {"m/accuracy": statistics({0: 0.5})},
    }
    lines = describe(found, module.Path("w")).splitlines()
    assert lines[0] == "1 of 2 seeds have finished"
    assert lines[1].split() == ["metric", "median", "mean", "iqr", "min", "max", "each", "seed"]
    assert lines[2].split() == ["m/accuracy", "0.5", "0.5", "0", "0.5", "0.5", "0:", "0.5"]
    assert lines[3:] == ["seed 1 failed: ConfigError: why", "w/seeds.json"]


def test_interrupted_in_the_second_of_three_it_ends_the_same(tmp_path, monkeypatch):
    """By SIGTERM at the second run's fourth step, and in its last step, after which the third remains."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train_seeds(RUN, whole, seeds=3) == 0
    expected = (whole / "seeds.json").read_bytes()
    shutil.copytree(whole / "seed-7", run / "seed-7")  # finished, and so not trained again
    save, signals = Checkpoints.save, {}

    def save_and_signal(self, step, state, iterator):
        save(self, step, state, iterator)
        if step in signals:
            signal.raise_signal(signals[step])

    monkeypatch.setattr(Checkpoints, "save", save_and_signal)
    for step, there in ((4, False), (6, True)):
        signals = {step: signal.SIGTERM}
        with pytest.raises(SystemExit) as ended:
            train_seeds(RUN, run, seeds=3)
        assert ended.value.code == 143
        assert (run / "seed-8" / "report" / "metrics.json").exists() is there and not (run / "seed-9").exists()
    signals = {}
    assert train_seeds(RUN, run, seeds=3) == 0
    assert (run / "seeds.json").read_bytes() == expected
    metrics = json.loads(expected)["metrics"]
    assert len({*metrics["validation/loss"]["values"].values()}) == 3
    best = {str(seed): json.loads((run / f"seed-{seed}" / "best.json").read_text())["value"] for seed in (7, 8, 9)}
    assert metrics["metrics/accuracy"]["values"] == best


@pytest.mark.slow
def test_an_error_that_all_processes_meet_hides_no_other_seed(tmp_path):
    """In two processes, whose gradients are not finite; both go on to the next seed."""
    fields = {
        **OVERRIDES,
        "num_steps": 6,
        "mesh": "data:2",
        "max_skipped": 2,
        "optimizer.warmup_steps": 0,
        "optimizer.clip_norm": 0.0,
        "optimizer.learning_rate": 1e30,
    }
    flags = [f"--config.{name}={value}" for name, value in fields.items()]
    command = ["--config=configs/gpt2_pretrain.py:tiny", *flags, f"--workdir={tmp_path / 'run'}", "--seeds=2"]
    with Job(tmp_path / "log", "launch.train", command, count=2, devices=1) as job:
        assert job.wait(180) == [2, 2], job.output(0) + job.output(1)
        assert "0 of 2 seeds have finished" in job.output(0) and "seeds have finished" not in job.output(1)
    assert [*read(tmp_path / "run")["failed"]] == ["0", "1"]
