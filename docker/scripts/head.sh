#!/usr/bin/env bash
# The head of the Ray cluster, until it is asked to end.
#
# RAY_AUTH_TOKEN_PATH  file of the token, without which the head would guard itself with one that nobody else has
# NODE_ADDRESS         this host's address in the cluster; else what its name stands for
# RAY_PORT             else 6379
# NODE_CPUS, OBJECT_STORE_MEMORY   what it gives; else what Ray finds
set -euo pipefail
[[ -s ${RAY_AUTH_TOKEN_PATH:-} ]] || { echo "head.sh: RAY_AUTH_TOKEN_PATH names no file with a token." >&2 && exit 2; }
read -r address _ <<<"${NODE_ADDRESS:-$(hostname -i)}"
arguments=(up --head --bind "$address" --port "${RAY_PORT:-6379}" --name head --block)
[[ -z ${NODE_CPUS:-} ]] || arguments+=(--num-cpus "$NODE_CPUS")
[[ -z ${OBJECT_STORE_MEMORY:-} ]] || arguments+=(--object-store-memory "$OBJECT_STORE_MEMORY")
[[ -z ${HYPERASSESS_WEIGHTS:-} ]] || mkdir -p "$HYPERASSESS_WEIGHTS" # for who copies weights there
exec python -m orchestrator.cluster "${arguments[@]}"
