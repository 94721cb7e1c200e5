# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A process of a small job, for test_watch.py: sums over all processes, step by step, until a fault at step 9."""

import os
import signal
import time

from absl import flags

from launch import app, hosts
from zoo.errors import InputError

_FAULT = flags.DEFINE_string("fault", "none", "What this process does at step 9.")


def main(argv: list[str]) -> None:
    del argv
    with hosts.joined():
        import jax

        from zoo.multihost import watch
        from zoo.multihost.processes import Consensus
        from zoo.sharding.mesh import make_mesh

        consensus = Consensus(make_mesh())
        consensus(jax.process_index())
        assert consensus(0) == jax.process_count() - 1  # of the previous call
        for step in range(12 if _FAULT.value == "none" else 10_000):
            watch.heartbeat(f"loading the batch of step {step}", grace_period=step < 2)
            if step == 9:
                print(f"fault {time.time()}", flush=True)
                fault(_FAULT.value)
            watch.heartbeat(f"step {step}", grace_period=step < 2)
            consensus(step)


def fault(kind: str) -> None:
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind == "hang":
        time.sleep(1000)
    if kind == "crash":
        raise ValueError("row 7 is broken")
    if kind == "mistake":
        raise InputError("row 7 is too long; shorten it.")


if __name__ == "__main__":
    app.run(main)
