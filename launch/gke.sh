#!/usr/bin/env bash
# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
#
# Trains on TPU slices of a GKE cluster, with xpk (pip install xpk), from a machine with gcloud, kubectl and docker.
#
#   export CLUSTER=zoo PROJECT=my-project ZONE=us-west4-a IMAGE=us-docker.pkg.dev/my-project/images/zoo:1
#   launch/gke.sh create         # the cluster, and a Filestore share that becomes /mnt/zoo in every pod
#   launch/gke.sh image          # builds this checkout into IMAGE and pushes it
#   NAME=gpt2 launch/gke.sh train --config=configs/gpt2_pretrain.py --data_dir=/mnt/zoo/data
#   launch/gke.sh status
#   NAME=gpt2 launch/gke.sh stop # deletes the workload, which gets SIGTERM; `train` continues from its last checkpoint
#   launch/gke.sh delete         # the cluster; the share stays
#
# GKE sets each pod's index within the slice; JAX reads that, and no flag is needed. A process that crashes or
# loses a peer is started again in its pod (MAX_RESTARTS); when a machine goes, the whole workload is (JOB_RESTARTS).
#
# Further variables, with their defaults: TPU_TYPE=v5litepod-16, SLICES=1, CAPACITY=--spot (or --on-demand, or
# --reservation=NAME), SHARE=zoo, SHARE_GB=1024, MAX_RESTARTS=20, JOB_RESTARTS=20, GRACE=120 (seconds to save in).
# DRY_RUN=1 prints the commands instead of running them; so far it has only been run so. It reads no secret: gcloud and
# docker must be logged in.
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

create() {
  run xpk cluster create "${WHERE[@]}" --tpu-type="$TPU_TYPE" --num-slices="$SLICES" "$CAPACITY" \
    --enable-gcpfilestore-csi-driver
  run xpk storage create "$SHARE" "${WHERE[@]}" --type=gcpfilestore --mount-point=/mnt/zoo --auto-mount=true \
    --readonly=false --vol=default --tier=BASIC_HDD --size="$SHARE_GB"
}

image() {
  local dockerfile
  dockerfile=$(mktemp)
  cat > "$dockerfile" << 'DOCKERFILE'
FROM python:3.12
WORKDIR /zoo
COPY . .
RUN pip install --no-cache-dir -e '.[tpu]'
DOCKERFILE
  run docker build --tag="$IMAGE" --file=- . < "$dockerfile"
  rm -f "$dockerfile"
  run docker push "$IMAGE"
}

train() {
  local command
  command=$(printf '%q ' exec python -m launch.train "--workdir=/mnt/zoo/runs/$NAME" "--max_restarts=$MAX_RESTARTS" "$@")
  run xpk workload create "${WHERE[@]}" --workload="$NAME" --tpu-type="$TPU_TYPE" --num-slices="$SLICES" \
    --docker-image="$IMAGE" --max-restarts="$JOB_RESTARTS" --restart-on-exit-codes=1,75,137 \
    --termination-grace-period-seconds="$GRACE" --command="cd /zoo && ${command% }"
}

(($# >= 1)) || usage
cd "$(dirname "$0")/.."
: "${CLUSTER:?name the cluster}" "${PROJECT:?name the project}" "${ZONE:?name the zone}"
TPU_TYPE=${TPU_TYPE:-v5litepod-16} SLICES=${SLICES:-1} CAPACITY=${CAPACITY:---spot} SHARE=${SHARE:-zoo}
SHARE_GB=${SHARE_GB:-1024} MAX_RESTARTS=${MAX_RESTARTS:-20} JOB_RESTARTS=${JOB_RESTARTS:-20} GRACE=${GRACE:-120}
WHERE=(--cluster="$CLUSTER" --project="$PROJECT" --zone="$ZONE")
action=$1
shift
case "$action" in
  image | train) : "${IMAGE:?name the image, such as REGION-docker.pkg.dev/PROJECT/REPOSITORY/zoo:1}" ;;
esac
case "$action" in
  train | stop) : "${NAME:?name the workload}" ;;
esac
case "$action" in
  create | image) "$action" ;;
  train) train "$@" ;;
  status) run xpk workload list "${WHERE[@]}" ;;
  stop) run xpk workload delete "${WHERE[@]}" --workload="$NAME" --force ;;
  delete) run xpk cluster delete "${WHERE[@]}" --force ;;
  *) usage ;;
esac
