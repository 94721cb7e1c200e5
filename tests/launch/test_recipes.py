# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The scripts for clusters: what they would run, argument by argument, and that a shell parses it so."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "launch").glob("*.sh"))
VARIABLES = {
    "PATH": os.environ["PATH"],
    "NAME": "run 1",
    "PROJECT": "p",
    "ZONE": "z",
    "CLUSTER": "c",
    "IMAGE": "host/image:1",
    "SHARE": "10.0.0.2:/a share",
    "SLURM_JOB_ID": "17",
    "DRY_RUN": "1",
}
TRAIN = ["--config=configs/gpt2_pretrain.py:tiny", "--config.model.attention.window=(None, 4)"]


def dry_run(recipe: str, *words: str, **variables: str) -> list[list[str]]:
    """The commands, each as its words."""
    command = ["bash", str(ROOT / "launch" / recipe), *words]
    done = subprocess.run(command, env={**VARIABLES, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines()]


def on_hosts(command: list[str]) -> str:
    """The command line for the hosts' shell, which must read it."""
    line = command[-1].removeprefix("--command=")
    subprocess.run(["bash", "-n", "-c", line], check=True)
    return line


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_shellcheck(recipe):
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", str(recipe)], check=True)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_without_arguments_they_print_their_usage(recipe):
    done = subprocess.run(["bash", str(recipe)], env=VARIABLES, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"launch/{recipe.name}" in done.stderr
    assert "set -euo pipefail" in recipe.read_text() and os.access(recipe, os.X_OK)


def test_tpu_vm():
    where = ["--project=p", "--zone=z"]
    (create,) = dry_run("tpu_vm.sh", "create")
    kind = ["--accelerator-type=v5litepod-16", "--runtime-version=v2-alpha-tpuv5-lite", "--spot"]
    queued = ["gcloud", "compute", "tpus", "queued-resources"]
    assert create == [*queued, "create", "run 1", "--node-id=run 1", *where, "--network=default", *kind]
    (create,) = dry_run("tpu_vm.sh", "create", CAPACITY="")
    assert create[-1] == kind[1]
    ssh = ["gcloud", "compute", "tpus", "tpu-vm", "ssh", "run 1", *where, "--worker=all"]
    (train,) = dry_run("tpu_vm.sh", "train", *TRAIN)
    assert train[:-1] == ssh
    words = shlex.split(on_hosts(train))
    start = words.index("launch.train")
    assert words[:start] == ["cd", "zoo", "&&", "{", "setsid", "nohup", ".venv/bin/python", "-m"]
    assert words[start + 1 :][:4] == ["--workdir=/mnt/zoo/runs/run 1", "--max_restarts=20", *TRAIN]
    (stop,) = dry_run("tpu_vm.sh", "stop")
    assert (stop[:-1], on_hosts(stop)) == (ssh, "kill $(cat zoo/train.pid)")
    install = dry_run("tpu_vm.sh", "install")
    assert [command[0] for command in install] == ["git", "gcloud", "rm", "gcloud", "gcloud", "gcloud", "gcloud"]
    assert "sudo mount -t nfs 10.0.0.2:/a\\ share /mnt/zoo" in on_hosts(install[4])
    assert ".venv/bin/pip install -q -e '.[tpu]'" in on_hosts(install[6])
    (delete,) = dry_run("tpu_vm.sh", "delete")
    assert delete == [*queued, "delete", "run 1", *where, "--force", "--quiet"]
    assert dry_run("tpu_vm.sh", "resume", *TRAIN) == [delete, *dry_run("tpu_vm.sh", "create"), *install, train]


def test_gke():
    where = ["--cluster=c", "--project=p", "--zone=z"]
    create, storage = dry_run("gke.sh", "create", SHARE="share")
    kind = ["--tpu-type=v5litepod-16", "--num-slices=1"]
    assert create == ["xpk", "cluster", "create", *where, *kind, "--spot", "--enable-gcpfilestore-csi-driver"]
    assert storage[:4] == ["xpk", "storage", "create", "share"] and "--mount-point=/mnt/zoo" in storage
    assert [command[:2] for command in dry_run("gke.sh", "image")] == [["docker", "build"], ["docker", "push"]]
    (train,) = dry_run("gke.sh", "train", *TRAIN)
    assert train[:8] == ["xpk", "workload", "create", *where, "--workload=run 1", kind[0]]
    assert {"--docker-image=host/image:1", "--restart-on-exit-codes=1,75,137"} <= set(train)
    assert shlex.split(on_hosts(train)) == [
        *("cd", "/zoo", "&&", "exec", "python", "-m", "launch.train"),
        *("--workdir=/mnt/zoo/runs/run 1", "--max_restarts=20", *TRAIN),
    ]
    assert dry_run("gke.sh", "status") == [["xpk", "workload", "list", *where]]
    assert dry_run("gke.sh", "stop") == [["xpk", "workload", "delete", *where, "--workload=run 1", "--force"]]
    assert dry_run("gke.sh", "delete") == [["xpk", "cluster", "delete", *where, "--force"]]


def test_slurm(tmp_path):
    srun = ["srun", "--kill-on-bad-exit=0", "--wait=0", ".venv/bin/python", "-m", "launch.train"]
    assert dry_run("slurm.sh", *TRAIN, "--workdir=/a b") == [[*srun, "--max_restarts=5", *TRAIN, "--workdir=/a b"]]
    for code, requeued in ((0, False), (2, False), (75, True), (143, True)):
        for name, body in (("srun", f"exit {code}"), ("scontrol", 'echo "$@" > requeued')):
            (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
            (tmp_path / name).chmod(0o755)
        (tmp_path / "requeued").unlink(missing_ok=True)
        variables = {**VARIABLES, "DRY_RUN": "0", "PATH": f"{tmp_path}:{VARIABLES['PATH']}"}
        command = ["bash", str(ROOT / "launch" / "slurm.sh"), *TRAIN]
        assert subprocess.run(command, cwd=tmp_path, env=variables).returncode == code
        assert (tmp_path / "requeued").exists() == requeued, code


@pytest.mark.parametrize("recipe", ["tpu_vm.sh", "gke.sh"])
def test_a_missing_variable_is_named(recipe):
    variables = {name: value for name, value in VARIABLES.items() if name != "PROJECT"}
    command = ["bash", str(ROOT / "launch" / recipe), "delete"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and "name the project" in done.stderr
