#!/usr/bin/env bash
# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
#
# Trains on a SLURM cluster, one process for each GPU (on a cluster without GPUs: one for each node).
#
#   sbatch --nodes=4 --ntasks-per-node=8 --gpus-per-node=8 launch/slurm.sh \
#     --config=configs/gpt2_pretrain.py --data_dir=/shared/data --workdir=/shared/runs/gpt2
#
# Run it from the checkout, with .venv in it (`make install`, then `.venv/bin/pip install 'jax[cuda13]'`), on a file
# system that all nodes see; the workdir too. srun sets each process's index; JAX reads that, and no flag is needed.
#
# Two minutes before the time limit, and when the job is preempted, SLURM sends SIGTERM: all processes save the same step
# and end with 143, and the job goes back into the queue to go on from there, as it does after a node is lost. A process
# that crashes or loses a peer is started again within the job (MAX_RESTARTS, 5). An error that a user can fix ends it.
#
# DRY_RUN=1 bash launch/slurm.sh ... prints the commands instead of running them; so far it has only been run so.
#SBATCH --job-name=zoo
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --time=24:00:00
set -euo pipefail

run() {
  if [[ "${DRY_RUN:-0}" == 1 ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

(($# >= 1)) || {
  echo "usage: sbatch [OPTIONS] launch/slurm.sh --config=FILE --workdir=DIR [FLAGS of launch.train]" >&2
  exit 2
}

cd "${SLURM_SUBMIT_DIR:-.}"
trap : TERM # the processes have it too; this script waits for them
code=0
run srun --kill-on-bad-exit=0 --wait=0 \
  .venv/bin/python -m launch.train "--max_restarts=${MAX_RESTARTS:-5}" "$@" || code=$?
case "$code" in
  75 | 143) run scontrol requeue "${SLURM_JOB_ID:?not in a job}" ;;
esac
exit "$code"
