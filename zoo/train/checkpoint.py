# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of everything a run needs to continue as if never stopped: model, optimizer, keys, position in the data.

Orbax writes a step into a temporary folder and renames it when all of it is there, in a background thread. A
job killed at any instant leaves whole steps and at most one temporary folder, which the next job removes before its
first save.
"""

import logging
from pathlib import Path
from typing import Any, Literal

import jax
import orbax.checkpoint as ocp
from etils import epath

from zoo.errors import ConfigError, IntegrityError
from zoo.multihost.processes import failures, is_primary, wait_for_all
from zoo.train.state import TrainState
from zoo.train.workdir import CHECKPOINTS

_log = logging.getLogger(__name__)


OnDamage = Literal["refuse", "set_aside"]


class _OtherModel(IntegrityError):
    """Whole, and of no use here: an earlier step would be neither."""


class Checkpoints:
    """The steps saved in one workdir. A context manager: leaving it waits for the last save.

    Args:
      keep: how many of the latest stay; None only reads, and leaves alone what a job may be writing.
    """

    def __init__(self, workdir: Path, keep: int | None):
        self.folder = (workdir / CHECKPOINTS).resolve()
        writes = keep is not None
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, create=writes, read_only=not writes, cleanup_tmp_directories=writes
        )
        handlers = {"state": ocp.StandardCheckpointHandler(), "data": ocp.JsonCheckpointHandler()}
        self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """The last whole step, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: TrainState, iterator) -> None:
        """Copies the arrays off the devices, and writes them while training goes on."""
        if step == self.latest:
            return
        items = {"state": ocp.args.StandardSave(state), "data": ocp.args.JsonSave(iterator.get_state())}
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def restore(self, like: TrainState, iterator=None, *, damaged: OnDamage = "refuse") -> TrainState:
        """The latest state, in the shapes, dtypes and shardings of `like`; sets the iterator's position in the data.

        Every process reads its own shards, whatever mesh and number of processes wrote them.

        Args:
          damaged: "set_aside" renames a step that any process cannot read, and goes on with the one before.

        Raises:
          IntegrityError: the files are damaged or hold another model.
          ConfigError: what the objective carries is of a batch of another size.
        """
        while (step := self.latest) is not None:
            error = state = position = None
            try:
                state, position = self._read(step, like, iterator is not None)
            except ConfigError:
                raise
            except _OtherModel as caught:
                raise IntegrityError(self._advice(step, _first_line(caught))) from caught
            except Exception as caught:  # Orbax raises whatever its storage layers raise
                error = caught
            others = failures(f"reading step {step}", error is not None)
            if state is not None and not others:
                if iterator is not None:
                    iterator.set_state(position)
                _log.info("restored step %d from %s", step, self.folder)
                return state
            what = _first_line(error) if error else f"process {others[0]} could not read its part"
            if damaged == "refuse" or len(self._manager.all_steps()) == 1:
                raise IntegrityError(self._advice(step, what)) from error
            self._set_aside(step, what)
        raise IntegrityError(f"{self.folder} holds no checkpoint; train first.")

    def _read(self, step: int, like: TrainState, with_place: bool) -> tuple[TrainState, Any]:
        """By the handlers: above them Orbax waits for all processes, and one that meets damage would never come."""
        folder = epath.Path(self.folder / str(step))
        _check_shapes(self._manager.item_metadata(step)["state"], like)
        state = ocp.StandardCheckpointHandler().restore(folder / "state", args=ocp.args.StandardRestore(like))
        if not with_place:
            return state, None
        return state, ocp.JsonCheckpointHandler().restore(folder / "data", args=ocp.args.JsonRestore())

    def _advice(self, step: int, what: str) -> str:
        return (
            f"{self.folder / str(step)} cannot be restored: {what}. Delete that folder to go on from an earlier step "
            f"(there are: {self._manager.all_steps()}), or let launch.train --damaged_checkpoint=set_aside rename it."
        )

    def _set_aside(self, step: int, what: str) -> None:
        aside = self.folder / f"{step}.damaged"
        if is_primary():
            number = sum(1 for _ in self.folder.glob(f"{aside.name}*"))
            aside = aside.with_name(f"{aside.name}-{number}") if number else aside
            (self.folder / str(step)).rename(aside)
            _log.warning("%s cannot be restored: %s. It is now %s.", self.folder / str(step), what, aside.name)
        wait_for_all(f"setting step {step} aside")
        self._manager.reload()


def _check_shapes(saved: Any, like: TrainState) -> None:
    """All that differs, by name, before Orbax stops at the first."""
    there, here = (
        {_name(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)} for tree in (saved, like)
    )
    if not there:
        raise IntegrityError("its list of arrays is gone")
    differing = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    if differing and all(name.startswith("carry.") and {name} <= there.keys() & here.keys() for name in differing):
        old, new = there[differing[0]], here[differing[0]]
        if old[1:] == new[1:]:
            raise ConfigError(
                f"The checkpoint's {differing[0].removeprefix('carry.')} is of {old[0]} rows and batch_size is "
                f"{new[0]}; set batch_size to {old[0]}."
            )
    if differing:
        lines = (f"{name} is {there.get(name, 'absent')} there, {here.get(name, 'absent')} here" for name in differing)
        raise _OtherModel(f"it holds another model: {'; '.join(lines)}")


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
