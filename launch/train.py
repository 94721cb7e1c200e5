# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains a model, or goes on training it from the workdir's latest checkpoint.

python -m launch.train --config=configs/gpt2_pretrain.py:tiny --workdir=DIR

With --seeds=N it trains N models, from config.seed and the seeds after it, and summarizes their metrics.

Several hosts: the same command on each, with a shared workdir. On TPU VM pods, GKE and SLURM that is all;
elsewhere add --coordinator_address=HOST:PORT --num_processes=N --process_id=I. `launch/tpu_vm.sh`, `launch/gke.sh` and
`launch/slurm.sh` are scripts for clusters.

Exit codes, of every process:
  0    trained to the end
  1    a crash, of any of several seeds; see the traceback
  2    an error that the user can fix, of any of several seeds; one line tells how
  75   another process died or hangs, or did not join; the last line names it. The same command continues from the
       latest checkpoint, and --max_restarts=N does so by itself.
  130  Ctrl-C, and 143 SIGTERM, to any one process: all have saved the same step
"""

import sys
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

from launch import app, config_flags, hosts

_CONFIG = config_flags.define()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of this experiment: checkpoints, metrics, curves, and the model at the end.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that launch.prepare made; without it the text in the package is prepared in the workdir."
)
flags.register_validator("workdir", bool, message="must name a folder")
flags.adopt_module_key_flags(hosts)
_SEEDS = flags.DEFINE_integer(
    "seeds",
    1,
    "How many seeds to train with, from config.seed on: each in WORKDIR/seed-N, one after the other, and a table of "
    "their metrics in WORKDIR/seeds.json.",
    lower_bound=1,
)
_MAX_RESTARTS = flags.DEFINE_integer(
    "max_restarts",
    0,
    "Restarts after a crash or a lost peer, in a row without a new checkpoint; a damaged checkpoint is then set aside.",
    lower_bound=0,
)
_DAMAGED = flags.DEFINE_enum(
    "damaged_checkpoint",
    "refuse",
    ["refuse", "set_aside", "ignore"],
    "What to do with a latest checkpoint that is damaged: stop, rename it and go on from the one before, or take what "
    "can be read, although its SHA-256 differs or is missing.",
)
_PROFILE = flags.DEFINE_string(
    "profile",
    "",
    "FIRST:COUNT, steps of this job to trace for xprof, such as 10:3; the trace goes to WORKDIR/profile. On NVIDIA "
    "GPUs JAX's profiler is known to end jobs after a trace (jax-ml/jax#40260): give it a job of its own there.",
)


def main(argv: list[str]) -> None:
    del argv
    if _MAX_RESTARTS.value:
        supervise()
    from zoo.train import RunConfig, train, train_seeds
    from zoo.train.profile import Span
    from zoo.train.run_spec import check_names

    config = RunConfig.from_dict(_CONFIG.value)
    check_names(config)
    span = Span.parse(_PROFILE.value)
    damaged: Any = _DAMAGED.value
    with hosts.joined():
        data_dir = Path(_DATA_DIR.value) if _DATA_DIR.value else None
        workdir, options = Path(_WORKDIR.value), {"damaged": damaged, "profile": span}
        if _SEEDS.value == 1:
            train(config, workdir, data_dir, **options)
        else:
            code = train_seeds(config, workdir, data_dir, seeds=_SEEDS.value, **options)
            sys.exit(code)


def supervise() -> NoReturn:
    """Runs this command as a child, as often as it takes."""
    from launch.supervisor import Supervisor

    command = [sys.executable, *sys.orig_argv[1:], "--max_restarts=0", "--damaged_checkpoint=set_aside"]
    sys.exit(Supervisor(command, Path(_WORKDIR.value), _MAX_RESTARTS.value).run())


if __name__ == "__main__":
    app.run(main)
