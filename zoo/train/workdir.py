# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""An experiment's folder: held by one job at a time, and by one experiment for good."""

import contextlib
import fcntl
import itertools
import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, IntegrityError
from zoo.multihost.processes import index, is_primary
from zoo.optim.schedules import taken
from zoo.train.config import LATER, RunConfig

_log = logging.getLogger(__name__)

CONFIG, MANIFEST, CHECKPOINTS, MODEL, DATA = "config.json", "data.json", "checkpoints", "model", "data"
BEST, BEST_RECORD = "best", "best.json"


@contextlib.contextmanager
def claim(workdir: Path, config: RunConfig) -> Iterator[Path]:
    """Makes the folder, locks it against other jobs, and writes the config's snapshot. Touches no device.

    Process 0 does it, and before the others, which look whether they see what it wrote.

    Raises:
      ConfigError: the folder cannot be written, holds something else such as a model, another job holds it, or not
        all hosts see the same one.
      IntegrityError: it holds checkpoints of another experiment.
    """
    if not is_primary():
        _check_shared(workdir, config)
        yield workdir
        return
    _check_is_workdir(workdir)
    with hold(workdir):
        _check_experiment(workdir, config)
        write_json(workdir / CONFIG, {"digest": config.digest(), "config": config.to_dict()})
        yield workdir


@contextlib.contextmanager
def hold(workdir: Path) -> Iterator[None]:
    """Makes the folder and locks it against other jobs; ConfigError if it cannot be written, or another holds it."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = open(workdir / "lock", "a+")
    except OSError as error:
        raise ConfigError(
            f"workdir {workdir} cannot be written ({error.strerror}); choose another --workdir."
        ) from error
    with lock:
        _acquire(lock, workdir)
        yield


def pin_data(workdir: Path, manifest: Mapping[str, Any]) -> None:
    """Ties the workdir to one prepared text; once it holds checkpoints, another text is an IntegrityError."""
    if has_checkpoints(workdir) and (workdir / MANIFEST).exists():
        _compare(read_json(workdir / MANIFEST), manifest, f"{workdir} holds checkpoints of a run on other data")
    if is_primary():
        write_json(workdir / MANIFEST, manifest)


def read_manifest(workdir: Path) -> dict[str, Any]:
    """What `pin_data` tied the workdir to."""
    return read_json(workdir / MANIFEST)


def read_config(workdir: Path) -> RunConfig:
    """The config of the experiment that the folder holds."""
    if not (workdir / CONFIG).exists():
        raise ConfigError(f"{workdir} holds no {CONFIG}; --workdir must be a folder that launch.train wrote.")
    return RunConfig.from_dict(read_json(workdir / CONFIG).get("config"))


def write_json(path: Path, value) -> None:
    """Replaces the file as a whole, so that a reader or a crash never meets half of it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(value, indent=2) + "\n")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """An object that `write_json` wrote; IntegrityError if it is damaged."""
    try:
        value = json.loads(path.read_text())
        if isinstance(value, dict):
            return value
    except ValueError:
        pass
    raise IntegrityError(
        f"{path} is damaged: it is not a JSON object. Put it back from a copy, or choose another --workdir."
    )


def _acquire(lock, workdir: Path) -> None:
    """The kernel drops a record lock with its process, however it dies, and workers do not inherit it: never stale."""
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise ConfigError(
            f"another job ({lock.read().strip() or 'unnamed'}) is training in {workdir}; wait for it, stop it, or "
            "choose another --workdir."
        ) from error
    lock.truncate(0)
    lock.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
    lock.flush()


def _check_shared(workdir: Path, config: RunConfig) -> None:
    if not (workdir / CONFIG).exists() or read_json(workdir / CONFIG).get("digest") != config.digest():
        raise ConfigError(
            f"process {index()} on {socket.gethostname()} does not find in {workdir} what process 0 wrote there; "
            "--workdir must be one folder that all hosts see, and --config the same everywhere."
        )


def _check_is_workdir(workdir: Path) -> None:
    """Refuses a folder whose config.json is not a run's: writing there would make a model unreadable."""
    path = workdir / CONFIG
    if not path.exists() or has_checkpoints(workdir):
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not {"digest", "config"} <= found.keys():
        raise ConfigError(
            f"{path} was not written by launch.train; it may be a model's. A run would overwrite it: choose another "
            "--workdir."
        )


def _check_experiment(workdir: Path, config: RunConfig) -> None:
    if not has_checkpoints(workdir):
        return
    if not (workdir / CONFIG).exists():
        raise IntegrityError(f"{workdir} holds checkpoints, but its {CONFIG} is missing; choose another --workdir.")
    before = read_config(workdir)
    there, here = before.identity(), config.identity()
    length = "num_steps" if config.num_steps else "num_epochs"
    last = _last_step(workdir)
    same = _same_so_far(before, config, last)
    changed = [name for name in LATER if same and there[name] != here[name]]
    there |= {name: here[name] for name in changed}
    if getattr(config, length) > getattr(before, length) > 0:
        there[length] = getattr(config, length)
        _say_extended(before, config, length, same)
    elif changed:
        what = ", ".join(f"{name}={here[name]}" for name in changed)
        _log.warning("the run goes on with %s: its learning rates so far are the same.", what)
    _compare(there, here, f"{workdir} holds checkpoints of another experiment")
    if config.identity() != before.identity():
        _set_aside_later_best(workdir, last)


def _same_so_far(before: RunConfig, config: RunConfig, steps: int) -> bool:
    """Whether a run of the new config would have had the same learning rate at each of so many steps."""
    if not config.num_steps or not before.num_steps or config.num_steps < steps:
        return False
    there, here = (taken(each.optimizer, each.num_steps, steps) for each in (before, config))
    return there == here


def _say_extended(before: RunConfig, config: RunConfig, length: str, same: bool) -> None:
    schedule, unit = config.optimizer.schedule, length.removeprefix("num_")
    start, end = getattr(before, length), getattr(config, length)
    meaning = (
        f"from here on its learning rate follows a {schedule} schedule that ends after {end:g} {unit}, while its steps "
        f"so far followed one that ends after {start:g}"
    )
    if same:
        meaning = "its learning rates so far are the same"
    if schedule in ("constant", "inverse_sqrt"):
        meaning = "its learning rate is the same at any step"
    _log.warning("the run is extended from %g to %g %s: %s.", start, end, unit, meaning)


def _set_aside_later_best(workdir: Path, last: int) -> None:
    """Renames a best model from after the last checkpoint: the run, which now differs, never comes to it."""
    record = workdir / BEST_RECORD
    if not record.exists() or (step := read_json(record).get("step", 0)) <= last:
        return
    for name in (BEST, BEST_RECORD):
        if (path := workdir / name).exists():
            path.rename(_unused(workdir / f"{name}.of-step-{step}"))
    what = "the best model is of step %d, after step %d, from which the run differs; it is set aside as %s."
    _log.warning(what, step, last, f"{BEST}.of-step-{step}")


def _unused(path: Path) -> Path:
    """The path, with a number behind it if there is something of that name."""
    names = itertools.chain([path.name], (f"{path.name}-{number}" for number in itertools.count(2)))
    return next(each for name in names if not (each := path.with_name(name)).exists())


def has_checkpoints(workdir: Path) -> bool:
    """Whether a whole step is saved there. Asks the names of the folders alone."""
    return _last_step(workdir) >= 0


def _last_step(workdir: Path) -> int:
    """The last whole step that is saved there; -1 if none is."""
    folder = workdir / CHECKPOINTS
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def _compare(there: Mapping[str, Any], here: Mapping[str, Any], what: str) -> None:
    changed = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    if changed:
        lines = "".join(f"\n  {name}: {there.get(name)!r} there, {here.get(name)!r} here" for name in changed)
        raise IntegrityError(f"{what}:{lines}\nChoose another --workdir, or restore the original settings.")
