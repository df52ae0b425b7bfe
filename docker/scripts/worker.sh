#!/usr/bin/env bash
# A host that runs trials, until it is asked to end. It waits for its head.
#
# RAY_ADDRESS          HOST:PORT of the head
# RAY_AUTH_TOKEN_PATH  file of the head's token
# NODE_ADDRESS         this host's address in the cluster; else the one by which the head sees it
# NODE_CPUS, NODE_GPUS, OBJECT_STORE_MEMORY   what it gives; else what Ray finds
set -euo pipefail
[[ -s ${RAY_AUTH_TOKEN_PATH:-} ]] || { echo "worker.sh: RAY_AUTH_TOKEN_PATH names no file with a token." >&2 && exit 2; }
here=$(dirname "${BASH_SOURCE[0]}")
"$here/wait-for.sh" "${RAY_ADDRESS%:*}" "${RAY_ADDRESS##*:}" "${WAIT_SECONDS:-120}"
arguments=(join "$RAY_ADDRESS" --name worker --block)
[[ -z ${NODE_ADDRESS:-} ]] || arguments+=(--bind "$NODE_ADDRESS")
[[ -z ${NODE_CPUS:-} ]] || arguments+=(--num-cpus "$NODE_CPUS")
[[ -z ${NODE_GPUS:-} ]] || arguments+=(--num-gpus "$NODE_GPUS")
[[ -z ${OBJECT_STORE_MEMORY:-} ]] || arguments+=(--object-store-memory "$OBJECT_STORE_MEMORY")
exec python -m orchestrator.cluster "${arguments[@]}"
