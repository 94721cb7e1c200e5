# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The report of a run: a progress bar, JSON lines, TensorBoard events, a loss curve, a summary.

`metrics.jsonl` holds nothing that depends on time, so that the file of a run that was killed and resumed equals that of
one that was not; speeds go into `timing.jsonl`.
"""

import contextlib
import functools
import json
import math
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tqdm
from matplotlib.figure import Figure
from tensorboardX import SummaryWriter

from zoo.errors import IntegrityError
from zoo.files import json_line
from zoo.train.final_report import PAGE, REPORT
from zoo.train.workdir import MODEL, write_json

METRICS, TIMING, CURVE, SUMMARY, EVENTS = "metrics.jsonl", "timing.jsonl", "loss.png", "summary.json", "tensorboard"


class Silence:
    """Replaces a `Report` in every process but the primary: writes nothing, and keeps the last metrics."""

    def __init__(self, start: int):
        self._last: dict[str, Any] = {"step": start}

    def __enter__(self) -> "Silence":
        return self

    def __exit__(self, *_) -> None:
        pass

    def advance(self, step: int, shapes: Hashable) -> None:
        """Nothing."""

    def train(self, step: int, metrics: Mapping[str, float]) -> None:
        """For the summary."""
        self._last |= {"step": step, "train": {"step": step, **metrics}}

    def evaluation(self, step: int, name: str, metrics: Mapping[str, float]) -> None:
        """For the summary."""
        self._last |= {"step": step, name: {"step": step, **metrics}}

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Nothing."""
        yield

    def restart_clock(self) -> None:
        """Nothing."""

    def finish(self, stopped_early: int | None = None) -> dict[str, Any]:
        """The last metrics of each split since the start of this job; see `Report.finish`."""
        return self._last | _ended(stopped_early)


class Work(NamedTuple):
    """What steps do, on all devices.

    Attributes:
      tokens: of their batches, padding included. flops: of the model, by `zoo.cost.flops`.
      peak: operations a second that all devices could do, or None where that is not known.
    """

    tokens: int
    flops: int
    peak: float | None

    def plus(self, other: "Work") -> "Work":
        """Both, on the same devices."""
        return Work(self.tokens + other.tokens, self.flops + other.flops, other.peak)

    def speeds(self, seconds: float) -> dict[str, float]:
        """In that time; MFU is the fraction of the peak (arXiv:2204.02311, appendix B)."""
        found = {"tokens_per_second": self.tokens / seconds, "flops_per_second": self.flops / seconds}
        return found if self.peak is None else found | {"mfu": found["flops_per_second"] / self.peak}


_NOTHING = Work(0, 0, None)


class Report:
    """Writes the reports of one workdir, from step `start` on; what earlier jobs wrote beyond it is dropped.

    Args:
      work: of a step, by the shapes of its batch.
    """

    def __init__(self, workdir: Path, *, start: int, num_steps: int, work: Callable[[Any], Work]):
        self.workdir, self.num_steps, self._work_of = workdir, num_steps, functools.cache(work)
        self._work = _NOTHING  # since the last mark
        for name in (METRICS, TIMING):
            drop_beyond(workdir / name, start)
        self._metrics, self._timing = (
            open(workdir / name, "a", buffering=1, encoding="utf-8") for name in (METRICS, TIMING)
        )
        self._events = SummaryWriter(str(workdir / EVENTS), purge_step=start + 1, write_to_disk=True)
        interval = 0.2 if sys.stderr.isatty() else 5.0  # seconds; a log file wants fewer lines
        self._bar = tqdm.tqdm(total=num_steps, initial=start, unit="step", mininterval=interval, dynamic_ncols=True)
        self._began = time.monotonic()
        self._waited = 0.0  # seconds for input, since the last mark

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_) -> None:
        for part in (self._bar, self._events, self._metrics, self._timing):
            part.close()

    def advance(self, step: int, shapes: Hashable) -> None:
        """Moves the bar to `step`, whose batch had these shapes."""
        self._bar.update(step - self._bar.n)
        self._work = self._work.plus(self._work_of(shapes))

    def train(self, step: int, metrics: Mapping[str, float]) -> None:
        """Records training metrics, and the speed since the last record or pause."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        speeds = self._work.speeds(seconds) | {"input_wait": min(self._waited / seconds, 1.0)}
        self.restart_clock()
        mfu = f", MFU {speeds['mfu']:.1%}" if "mfu" in speeds else ""
        speed = f"{speeds['tokens_per_second']:,.0f} tokens/s{mfu}, {speeds['input_wait']:.0%} waiting for input"
        status = f"loss {metrics['loss']:.3f}, {speed}"
        self._bar.set_postfix_str(status, refresh=False)
        self._record("train", step, metrics)
        self._timing.write(json_line({"step": step, "seconds": seconds, **speeds}))
        for name, speed in speeds.items():
            self._events.add_scalar(f"speed/{name}", speed, step)

    def evaluation(self, step: int, name: str, metrics: Mapping[str, float]) -> None:
        """Records the metrics of an evaluator."""
        self._record(name, step, metrics)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """A context in which the run waits for its next batch."""
        began = time.monotonic()
        yield
        self._waited += time.monotonic() - began

    def restart_clock(self) -> None:
        """Leaves the time since the last record (an evaluation, a save) out of the speed."""
        self._began, self._waited, self._work = time.monotonic(), 0.0, _NOTHING

    def finish(self, stopped_early: int | None = None) -> dict[str, Any]:
        """Draws the curve and writes the summary, which it returns: the last metrics of each split, and the paths.

        Args:
          stopped_early: the step, if the run ended before its last one.
        """
        rows = read_lines(self.workdir / METRICS)
        draw_curves(rows).savefig(self.workdir / CURVE, dpi=120)
        summary = {"step": rows[-1]["step"] if rows else 0}
        summary.update({row["split"]: {k: v for k, v in row.items() if k != "split"} for row in rows})
        summary |= _ended(stopped_early)
        write_json(self.workdir / SUMMARY, summary)
        return summary

    def _record(self, split: str, step: int, metrics: Mapping[str, float]) -> None:
        self._metrics.write(json_line({"step": step, "split": split, **metrics}))
        for name, value in metrics.items():
            self._events.add_scalar(f"{split}/{name}", value, step)


def describe(
    summary: Mapping[str, Any], workdir: Path, models: Sequence[str] = (MODEL,), exported: int | None = None
) -> str:
    """A few lines of text: the result, and the paths of everything.

    Args:
      models: the folders of the exported ones.
      exported: the step of the exported model, which the report is about; None is the last one.
    """
    groups = {name: found for name, found in summary.items() if isinstance(found, Mapping)}
    lines = [f"step {summary['step']}" + (", stopped early" if "stopped_early" in summary else "")]
    for name, found in groups.items():
        shown = {k: v for k, v in found.items() if k not in ("step", "grad_norm", "learning_rate", "skipped")}
        lines.append(f"  {name + ':':<13}{', '.join(f'{k} {v:.4g}' for k, v in shown.items() if v is not None)}")
    paths = {"curves": CURVE, "metrics": METRICS, "TensorBoard": EVENTS, "report": f"{REPORT}/{PAGE}"}
    paths |= {name: name for name in models}
    lines += [f"{name + ':':<13}{workdir / path}" for name, path in paths.items()]
    if exported not in (None, summary["step"]):
        lines[-len(models)] += f" (step {exported}, the best; the report is on this one)"
    return "\n".join(lines)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON-lines file; a last line that a killed job left half written is not one."""
    if not path.exists():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise IntegrityError(f"{path} holds a line that is not JSON ({error}); remove the line.") from error


def drop_beyond(path: Path, step: int) -> None:
    """Removes the lines after `step`, which a resumed run writes again."""
    if path.exists():
        kept = "".join(json_line(row) for row in read_lines(path) if row["step"] <= step)
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(kept, encoding="utf-8")
        partial.replace(path)


def draw_curves(rows: list[dict[str, Any]]) -> Figure:
    """A panel for the loss by step, and one for each other metric of the evaluators; a line for each split."""
    splits = dict.fromkeys(row["split"] for row in rows)
    evaluated = {key for row in rows if row["split"] != "train" for key in row} - {"step", "split", "loss"}
    panels = ["loss", *sorted(evaluated)]
    figure = Figure(figsize=(7, 1 + 3 * len(panels)), layout="constrained")  # not pyplot: no display, no global state
    for metric, axes in zip(panels, figure.subplots(len(panels), squeeze=False)[:, 0], strict=True):
        for split in splits:
            points = [(row["step"], row[metric]) for row in rows if row["split"] == split and _shown(row.get(metric))]
            if points:
                axes.plot(*zip(*points, strict=True), "-" if split == "train" else "o-", label=split, markersize=4)
        axes.set(xlabel="step", ylabel=metric.replace("_", " "))
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend()
    return figure


def _ended(stopped_early: int | None) -> dict[str, int]:
    return {} if stopped_early is None else {"stopped_early": stopped_early}


def _shown(value: Any) -> bool:
    return value is not None and math.isfinite(value)
