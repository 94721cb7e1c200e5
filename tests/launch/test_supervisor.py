# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A supervisor restarts what may succeed, stops at what will not, and never outlives or loses its child."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
# Ends with the next code of a list at each start; a code above 0 is written as a step first when it is "step:code".
CHILD = """
import os, pathlib, signal, sys
folder, *ends = sys.argv[1:]
count = pathlib.Path(folder, "count")
number = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (number + 1))
step, _, code = ends[min(number, len(ends) - 1)].rpartition(":")
if step:
    pathlib.Path(folder, step).mkdir(exist_ok=True)
if code == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(code))
"""
WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # here JAX may be imported, in a supervisor it is not
@pytest.mark.parametrize(
    ("ends", "starts", "code", "workdir"),
    [
        (["0"], 1, 0, ""),
        (["2"], 1, 2, ""),  # the user's mistake
        (["143"], 1, 143, ""),  # a peer was told to stop
        (["75", "1", "0"], 3, 0, ""),
        (["kill", "0"], 2, 0, ""),
        (["75"], 3, 75, ""),  # no step in two restarts
        (["kill"], 3, 137, ""),
        (["3:75", "6:75", "9:75", "12:75", "15:75", "0"], 6, 0, ""),  # each restart has brought a step
        (["3:75", "75", "75", "0"], 3, 75, ""),
        (["3:75", "6:75", "9:75", "12:75", "0"], 5, 0, "seed-4"),
    ],
)
def test_restarts(tmp_path, ends, starts, code, workdir):
    folder = tmp_path / workdir / "checkpoints"
    folder.mkdir(parents=True)
    supervisor = Supervisor([sys.executable, "-c", CHILD, str(folder), *ends], tmp_path, 2, pause=0.01)
    assert supervisor.run() == code
    assert len((folder / "count").read_text()) == starts


def supervise(tmp_path, child: str) -> subprocess.Popen:
    script = (
        "import sys; from pathlib import Path; from launch.supervisor import Supervisor; "
        f"sys.exit(Supervisor([sys.executable, '-c', {child!r}], Path({str(tmp_path)!r}), 5, pause=60).run())"
    )
    command = [sys.executable, "-c", script]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_signal_is_passed_on_and_ends_it(tmp_path):
    with supervise(tmp_path, WAITS) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == "saved\n"
    assert process.returncode == 143


def test_a_signal_ends_the_pause_too(tmp_path):
    with supervise(tmp_path, "import sys; sys.exit(75)") as process:
        assert "restart 1 of 5, from the start" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 143


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_child_dies_with_it(tmp_path):
    with supervise(tmp_path, f"import os; print(os.getpid(), flush=True)\n{WAITS}") as process:
        child = int(process.stdout.readline())
        assert process.stdout.readline() == "ready\n"
        process.kill()
        end = time.monotonic() + 20
        while running(child):
            assert time.monotonic() < end
            time.sleep(0.02)


def running(pid: int) -> bool:
    """A zombie, which its new parent may be slow to bury, does not run."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
