# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Metrics files that a resumed run continues as if it had never stopped."""

import json
import math
import time

import pytest

from zoo.errors import IntegrityError
from zoo.train.report import CURVE, METRICS, SUMMARY, TIMING, Report, Work, describe, draw_curves, read_lines


def report(workdir, start=0):
    def work(shape):
        return Work(tokens=math.prod(shape), flops=50 * math.prod(shape), peak=1e6)

    return Report(workdir, start=start, num_steps=4, work=work)


def test_speeds():
    found = Work(tokens=40, flops=2000, peak=4000.0).speeds(2.0)
    assert found == {"tokens_per_second": 20.0, "flops_per_second": 1000.0, "mfu": 0.25}
    assert "mfu" not in Work(tokens=40, flops=2000, peak=None).speeds(2.0)


def write(workdir, steps, start=0):
    with report(workdir, start) as run:
        for step in steps:
            run.advance(step, (2, 5))
            run.train(step, {"loss": 1.0 / step})
            if step % 2 == 0:
                run.evaluation(step, "validation", {"loss": 2.0 / step})
        return run.finish()


def test_lines_curve_and_summary(tmp_path):
    summary = write(tmp_path, [1, 2])
    assert read_lines(tmp_path / METRICS) == [
        {"step": 1, "split": "train", "loss": 1.0},
        {"step": 2, "split": "train", "loss": 0.5},
        {"step": 2, "split": "validation", "loss": 1.0},
    ]
    timing = read_lines(tmp_path / TIMING)
    assert [row["step"] for row in timing] == [1, 2] and timing[0]["mfu"] > 0
    assert (tmp_path / CURVE).read_bytes().startswith(b"\x89PNG")
    assert summary == json.loads((tmp_path / SUMMARY).read_text())
    assert summary["validation"] == {"step": 2, "loss": 1.0}
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_panel_for_each_metric_and_a_line_for_each_split():
    train = [{"step": step, "split": "train", "loss": 1.0 / step, "grad_norm": 1.0} for step in (1, 2)]
    evaluated = [
        {"step": 2, "split": "dev", "loss": 3.0, "accuracy": 0.5},
        {"step": 3, "split": "dev", "loss": None, "accuracy": 0.75},  # null stands for what is not finite
    ]
    panels = draw_curves(train + evaluated).axes
    assert [axes.get_ylabel() for axes in panels] == ["loss", "accuracy"]
    lines = [{line.get_label(): line.get_xydata().tolist() for line in axes.get_lines()} for axes in panels]
    assert lines == [{"train": [[1, 1.0], [2, 0.5]], "dev": [[2, 3.0]]}, {"dev": [[2, 0.5], [3, 0.75]]}]
    assert all(axes.get_legend() is not None for axes in panels)


def test_the_summary_in_words(tmp_path):
    summary = {"step": 3, "dev": {"step": 3, "loss": 0.25, "accuracy": None}, "train": {"step": 3, "grad_norm": 1.0}}
    lines = describe(summary, tmp_path).splitlines()
    assert lines[:3] == ["step 3", "  dev:         loss 0.25", "  train:       "]
    assert describe(summary, tmp_path, exported=3).splitlines() == lines
    best, other = describe(summary, tmp_path, ("model", "generator"), exported=2).splitlines()[-2:]
    assert other == f"generator:   {tmp_path / 'generator'}"
    assert best == f"{lines[-1]} (step 2, the best; the report is on this one)"
    assert lines[-1] == f"model:       {tmp_path / 'model'}" and f"curves:      {tmp_path / CURVE}" in lines


def test_resuming_drops_what_is_beyond_the_step(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir(), resumed.mkdir()
    write(whole, [1, 2, 3, 4])
    write(resumed, [1, 2, 3])
    with open(resumed / METRICS, "a") as file:
        file.write('{"step": 4, "spl')  # killed while writing
    write(resumed, [3, 4], start=2)
    assert (resumed / METRICS).read_bytes() == (whole / METRICS).read_bytes()


def test_tokens_are_those_of_the_batches_of_the_shapes_that_they_had(tmp_path):
    with report(tmp_path) as run:
        run.advance(1, (2, 15))
        run.advance(2, (2, 5))
        run.train(2, {"loss": 1.0})
        run.advance(3, (1, 5))
        run.train(3, {"loss": 1.0})
    rows = read_lines(tmp_path / TIMING)
    assert [round(row["tokens_per_second"] * row["seconds"]) for row in rows] == [40, 5]
    assert [round(row["flops_per_second"] * row["seconds"]) for row in rows] == [2000, 250]


def test_the_share_of_the_time_spent_waiting_for_input(tmp_path):
    with report(tmp_path) as run:
        for step in (1, 2):
            with run.waiting():
                time.sleep(0.3 * (step == 1))
            run.train(step, {"loss": 1.0})
    first, second = (row["input_wait"] for row in read_lines(tmp_path / TIMING))
    assert 0.2 < first <= 1 and second < first


def test_numbers_that_are_not_finite_are_valid_json(tmp_path):
    with report(tmp_path) as run:
        run.advance(1, (2, 5))
        run.train(1, {"loss": float("nan"), "perplexity": float("inf")})
        run.finish()
    assert read_lines(tmp_path / METRICS)[0]["loss"] is None


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / METRICS).write_text("no json\n")
    with pytest.raises(IntegrityError, match=METRICS):
        report(tmp_path)
