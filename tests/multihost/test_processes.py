# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""How processes find each other, and which rows of a batch each of them loads."""

import dataclasses
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from jax._src.clusters import cloud_tpu_cluster
from jax.sharding import Mesh, NamedSharding

from tests.multihost.jobs import ROOT, Job, free_port
from zoo.errors import ConfigError
from zoo.multihost.processes import BatchBlocks, Rendezvous, batch_blocks
from zoo.sharding.mesh import AXES
from zoo.sharding.rules import batch_sharding

NODES = {"SLURM_JOB_ID": "17", "SLURM_STEP_NODELIST": "node[3-4]", "SLURM_LOCALID": "0", "SLURM_PROCID": "1"}
POD = {"TPU_WORKER_ID": "1"}


@dataclasses.dataclass(frozen=True)
class Chip:
    """As much of a device as a mesh asks for."""

    id: int
    process_index: int
    platform: str = "tpu"
    device_kind: str = "none"


def chips(count: int, per_process: int) -> list[Chip]:
    return [Chip(index, index // per_process) for index in range(count)]


@pytest.mark.parametrize(
    ("shape", "processes", "held"),
    [
        ((8, 1, 1, 1), 2, [BatchBlocks((0, 1, 2, 3), 8), BatchBlocks((4, 5, 6, 7), 8)]),
        (
            (2, 4, 1, 1),
            4,
            [BatchBlocks((0, 1), 8), BatchBlocks((2, 3), 8), BatchBlocks((4, 5), 8), BatchBlocks((6, 7), 8)],
        ),
        ((1, 1, 8, 1), 2, [BatchBlocks((0,), 1)] * 2),
        ((2, 1, 4, 1), 4, [BatchBlocks((0,), 2), BatchBlocks((0,), 2), BatchBlocks((1,), 2), BatchBlocks((1,), 2)]),
        ((4, 1, 1, 2), 2, [BatchBlocks((0, 1), 4), BatchBlocks((2, 3), 4)]),
        # Three devices a process, of which some share a block with the next process: both load it.
        ((3, 1, 2, 1), 2, [BatchBlocks((0, 1), 3), BatchBlocks((1, 2), 3)]),
    ],
)
def test_processes_that_hold_the_same_rows_load_the_same(shape, processes, held):
    count = int(np.prod(shape))
    mesh = Mesh(np.array(chips(count, count // processes)).reshape(shape), AXES)
    assert [batch_blocks(batch_sharding(mesh), process) for process in range(processes)] == held


def test_blocks_need_not_be_adjacent():
    """A mesh follows the wires of a pod, not the numbers of its hosts."""
    devices = chips(8, 4)
    mesh = Mesh(np.array([devices[i] for i in (0, 4, 1, 5, 2, 6, 3, 7)]).reshape(8, 1, 1, 1), AXES)
    assert batch_blocks(batch_sharding(mesh), 1) == BatchBlocks((1, 3, 5, 7), 8)
    assert isinstance(batch_sharding(mesh), NamedSharding)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("a:1", None, None), "--num_processes and --process_id are missing"),
        (("a:1", 2, None), "--process_id is missing"),
        ((None, None, 0), "--coordinator_address and --num_processes are missing"),
        (("a", 2, 0), "must be host:port, .* found 'a'"),
        (("a:70000", 2, 0), "must be host:port"),
        (("a:1", 0, 0), "--num_processes must be 1 or more"),
        (("a:1", 2, 2), "--process_id must be between 0 and 1"),
        (("a:1", 2, -1), "--process_id must be between 0 and 1"),
    ],
)
def test_flags_that_cannot_be(flags, words):
    with pytest.raises(ConfigError, match=words):
        Rendezvous.create(*flags)


def test_flags():
    assert Rendezvous.create("a:1", 1, 0) is None
    assert Rendezvous.create("[::1]:8000", 2, 1) == Rendezvous(
        coordinator_address="[::1]:8000", num_processes=2, process_id=1
    )


@pytest.fixture
def elsewhere(monkeypatch):
    """A machine that is nothing in particular, whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("SLURM_", "TPU_", "MEGASCALE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(cloud_tpu_cluster, "get_metadata", lambda key: pytest.fail(f"asked for {key}"))
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "cluster"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "17", "SLURM_NTASKS": "4"}, None),  # a batch script, outside srun
        ({**NODES, "SLURM_NTASKS": "2"}, "slurm"),
        ({**NODES, "SLURM_NTASKS": "1"}, None),
        ({**NODES, "SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, None),  # a shell of salloc
        ({**POD, "TPU_WORKER_HOSTNAMES": "a,b"}, None),  # but no TPU
    ],
)
def test_machines_without_a_tpu_ask_nobody(elsewhere, variables, cluster):
    for name, value in variables.items():
        elsewhere.setenv(name, value)
    assert Rendezvous.create(None, None, None) == (cluster and Rendezvous(cluster=cluster))


@pytest.mark.parametrize(
    ("variables", "metadata", "cluster"),
    [
        ({**POD, "TPU_WORKER_HOSTNAMES": "a,b", "MEGASCALE_NUM_SLICES": "1"}, {}, "gketpu"),
        ({**POD, "TPU_WORKER_HOSTNAMES": "localhost", "MEGASCALE_NUM_SLICES": "1"}, {}, None),
        ({**POD, "TPU_WORKER_HOSTNAMES": "localhost", "MEGASCALE_NUM_SLICES": "2"}, {}, "gketpu"),
        ({}, {"agent-worker-number": "0", "worker-network-endpoints": "x:y:10.0.0.1,x:y:10.0.0.2"}, "gcetpu"),
        ({}, {"agent-worker-number": "0", "worker-network-endpoints": "10.0.0.1"}, None),
        ({"TPU_SKIP_MDS_QUERY": "1"}, None, None),
        ({}, OSError("no such host"), None),
    ],
)
def test_machines_with_a_tpu(elsewhere, variables, metadata, cluster):
    def answer(key):
        if isinstance(metadata, OSError):
            raise metadata
        return {"tpu-env": "", **metadata}[key], 200

    if metadata is not None:
        elsewhere.setattr(cloud_tpu_cluster, "get_metadata", answer)
    elsewhere.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    for name, value in variables.items():
        elsewhere.setenv(name, value)
    assert Rendezvous.create(None, None, None) == (cluster and Rendezvous(cluster=cluster))


def test_a_missing_process_is_reported(tmp_path):
    """Here process 0, which waits for process 1, and process 1 of another job, whose process 0 never comes."""
    command = [sys.executable, "-m", "tests.multihost.peer", "--num_processes=2", "--join_timeout=4"]
    waiting = [
        subprocess.Popen(
            [*command, f"--process_id={index}", f"--coordinator_address=localhost:{free_port()}"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (0, 1)
    ]
    for index, process in enumerate(waiting):
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 75, said
        assert f"process {index} waited 4 s at localhost:" in said.splitlines()[-1], said


def test_a_busy_port_is_tried_again_and_a_good_end_is_quiet(tmp_path):
    """The predecessor of process 0 may still listen."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        address = {index: [f"--coordinator_address=localhost:{port}"] for index in (0, 1)}
        with Job(tmp_path / "busy", "tests.multihost.peer", [], count=2, devices=2, own=address) as job:
            while "is in use; trying again" not in job.output(0):
                assert job.processes[0].poll() is None, job.output(0)
                time.sleep(0.05)
            server.close()
            assert job.wait(60) == [0, 0], job.output(0) + job.output(1)
            assert "LostPeer" not in job.output(0) + job.output(1)
