# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A process that dies or hangs is named by all others within seconds, whichever it is; with jobs of real processes."""

import contextlib
import re
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.multihost.jobs import Job
from zoo.multihost import watch

HOSTS = (socket.gethostname(), "localhost")  # its own name, or the address it was reached at before it had sent that
TIMEOUT = 4.0  # --peer_timeout, seconds
# fault: (its process, processes in all, its own exit code, what the others print about it, their exit code)
CASES = {
    "kill": (1, 3, -signal.SIGKILL, "process 1 on {host} died", 75),
    "kill the first": (0, 2, -signal.SIGKILL, "process 0 on {host} died", 75),
    "stop": (1, 2, None, "process 1 on {host} has been silent for 4 s", 75),
    "stop the first": (0, 2, None, "process 0 on {host} has been silent for 4 s", 75),
    "hang": (1, 2, 75, "process 1 on {host} hangs: at loading the batch of step 9 for 4 s", 75),
    "hang the first": (0, 2, 75, "process 0 on {host} hangs: at loading the batch of step 9 for 4 s", 75),
    "crash": (1, 2, 1, "process 1 on {host} ended with exit code 1 after ValueError: row 7 is broken", 75),
    "mistake": (0, 2, 2, "process 0 on {host} ended with exit code 2 after InputError: row 7 is too long", 2),
}


def test_whoever_is_lost_is_named(tmp_path):
    """One test: all cases at once, since they mostly wait."""
    with contextlib.ExitStack() as stack:
        jobs = {}
        for name, (victim, count, *_) in CASES.items():
            flags = [f"--peer_timeout={TIMEOUT}", "--fault=wait"]
            own = {victim: [f"--fault={name.split()[0]}"]}
            job = Job(tmp_path / name, "tests.multihost.peer", flags, count=count, devices=1, own=own)
            jobs[name] = stack.enter_context(job)
        wrong = [f"{name}: {what}" for name, job in jobs.items() for what in check(job, *CASES[name])]
        assert not wrong, "\n".join(wrong)
    hung = jobs["hang"].output(1)
    assert "the stack of each thread is printed above" in hung and re.search(r"peer.py\", line \d+ in fault", hung)
    assert "ValueError: row 7 is broken" in jobs["crash"].output(1)
    assert jobs["mistake"].output(0).splitlines()[-1] == "InputError: row 7 is too long; shorten it."


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'{"failed": [0, "x", "y", 9]}\n', b'{"token": "no"}\n']
)
def test_a_foreign_connection_is_ignored(said):
    """Whatever connects to process 0's port without the token is ignored."""
    primary = watch._Primary(2, TIMEOUT)
    with contextlib.closing(primary._selector), primary._listener:
        with socket.create_connection(("localhost", primary.port)) as stranger:
            stranger.sendall(said)
            assert [primary.step() for _ in range(4)] == [None] * 4
        for key in list(primary._selector.get_map().values()):
            key.fileobj.close()


def check(job: Job, victim: int, _: int, own_code: int | None, words: str, code: int) -> Iterator[str]:
    """What is not as it should be."""
    for index, process in enumerate(job.processes):
        expected = own_code if index == victim else code
        if expected is None:
            continue
        if (found := finish(process)) != expected:
            yield f"process {index} ended with {found}, not {expected}: {job.output(index)}"
        last = [line for line in job.output(index).splitlines() if line.startswith("LostPeer: ")]
        if index != victim and (
            len(last) != 1
            or not last[0].startswith(f"LostPeer: process {index} on")
            or not any(words.format(host=host) in last[0] for host in HOSTS)
        ):
            yield f"process {index} does not print {words!r}: {job.output(index)}"
    began = float(re.findall(r"^fault ([\d.]+)", job.output(victim), re.MULTILINE)[-1])
    seconds = max(log.stat().st_mtime for log in job.logs) - began
    if seconds > 15:  # 1 to 6 on an idle machine
        yield f"it took {seconds:.1f} s"


def finish(process: subprocess.Popen) -> int | str:
    try:
        return process.wait(90)
    except subprocess.TimeoutExpired:
        return "nothing"
