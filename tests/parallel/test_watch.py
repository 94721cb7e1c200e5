# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""A process that dies or hangs is named by all others within seconds, whichever it is; jobs of real processes."""

import contextlib
import re
import signal
import socket

import pytest

from tests.parallel.jobs import Job

TIMEOUT = 4.0  # --peer_timeout, seconds
# fault: (its process, processes in all, its own exit code, what the others say of it, their exit code)
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


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """All cases at once, since they mostly wait."""
    folder, started = tmp_path_factory.mktemp("jobs"), {}
    with contextlib.ExitStack() as stack:
        for name, (victim, count, *_) in CASES.items():
            flags = [f"--peer_timeout={TIMEOUT}", "--fault=wait"]
            own = {victim: [f"--fault={name.split()[0]}"]}
            job = Job(folder / name, "tests.parallel.peer", flags, count=count, devices=1, own=own)
            started[name] = stack.enter_context(job)
        yield started


@pytest.mark.parametrize("case", CASES)
def test_the_lost_process_is_named(jobs, case):
    victim, _, own_code, words, code = CASES[case]
    job = jobs[case]
    for index, process in enumerate(job.processes):
        if index != victim:
            assert process.wait(60) == code, job.said(index)
            (word,) = [line for line in job.said(index).splitlines() if line.startswith("LostPeer: ")]
            assert word.startswith(f"LostPeer: process {index} on"), job.said(index)
            assert words.format(host=socket.gethostname()) in word, job.said(index)
    if own_code is not None:
        assert job.processes[victim].wait(10) == own_code, job.said(victim)
    began = float(re.findall(r"^fault ([\d.]+)", job.said(victim), re.MULTILINE)[-1])
    assert max(log.stat().st_mtime for log in job.logs) - began < 15  # seconds; 2 to 6 on an idle machine


def test_who_hangs_says_where(jobs):
    assert jobs["hang"].processes[1].wait(60) == 75
    said = jobs["hang"].said(1)
    assert "where each thread is stands above" in said.splitlines()[-1]
    assert re.search(r"peer.py\", line \d+ in fault", said)


def test_an_error_comes_first_where_it_happened(jobs):
    assert jobs["crash"].processes[1].wait(60) == 1
    assert "ValueError: row 7 is broken" in jobs["crash"].said(1)
    assert jobs["mistake"].processes[0].wait(60) == 2
    assert jobs["mistake"].said(0).splitlines()[-1] == "InputError: row 7 is too long; shorten it."
