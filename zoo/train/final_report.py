# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The report of a finished model: a page of Markdown, its metrics as JSON, and a folder for each evaluator.

It replaces the files of an earlier report of the same folder and touches no others. `metrics.json` comes last: where it
is, the report is whole.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from zoo.data.schema import SplitSummary
from zoo.evals.evaluator import Evaluator, Findings
from zoo.files import sha256_of_json
from zoo.train.config import RunConfig
from zoo.train.workdir import read_json, write_json

REPORT, PAGE, METRICS = "report", "report.md", "metrics.json"


def write_report(
    folder: Path,
    config: RunConfig,
    findings: Mapping[str, Findings],
    origin: Mapping[str, str | int],
    splits: Mapping[str, SplitSummary],
) -> Path:
    """Writes what the config's evaluators found; returns the path of the page. One process does it.

    Args:
      origin: what was evaluated: its `step`, or the `model`.
      splits: what is said of the data by the split, as `Dataset.summaries`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS).unlink(missing_ok=True)
    lines = ["# Report", "", *(f"{name} {value}" for name, value in origin.items()), ""]
    for name, found in findings.items():
        (folder / name).mkdir(exist_ok=True)
        lines += [f"## {name}", "", *_table(config.evals[name], found.metrics), "", found.write(folder / name)]
        if not any((folder / name).iterdir()):
            (folder / name).rmdir()
    lines += _data(splits)
    (folder / PAGE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    metrics = {
        name: {k: v if math.isfinite(v) else None for k, v in found.metrics.items()} for name, found in findings.items()
    }
    write_json(folder / METRICS, {**origin, "config": _digest(config), "metrics": metrics})
    return folder / PAGE


def is_finished(workdir: Path, config: RunConfig) -> bool:
    """Whether a run of this very config has ended there: its report is written last."""
    path = workdir / REPORT / METRICS
    return path.exists() and read_json(path).get("config") == _digest(config)


def drop_stale_report(workdir: Path, config: RunConfig) -> None:
    """Removes the page and the metrics of a run that now goes on, such as one with more steps. One process does it."""
    if not is_finished(workdir, config):
        for name in (PAGE, METRICS):
            (workdir / REPORT / name).unlink(missing_ok=True)


def read_metrics(workdir: Path) -> dict[str, float | None]:
    """The metrics of a finished run's model by EVALUATOR/METRIC; None stands for a number that is not finite."""
    found = read_json(workdir / REPORT / METRICS)["metrics"]
    return {f"{name}/{metric}": value for name, metrics in found.items() for metric, value in metrics.items()}


def _table(evaluator: Evaluator, metrics: Mapping[str, float]) -> Iterator[str]:
    """Each metric with its value and its definition."""
    yield f"Split `{evaluator.split}`" + (
        f", the first {evaluator.num_batches} batches" if evaluator.num_batches else ""
    )
    if metrics:
        yield from ("", "| metric | value | what it is |", "|---|---|---|")
    yield from (f"| `{name}` | {value:.4g} | {evaluator.define(name)} |" for name, value in metrics.items())


def _data(splits: Mapping[str, SplitSummary]) -> Iterator[str]:
    """The size of each split, and what is lost of it."""
    if splits:
        yield from ("## Data", "")
    for name, split in splits.items():
        yield f"* `{name}`: {split.size}"
        yield from (f"    * {loss}" for loss in split.losses)


def _digest(config: RunConfig) -> str:
    """SHA-256 of all fields: even one that may change on a restart can make a run go on."""
    return sha256_of_json(config.to_dict())
