# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The flags and the frame of a launcher that runs as several processes, on one host or many.

On a TPU VM pod, on GKE and under SLURM's srun the same command on every host is enough. Elsewhere each process is told
where process 0 listens, how many there are, and which it is.
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
_INDEX = flags.DEFINE_integer("process_id", None, "Several processes: this one's number, from 0.")
_JOIN_TIMEOUT = flags.DEFINE_float(
    "join_timeout", 300.0, "Seconds that the processes wait for each other at the start.", lower_bound=1.0
)
_PEER_TIMEOUT = flags.DEFINE_float(
    "peer_timeout", 10.0, "Seconds after which a silent or hung process is lost, and the others end.", lower_bound=1.0
)


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Around all that uses devices: meets the other processes, if there are any, and leaves them in good order.

    Raises:
      ConfigError: flags that do not go together.
    """
    from zoo.multihost import processes

    rendezvous = processes.Rendezvous.create(_ADDRESS.value, _COUNT.value, _INDEX.value)
    if rendezvous is None:
        yield
        return
    rendezvous.join(_JOIN_TIMEOUT.value)
    try:
        _start_watch(_PEER_TIMEOUT.value)
        _speak_for_one()
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
        processes.publish("watch", "{} {}".format(*watch.lead(processes.count(), timeout)))
        return
    port, token = processes.look_up("watch", watch.GREETING * timeout).split()
    host = processes.coordinator_host()
    try:
        watch.follow(processes.index(), host, int(port), token, timeout)
    except OSError as error:
        raise ConfigError(
            f"Process 0 cannot be reached at {host}:{port}, where it watches over the others ({error}); let hosts of "
            "the job connect to each other on any port."
        ) from error


def _speak_for_one() -> None:
    """Process 0 logs as ever; the others only what is wrong, with their number."""
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
    """All end together: process 0's JAX serves the others to the last."""
    import jax

    from zoo.multihost import processes, watch

    processes.wait_for_all("the end")
    watch.leave()
    jax.distributed.shutdown()


def _end(error: BaseException) -> None:
    """Says the error, tells the others and ends the process; waits for nobody, since they may not come."""
    import jax

    from zoo.multihost import watch

    is_user_error = isinstance(error, ZooError)
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, jax.errors.JaxRuntimeError) or _STATUS.match(str(error)):
        watch.await_verdict()  # the runtime's errors are mostly echoes of a lost peer, which is better named
    print(said if is_user_error else "".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    code = watch.USER_ERROR if is_user_error else 130 if isinstance(error, KeyboardInterrupt) else 1
    watch.fail(f"ended with exit code {code} after {said.splitlines()[0]}", code)
    sys.stdout.flush()
    os._exit(code)
