# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Starts the processes of a job on this machine, and leaves none behind."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]


class Job:
    """`count` processes of `python -m MODULE FLAGS`; flags of single ones by their number. A context manager."""

    def __init__(self, log: Path, module: str, flags: list[str], *, count: int, devices: int, own: dict | None = None):
        self.logs = [log.with_name(f"{log.name}.{index}.log") for index in range(count)]
        address = f"--coordinator_address=localhost:{free_port()}"
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = {
            **os.environ,
            # Compiling takes longer than running does.
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0",
            "PYTHONPATH": paths,
            "PYTHONUNBUFFERED": "1",
        }
        self.processes = []
        for index, path in enumerate(self.logs):
            where = [address, f"--num_processes={count}", f"--process_id={index}"] if count > 1 else []
            command = [sys.executable, "-m", module, *flags, *where, *(own or {}).get(index, [])]
            with open(path, "w") as file:
                started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
            self.processes.append(started)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self, timeout: float) -> list[int]:
        """Exit codes of all."""
        return [process.wait(timeout) for process in self.processes]

    def output(self, index: int) -> str:
        return self.logs[index].read_text(errors="replace")
