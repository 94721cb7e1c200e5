# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of everything a run needs to continue as if never stopped: model, optimizer, keys, position in the data.

Orbax writes a step into a temporary folder and renames it when all of it is there, in a background thread. A
job killed at any instant leaves whole steps and at most one temporary folder, which the next job removes before its
first save. Each step has the SHA-256 of all that is in it (`zoo.train.digests`), which is checked when it is restored.
"""

import functools
import logging
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath

from zoo.errors import ConfigError, IntegrityError
from zoo.files import sha256_of_json
from zoo.multihost.processes import failures, is_primary, wait_for_all
from zoo.train import digests
from zoo.train.state import TrainState
from zoo.train.workdir import CHECKPOINTS

_log = logging.getLogger(__name__)


OnDamage = Literal["refuse", "set_aside", "ignore"]


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
        handlers = {
            "state": ocp.StandardCheckpointHandler(),
            "data": ocp.JsonCheckpointHandler(),
            "digests": ocp.JsonCheckpointHandler(),
        }
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
        """Copies the arrays off the devices and hashes them, and writes them while training goes on."""
        if step == self.latest:
            return
        self._manager.save(step, args=contents(state, iterator.get_state()), force=True)

    def restore(self, like: TrainState, iterator=None, *, damaged: OnDamage = "refuse") -> TrainState:
        """The latest state, in the shapes, dtypes and shardings of `like`; sets the iterator's position in the data.

        Every process reads its own shards, whatever mesh and number of processes wrote them.

        Args:
          damaged: "set_aside" renames a step that any process cannot read, and goes on with the one before. "ignore"
            takes what can be read, whatever its digests say, and one without digests.

        Raises:
          IntegrityError: the files are damaged, with the arrays in which they are, or hold another model.
          ConfigError: what the objective carries is of a batch of another size.
        """
        while (step := self.latest) is not None:
            error = state = position = None
            try:
                state, position = self._read(step, like, iterator is not None, checks=damaged != "ignore")
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
            if damaged != "set_aside" or len(self._manager.all_steps()) == 1:
                raise IntegrityError(self._advice(step, what)) from error
            self._set_aside(step, what)
        raise IntegrityError(f"{self.folder} holds no checkpoint; train first.")

    def _read(self, step: int, like: TrainState, with_place: bool, *, checks: bool) -> tuple[TrainState, Any]:
        """By the handlers: above them Orbax waits for all processes, and one that meets damage would never come."""
        folder = epath.Path(self.folder / str(step))
        _check_shapes(self._manager.item_metadata(step)["state"], like)
        state = read_state(folder, like, checks=checks)
        position = _read_json(folder / "data") if with_place else None
        if checks and with_place:
            digests.check_json("the position in the data", position, _read_json(folder / "digests")["data"])
        return state, position

    def _advice(self, step: int, what: str) -> str:
        return (
            f"{self.folder / str(step)} cannot be restored: {what}. Delete that folder to go on from an earlier step "
            f"(there are: {self._manager.all_steps()}), or let launch.train --damaged_checkpoint=set_aside rename it; "
            "--damaged_checkpoint=ignore takes what can be read."
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


def contents(state: Any, position: Any = None) -> ocp.args.Composite:
    """What a step's folder gets, the SHA-256 digests of it all included; `read_state` checks them."""
    items: dict[str, Any] = {"state": ocp.args.StandardSave(state)}
    found: dict[str, Any] = {"state": digests.digests_of(state)}
    if position is not None:
        items["data"], found["data"] = ocp.args.JsonSave(position), sha256_of_json(position)
    return ocp.args.Composite(**items, digests=ocp.args.JsonSave(found))


def read_state(folder: epath.Path, like: Any, *, checks: bool = True) -> Any:
    """The state in a step's folder, in the shapes, dtypes and shardings of `like`.

    Raises:
      IntegrityError: an array is not what was saved. Damage that Orbax meets is an exception of any kind.
    """
    state = ocp.StandardCheckpointHandler().restore(folder / "state", args=ocp.args.StandardRestore(like))
    if checks:
        if not (folder / "digests").exists():
            raise IntegrityError("it has no SHA-256 digests")
        found = _read_json(folder / "digests")["state"]
        digests.check(state, found, functools.partial(_read_array, folder / "state", like))
    return state


def _read_json(folder: epath.Path) -> Any:
    return ocp.JsonCheckpointHandler().restore(folder, args=ocp.args.JsonRestore())


def _read_array(folder: epath.Path, like: Any, name: str) -> np.ndarray:
    """A whole array, in the dtype in which it was saved."""
    only = jax.tree.map_with_path(lambda path, _: 0 if digests.name_of(path) == name else ocp.PLACEHOLDER, like)
    as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), like)
    restored = ocp.PyTreeCheckpointHandler().restore(
        folder, args=ocp.args.PyTreeRestore(item=only, restore_args=as_numpy)
    )
    return digests.named(restored)[name]


def _check_shapes(saved: Any, like: TrainState) -> None:
    """All that differs, by name, before Orbax stops at the first."""
    there, here = ({name: leaf.shape for name, leaf in digests.named(tree).items()} for tree in (saved, like))
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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
