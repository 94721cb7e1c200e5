# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The same experiment from several seeds, one after the other, and how far its metrics spread.

Fine-tuning on a small dataset is known to depend on the seed (Dodge et al. 2020, arXiv:2002.06305).
"""

import contextlib
import dataclasses
import logging
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from zoo.errors import ConfigError, IntegrityError, ZooError
from zoo.multihost.processes import all_arrive, count, from_primary, is_primary
from zoo.train.checkpoint import OnDamage
from zoo.train.config import RunConfig
from zoo.train.final_report import is_finished, read_metrics
from zoo.train.loop import SIGNALLED, train
from zoo.train.profile import Span
from zoo.train.report import METRICS, SUMMARY
from zoo.train.workdir import CONFIG, hold, read_json, read_manifest, write_json

_log = logging.getLogger(__name__)

SEEDS, PLOT = "seeds.json", "seeds.png"
CRASHED, REFUSED = 1, 2  # exit codes: of a crash, and of what the same command would meet again
_DIVERGED = "the last training loss is not finite; lower optimizer.learning_rate"
_STATISTICS = ("median", "mean", "iqr", "min", "max")
_PANELS = 4  # side by side
_PATIENCE = 60.0  # seconds in which an error that all processes meet arrives in the last one


class Failure(NamedTuple):
    """Why a seed's run failed: one line, and whether it was a crash rather than an error that the user can fix."""

    message: str
    is_crash: bool


def train_seeds(
    config: RunConfig,
    workdir: Path,
    data_dir: Path | None = None,
    *,
    seeds: int,
    damaged: OnDamage = "refuse",
    profile: Span | None = None,
) -> int:
    """Trains with `config.seed` and the seeds after it, each in its own `seed-N` of the workdir; returns an exit code.

    Finished seeds are not trained again, and an interrupted one continues. `seeds.json`, `seeds.png` and a printed
    table summarize the metrics of the models that were exported. A run that fails does not keep the others from
    training; it is named with its error, and tried again by the same command, unless it went to its end and its loss
    is not finite. A signal ends everything as it ends `train`.

    Args:
      seeds: how many. data_dir, damaged, profile: as of `train`, for every seed.

    Returns: 0 if every seed has finished, `CRASHED` if one crashed, else `REFUSED`.

    Raises:
      ZooError: before any seed has begun to train, for what all of them would meet. Of several processes, also when not
        all meet it, and for a crash, which may be the consequence of a lost process.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be 1 or more; found {seeds}.")
    if (workdir / CONFIG).exists():
        raise ConfigError(
            f"{workdir} holds a {CONFIG}, of a single run or a model; several seeds need a --workdir of their own."
        )
    configs = {seed: dataclasses.replace(config, seed=seed) for seed in range(config.seed, config.seed + seeds)}
    runs = _Runs(workdir, configs)
    with hold(workdir) if is_primary() else contextlib.nullcontext():
        for seed in configs:
            late_signal = runs.train(seed, data_dir, damaged=damaged, profile=profile)
            runs.summarize()
            if late_signal:
                raise SystemExit(SIGNALLED + late_signal)
        if is_primary():
            found = runs.summarize()
            if len(found["finished"]) > 1 and found["metrics"]:
                draw_seeds(found["metrics"]).savefig(workdir / PLOT)
            print(describe(found, workdir))
    return runs.exit_code


class _Runs:
    """The runs of all seeds, and how those ended that this job has come to."""

    def __init__(self, workdir: Path, configs: Mapping[int, RunConfig]):
        self._workdir, self._configs = workdir, configs
        self._folders = {seed: workdir / f"seed-{seed}" for seed in configs}
        self._failures: dict[int, Failure] = {}

    def train(self, seed: int, data_dir: Path | None, *, damaged: OnDamage, profile: Span | None) -> int:
        """Trains one unless it has finished; returns the number of a signal that came too late to stop it, or 0."""
        config, folder, late_signal = self._configs[seed], self._folders[seed], 0
        if not from_primary("finished" if is_finished(folder, config) else ""):
            try:
                late_signal = train(config, folder, data_dir, damaged=damaged, profile=profile).get("signal", 0)
            except Exception as error:  # whatever one seed meets must not hide the others; it is reported in full
                self._raise_if_common(error, seed)
                self._failures[seed] = _failure(error, seed)
                return 0
        if from_primary(_divergence(folder)):
            self._failures[seed] = Failure(_DIVERGED, is_crash=False)
        return late_signal

    def summarize(self) -> dict[str, Any]:
        """Writes what there is so far, in process 0; returns it.

        Raises:
          IntegrityError: seeds that were trained on different data.
        """
        if not is_primary():
            return {}
        finished = {
            seed: folder
            for seed, folder in self._folders.items()
            if seed not in self._failures and is_finished(folder, self._configs[seed])
        }
        _check_same_data([*finished.values()])
        found = {
            "seeds": [*self._configs],
            "finished": [*finished],
            "failed": {str(seed): failure.message for seed, failure in self._failures.items()},
            "metrics": _by_metric({seed: read_metrics(folder) for seed, folder in finished.items()}),
        }
        write_json(self._workdir / SEEDS, found)
        return found

    @property
    def exit_code(self) -> int:
        """Of the whole job."""
        if not self._failures:
            return 0
        return CRASHED if any(failure.is_crash for failure in self._failures.values()) else REFUSED

    def _raise_if_common(self, error: Exception, seed: int) -> None:
        """Raises the error again if every seed would meet it, or if not every process has met it."""
        if count() > 1 and not (isinstance(error, ZooError) and all_arrive(f"the error of seed {seed}", _PATIENCE)):
            raise error
        has_begun = any((folder / METRICS).exists() for folder in self._folders.values())
        if not from_primary("begun" if has_begun else ""):
            raise error


def describe(found: Mapping[str, Any], workdir: Path) -> str:
    """What `seeds.json` holds as a table, and the paths of everything."""
    total, finished = len(found["seeds"]), len(found["finished"])
    lines = [f"{finished} of {total} seeds have finished"]
    width = max([len("metric"), *map(len, found["metrics"])])
    heads = "".join(f"{name:>9}" for name in _STATISTICS)
    lines.append(f"{'metric':<{width}}{heads}   each seed")
    for name, metric in found["metrics"].items():
        numbers = "".join(f"{_shown(metric[each]):>9}" for each in _STATISTICS)
        values = "  ".join(f"{seed}: {_shown(value)}" for seed, value in metric["values"].items())
        lines.append(f"{name:<{width}}{numbers}   {values}")
    lines += [f"seed {seed} failed: {message}" for seed, message in found["failed"].items()]
    paths = [workdir / SEEDS] + ([workdir / PLOT] if finished > 1 and found["metrics"] else [])
    return "\n".join([*lines, *map(str, paths)])


def statistics(values: Mapping[int, float | None]) -> dict[str, Any]:
    """Median, mean, interquartile range, least and largest of the values by seed, those left out that are None."""
    known = np.array([value for value in values.values() if value is not None], np.float64)
    found: dict[str, Any] = dict.fromkeys(_STATISTICS)
    if len(known):
        low, median, high = np.percentile(known, (25, 50, 75))  # between two values in proportion, as R's type 7
        numbers = (median, known.mean(), high - low, known.min(), known.max())
        found = {name: float(value) for name, value in zip(_STATISTICS, numbers, strict=True)}
    return found | {"values": {str(seed): value for seed, value in values.items()}}


def draw_seeds(metrics: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel for each metric: a box of its quartiles, and a point for each seed."""
    rows = -(-len(metrics) // _PANELS)
    figure = Figure(figsize=(3 * _PANELS, 3 * rows), layout="constrained")
    for (name, metric), axes in zip(metrics.items(), figure.subplots(rows, _PANELS, squeeze=False).flat, strict=False):
        values = [value for value in metric["values"].values() if value is not None]
        if values:
            axes.boxplot(values, showfliers=False)
        axes.plot([1] * len(values), values, "o", alpha=0.6, markersize=5)
        axes.set(title=name, xticks=[])
        axes.grid(alpha=0.3)
    for axes in figure.axes[len(metrics) :]:
        axes.remove()
    return figure


def _failure(error: Exception, seed: int) -> Failure:
    message = f"{type(error).__name__}: {error}"
    is_crash = not isinstance(error, ZooError)
    if is_primary():
        details = "".join(traceback.format_exception(error)) if is_crash else message
        _log.error("seed %d failed: %s", seed, details)
    return Failure(message.splitlines()[0] if is_crash else message, is_crash)


def _divergence(folder: Path) -> str:
    """Whether the last training loss of a finished run, which process 0 knows, is not finite: "" if it is."""
    if not is_primary():
        return ""
    train_split = read_json(folder / SUMMARY).get("train", {})
    return "diverged" if "loss" in train_split and train_split["loss"] is None else ""


def _by_metric(measured: Mapping[int, Mapping[str, float | None]]) -> dict[str, dict[str, Any]]:
    """The statistics of each metric that a seed has, from the metrics of each seed."""
    names = dict.fromkeys(name for metrics in measured.values() for name in metrics)
    return {name: statistics({seed: each[name] for seed, each in measured.items() if name in each}) for name in names}


def _check_same_data(folders: Sequence[Path]) -> None:
    for folder in folders[1:]:
        if read_manifest(folder) != read_manifest(folders[0]):
            raise IntegrityError(
                f"{folder} was trained on other data than {folders[0]}, so that their metrics cannot be compared; "
                "restore the data, or choose another --workdir."
            )


def _shown(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4g}"
