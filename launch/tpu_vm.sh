#!/usr/bin/env bash
# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
#
# Trains on a Cloud TPU VM or a pod of them, from a machine with gcloud.
#
#   export NAME=zoo PROJECT=my-project ZONE=us-west4-a SHARE=10.0.0.2:/zoo
#   launch/tpu_vm.sh create      # asks for the TPU and waits until it is there
#   launch/tpu_vm.sh install     # copies this checkout to all hosts, mounts the share, installs
#   launch/tpu_vm.sh train --config=configs/gpt2_pretrain.py --data_dir=/mnt/zoo/data
#   launch/tpu_vm.sh logs        # follows host 0; every other host has a train.log of its own
#   launch/tpu_vm.sh stop        # SIGTERM: all save the same step and end
#   launch/tpu_vm.sh resume --config=... # after a preemption: delete, create, install, train
#   launch/tpu_vm.sh delete
#
# SHARE is an NFS share (Filestore) of the same network, which becomes /mnt/zoo on every host: all hosts must see one
# workdir, here /mnt/zoo/runs/$NAME. It outlives the TPU, so `resume` continues from the latest checkpoint.
#
# Further variables, with their defaults: ACCELERATOR=v5litepod-16, RUNTIME=v2-alpha-tpuv5-lite, CAPACITY=--spot (or
# --reserved, or empty for on demand), NETWORK=default, PYTHON=python3.11, MAX_RESTARTS=20, POLL=60 (seconds).
# DRY_RUN=1 prints the commands instead of running them; so far it has only been run so. It reads no secret: gcloud must
# be logged in.
set -euo pipefail

usage() {
  sed -n '/^# Trains/,/^set -euo/{/^set/d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

run() {
  if [[ "${DRY_RUN:-0}" == 1 ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

# One command line for bash on the hosts, from arguments with any characters.
quoted() {
  printf '%q ' "$@"
}

on_hosts() { # WORKERS COMMAND
  run gcloud compute tpus tpu-vm ssh "$NAME" "${WHERE[@]}" --worker="$1" --command="$2"
}

create() {
  run gcloud compute tpus queued-resources create "$NAME" --node-id="$NAME" "${WHERE[@]}" --network="$NETWORK" \
    --accelerator-type="$ACCELERATOR" --runtime-version="$RUNTIME" ${CAPACITY:+"$CAPACITY"}
  local state=""
  while [[ "${DRY_RUN:-0}" != 1 && "$state" != ACTIVE ]]; do
    sleep "$POLL"
    state=$(gcloud compute tpus queued-resources describe "$NAME" "${WHERE[@]}" --format="value(state.state)")
    echo "$NAME is $state" >&2
    case "$state" in
      FAILED | SUSPENDED | SUSPENDING) exit 1 ;;
    esac
  done
}

install() {
  local archive="zoo.tar.gz" mount
  run git archive --format=tar.gz --output="$archive" HEAD
  run gcloud compute tpus tpu-vm scp "$archive" "$NAME:$archive" "${WHERE[@]}" --worker=all
  run rm -f "$archive"
  mount="sudo mkdir -p /mnt/zoo && (mountpoint -q /mnt/zoo || sudo mount -t nfs $(quoted "$SHARE" /mnt/zoo))"
  on_hosts all "sudo apt-get update -q && sudo apt-get install -qy nfs-common build-essential $PYTHON $PYTHON-venv"
  on_hosts all "$mount && sudo mkdir -p /mnt/zoo/runs && sudo chmod 1777 /mnt/zoo/runs"
  on_hosts all "mkdir -p zoo && tar -xzf $archive -C zoo"
  on_hosts all "cd zoo && $PYTHON -m venv .venv && .venv/bin/pip install -q -e '.[tpu]'"
}

# No flag is needed for the hosts' indices: JAX asks the TPU. The processes outlive the connection.
train() {
  local command
  command=$(quoted .venv/bin/python -m launch.train "--workdir=/mnt/zoo/runs/$NAME" "--max_restarts=$MAX_RESTARTS" "$@")
  on_hosts all "cd zoo && { setsid nohup $command > train.log 2>&1 < /dev/null & echo \$! > train.pid; }"
}

delete() {
  run gcloud compute tpus queued-resources delete "$NAME" "${WHERE[@]}" --force --quiet
}

(($# >= 1)) || usage
cd "$(dirname "$0")/.."
: "${NAME:?name the TPU}" "${PROJECT:?name the project}" "${ZONE:?name the zone}"
ACCELERATOR=${ACCELERATOR:-v5litepod-16} RUNTIME=${RUNTIME:-v2-alpha-tpuv5-lite} CAPACITY=${CAPACITY---spot}
NETWORK=${NETWORK:-default} PYTHON=${PYTHON:-python3.11} MAX_RESTARTS=${MAX_RESTARTS:-20} POLL=${POLL:-60}
WHERE=(--project="$PROJECT" --zone="$ZONE")
action=$1
shift
case "$action" in
  install | resume) : "${SHARE:?name the NFS share, such as 10.0.0.2:/zoo}" ;;
esac
case "$action" in
  create | install | delete) "$action" ;;
  train) train "$@" ;;
  logs) on_hosts 0 "tail -n 100 -F zoo/train.log" ;;
  stop) on_hosts all "kill \$(cat zoo/train.pid)" ;;
  resume)
    delete
    create
    install
    train "$@"
    ;;
  *) usage ;;
esac
