# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The flags and the context of a launcher that runs as several processes, on one host or many.

On a TPU VM pod, on GKE and under SLURM's srun the same command on every host is enough. Elsewhere each process is given
the address of process 0, the number of processes, and its own index.
"""

import contextlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator

import absl.logging
from absl import flags

from zoo.errors import ConfigError, ZooError

_STATUS = re.compile(r"(UNKNOWN|UNAVAILABLE|INTERNAL|ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION): ")

_ADDRESS = flags.DEFINE_string(
    "coordinator_address", None, "Several processes: host:port at which process 0 listens, the same for all."
)
_COUNT = flags.DEFINE_integer("num_processes", None, "Several processes: how many.")
_INDEX = flags.DEFINE_integer("process_id", None, "Several processes: this one's index, from 0.")
_JOIN_TIMEOUT = flags.DEFINE_float(
    "join_timeout", 300.0, "Seconds that the processes wait for each other at the start.", lower_bound=1.0
)
_PEER_TIMEOUT = flags.DEFINE_float(
    "peer_timeout", 10.0, "Seconds after which a silent or hung process is lost, and the others end.", lower_bound=1.0
)


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """A context for all that uses devices: joins the other processes, if any, and shuts down together with them.

    Raises:
      ConfigError: flags that contradict each other.
    """
    from zoo.multihost import processes

    rendezvous = processes.Rendezvous.create(_ADDRESS.value, _COUNT.value, _INDEX.value)
    if rendezvous is None:
        yield
        return
    rendezvous.join(_JOIN_TIMEOUT.value)
    try:
        _start_watch(_PEER_TIMEOUT.value)
        _log_from_primary()
        yield
    except SystemExit:  # all have agreed on it
        _leave()
        raise
    except BaseException as error:
        _end(error)
    _leave()


def _start_watch(timeout: float) -> None:
    from zoo.multihost import processes, watch

    if processes.is_primary():
        processes.publish("watch", "{} {}".format(*watch.start_primary(processes.count(), timeout)))
        return
    port, token = processes.look_up("watch", watch.CONNECT_TIMEOUTS * timeout).split()
    host = processes.coordinator_host()
    try:
        watch.start_secondary(processes.index(), host, int(port), token, timeout)
    except OSError as error:
        raise ConfigError(
            f"Process 0 cannot be reached at {host}:{port}, where it receives heartbeats ({error}); allow the "
            "hosts of the job to connect to each other on any port."
        ) from error


def _log_from_primary() -> None:
    """Process 0 logs as usual; the others log only warnings, with their index."""
    from zoo.multihost import processes

    if processes.is_primary():
        return
    logging.getLogger("zoo").setLevel(logging.WARNING)
    absl.logging.get_absl_handler().addFilter(_Prefix(f"process {processes.index()}: "))


class _Prefix(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = f"{self.name}{record.msg}"
        return True


def _leave() -> None:
    """All end together: JAX's service on process 0 is needed until the last one ends."""
    import jax

    from zoo.multihost import processes, watch

    processes.wait_for_all("the end")
    watch.leave()
    jax.distributed.shutdown()


def _end(error: BaseException) -> None:
    """Prints the error, sends it to the others and ends the process, without waiting for any that may be lost."""
    import jax

    from zoo.multihost import watch

    is_user_error = isinstance(error, ZooError)
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, jax.errors.JaxRuntimeError) or _STATUS.match(str(error)):
        watch.await_verdict()  # such errors are mostly the consequence of a lost peer, which is better named
    print(message if is_user_error else "".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    code = watch.USER_ERROR if is_user_error else 130 if isinstance(error, KeyboardInterrupt) else 1
    watch.fail(f"ended with exit code {code} after {message.splitlines()[0]}", code)
    sys.stdout.flush()
    os._exit(code)
