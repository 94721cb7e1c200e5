# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of everything a run needs to go on as if it had never stopped: model, optimizer, keys, place in the data.

Orbax writes a step into a temporary folder and renames it when all of it is there, in a thread beside the training. A
job killed at any instant leaves whole steps and at most one temporary folder, which the next job removes before its
first save.
"""

import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from zoo.errors import IntegrityError
from zoo.train.state import TrainState
from zoo.train.workdir import CHECKPOINTS

_log = logging.getLogger(__name__)


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

    def restore(self, like: TrainState, iterator=None) -> TrainState:
        """The latest state, in the shapes, dtypes and shardings of `like`; sets the iterator to its place in the data.

        Raises:
          IntegrityError: the files are damaged or hold another model.
        """
        items: dict[str, ocp.args.CheckpointArgs] = {"state": ocp.args.StandardRestore(like)}
        if iterator is not None:
            items["data"] = ocp.args.JsonRestore()
        step = self.latest
        if step is None:
            raise IntegrityError(f"{self.folder} holds no checkpoint; train first.")
        try:
            _check_shapes(self._manager.item_metadata(step)["state"], like)
            restored = self._manager.restore(step, args=ocp.args.Composite(**items))
            if iterator is not None:
                iterator.set_state(restored["data"])
        except Exception as error:  # Orbax raises whatever its storage layers raise
            raise IntegrityError(
                f"{self.folder / str(step)} cannot be restored: {_first_line(error)}. Delete that folder to go "
                f"on from an earlier step (there are: {self._manager.all_steps()})."
            ) from error
        _log.info("restored step %d from %s", step, self.folder)
        return restored["state"]


def _check_shapes(saved: Any, like: TrainState) -> None:
    """All that differs, by name, before Orbax stops at the first."""
    there, here = (
        {_name(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)} for tree in (saved, like)
    )
    differing = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    if differing:
        lines = (f"{name} is {there.get(name, 'absent')} there, {here.get(name, 'absent')} here" for name in differing)
        raise IntegrityError(f"it holds another model: {'; '.join(lines)}")


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
