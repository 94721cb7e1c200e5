# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The processes of one job, one or more per host: their rendezvous and their roles.

Process 0 is the primary: it alone writes reports and prints. All run the same program, step by step. Nothing asks
for a device before the rendezvous, since JAX must know of its peers first.
"""

import contextlib
import dataclasses
import functools
import itertools
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax._src import clusters, distributed  # JAX's detection of clusters has no public API
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from zoo.errors import ConfigError
from zoo.multihost import watch

_log = logging.getLogger(__name__)

_CLUSTERS = (clusters.SlurmCluster, clusters.GkeTpuCluster, clusters.GceTpuCluster)  # in JAX's order
_FLAGS = ("coordinator_address", "num_processes", "process_id")
_PORT_RETRY = 1.0  # seconds between tries to listen at a port that a process that has just ended still holds
_A_DAY = 86_400_000  # milliseconds
_barriers = itertools.count()  # numbers the barriers, the same in all processes since they run the same program


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rendezvous:
    """How a job's processes find each other.

    Attributes:
      cluster: JAX's name of the cluster that it detects the rest from; None where the other fields are given.
      coordinator_address: host:port at which process 0 listens.
    """

    cluster: str | None = None
    coordinator_address: str | None = None
    num_processes: int | None = None
    process_id: int | None = None

    @classmethod
    def create(
        cls, coordinator_address: str | None, num_processes: int | None, process_id: int | None
    ) -> "Rendezvous | None":
        """From the three flags or, without them, the cluster; None for a job of one process.

        Raises:
          ConfigError: one or two flags only, or invalid values.
        """
        given = dict(zip(_FLAGS, (coordinator_address, num_processes, process_id), strict=True))
        absent = [name for name, value in given.items() if value is None]
        if len(absent) == len(given):
            return cls._detect()
        if absent:
            raise ConfigError(
                f"--{' and --'.join(absent)} {'is' if len(absent) == 1 else 'are'} missing: give all three of "
                f"--{', --'.join(_FLAGS)}, or none."
            )
        return cls._checked(str(coordinator_address), int(num_processes or 0), int(process_id or 0))

    @classmethod
    def _checked(cls, address: str, count: int, index: int) -> "Rendezvous | None":
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(f"--coordinator_address must be host:port, such as 10.0.0.1:8476; found {address!r}.")
        if count < 1:
            raise ConfigError(f"--num_processes must be 1 or more; found {count}.")
        if not 0 <= index < count:
            raise ConfigError(f"--process_id must be between 0 and {count - 1}, one for each process; found {index}.")
        if count == 1:
            return None
        return cls(coordinator_address=address, num_processes=count, process_id=index)

    @classmethod
    def _detect(cls) -> "Rendezvous | None":
        """From the cluster's environment variables or, on a machine with TPUs that lacks them, its metadata server."""
        for cluster in _CLUSTERS:
            if _is_present(cluster):
                return cls(cluster=cluster.name) if cluster.get_process_count() > 1 else None
        return None

    def join(self, timeout: float) -> None:
        """Joins the other processes; from here on JAX sees the devices of all.

        Args:
          timeout: seconds after which a missing process ends the job with the exit code `watch.LOST`.

        Raises:
          ConfigError: another program listens on process 0's port.
        """
        # JAX's own handler of SIGTERM would swallow the signal; the training loop has its own.
        jax.config.update("jax_enable_preemption_service", False)
        watch.delay_abort()
        known = self._resolve(timeout)
        late = f"process {known.process_id} waited {timeout:g} s at {known.coordinator_address}, and not all of "
        late += f"{known.num_processes} processes joined. Check that each has started, with the same address."
        alarm = threading.Timer(timeout, watch.end, (late,))
        alarm.daemon = True
        alarm.start()
        if known.process_id == 0:
            known.wait_for_port(timeout)
        jax.distributed.initialize(
            known.coordinator_address,
            known.num_processes,
            known.process_id,
            cluster_detection_method=self.cluster or "deactivate",  # for the devices of each process
            initialization_timeout=round(timeout) + 60,  # ours comes first: JAX's ends in a stack trace
        )
        alarm.cancel()

    def _resolve(self, timeout: float) -> "Rendezvous":
        for cluster in _CLUSTERS:
            if cluster.name == self.cluster:
                port = os.environ.get("JAX_COORDINATOR_PORT")
                return Rendezvous(
                    coordinator_address=cluster.get_coordinator_address(round(timeout), port),
                    num_processes=cluster.get_process_count(),
                    process_id=cluster.get_process_id(),
                )
        return self

    def wait_for_port(self, timeout: float) -> None:
        """Waits until nothing else listens there, such as this process's predecessor; JAX itself would crash."""
        port = int(str(self.coordinator_address).rpartition(":")[2])
        deadline = time.monotonic() + timeout / 2
        while not _is_free(port):
            if time.monotonic() > deadline:
                raise ConfigError(f"Port {port} is in use by another program. Stop it, or choose another port.")
            _log.warning("port %d is in use; trying again", port)
            time.sleep(_PORT_RETRY)


def _is_free(port: int) -> bool:
    try:
        watch.listen(port).close()
    except OSError:
        return False
    return True


def _is_present(cluster: type[clusters.ClusterEnv]) -> bool:
    if cluster is clusters.SlurmCluster and int(os.environ.get("SLURM_STEP_NUM_TASKS", "2")) < 2:
        return False  # a shell inside an allocation of several tasks is one task
    try:
        return cluster.is_env_present()
    except OSError as error:  # TPUs on a machine without Google's metadata server
        _log.info("no %s cluster: %s", cluster.name, error)
        return False


def index() -> int:
    """This process's index (its rank). Touches no device."""
    return distributed.global_state.process_id if jax.distributed.is_initialized() else 0


def count() -> int:
    """How many processes the job has. Touches no device."""
    return distributed.global_state.num_processes if jax.distributed.is_initialized() else 1


def is_primary() -> bool:
    """Whether this process writes and prints for all. Touches no device."""
    return index() == 0


def coordinator_host() -> str:
    """The host of process 0, as the others reach it."""
    return str(distributed.global_state.coordinator_address).rpartition(":")[0].strip("[]")


def publish(name: str, value: str) -> None:
    """Sets a value for all processes, once."""
    client().key_value_set(f"zoo/{name}", value)


def look_up(name: str, timeout: float) -> str:
    """A value that a process publishes; waits up to `timeout` seconds for it."""
    return client().blocking_key_value_get(f"zoo/{name}", round(timeout * 1000))


def client() -> Any:
    """JAX's connection to the service that process 0 runs."""
    return distributed.global_state.client


def wait_for_all(point: str) -> None:
    """A barrier: waits until every process is at this point; a peer that never comes is found by `watch`."""
    if count() > 1:
        client().wait_at_barrier(f"zoo/{next(_barriers)}/{point}", _A_DAY)


def failures(point: str, failed: bool) -> list[int]:
    """The processes in which something failed; the same list in all processes, which wait for each other."""
    if count() == 1:
        return [0] if failed else []
    folder = f"failed/{next(_barriers)}"
    if failed:
        publish(f"{folder}/{index()}", "")
    wait_for_all(point)
    return sorted(int(key.rpartition("/")[2]) for key, _ in client().key_value_dir_get(f"zoo/{folder}/"))


def from_primary(value: str) -> str:
    """The value that process 0 has, in all processes; the others' own do not count."""
    if count() == 1:
        return value
    name = f"from_primary/{next(_barriers)}"
    if is_primary():
        publish(name, value)
        return value
    return look_up(name, _A_DAY / 1000)


def to_primary(point: str, value: str) -> list[str]:
    """The values of all processes, in their order, on process 0; nothing on the others."""
    if count() == 1:
        return [value]
    folder = f"to_primary/{next(_barriers)}/{point}"
    publish(f"{folder}/{index()}", value)
    if not is_primary():
        return []
    values = [look_up(f"{folder}/{process}", _A_DAY / 1000) for process in range(count())]
    client().key_value_delete(f"zoo/{folder}/")  # the service would keep them as long as the job runs
    return values


def all_arrive(point: str, timeout: float) -> bool:
    """Whether every process comes to this point within so many seconds, after an error that may be one's own.

    Args:
      point: a name that no other call has; errors may have made the processes count differently.
    """
    if count() == 1:
        return True
    watch.heartbeat(point, grace_period=True)
    try:
        client().wait_at_barrier(f"zoo/{point}", round(timeout * 1000))
    except jax.errors.JaxRuntimeError:
        return False
    return True


@contextlib.contextmanager
def primary_first(point: str) -> Iterator[None]:
    """Lets process 0 run the block first, so that the others find what it has written."""
    if not is_primary():
        wait_for_all(point)
    yield
    if is_primary():
        wait_for_all(point)


class Consensus:
    """Makes all processes act on a value that one of them has, such as a signal, at the same point of the program.

    A small reduction is dispatched after each step and read after the next, so that nothing waits for it.
    """

    def __init__(self, mesh: Mesh):
        self._sharding = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
        self._highest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, PartitionSpec()))
        self._pending: jax.Array | None = None

    def __call__(self, value: int) -> int:
        """The highest value that any process gave at the previous call; with one process, this value."""
        if count() == 1:
            return value
        agreed = 0 if self._pending is None else int(self._pending)
        shape = (self._sharding.mesh.size,)
        values = jax.make_array_from_callback(shape, self._sharding, lambda _: np.array([value], np.int32))
        self._pending = self._highest(values)
        return agreed

    def settle(self, value: int) -> int:
        """The highest value that any process gives now; all wait for it."""
        self(value)
        return self(value)


class BatchBlocks(NamedTuple):
    """Which `blocks`, in order, of the `count` equal ones that the rows of a batch are divided into."""

    blocks: tuple[int, ...]
    count: int


@functools.lru_cache
def batch_blocks(sharding: NamedSharding, process: int) -> BatchBlocks:
    """The rows of a batch on a process's devices; processes along an axis that does not shard it hold the same ones."""
    rows = sharding.spec[0] if len(sharding.spec) else None
    axes = (rows,) if isinstance(rows, str) else tuple(rows or ())
    ways = int(np.prod([sharding.mesh.shape[axis] for axis in axes], dtype=int))
    indices: Mapping = NamedSharding(sharding.mesh, PartitionSpec(axes)).devices_indices_map((ways,))
    held = {where[0].start or 0 for device, where in indices.items() if device.process_index == process}
    return BatchBlocks(tuple(sorted(held)), ways)
