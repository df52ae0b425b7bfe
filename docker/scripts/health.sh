#!/usr/bin/env bash
# Exit code 0 where what this container is for works: health.sh [head|worker|mlflow|raylet], else $HYPERASSESS_ROLE.
#
# Head and worker: the head answers who shows the token, and counts this host among the living.
# Raylet: this host's part of Ray runs, whatever the head says.
set -euo pipefail
case ${1:-${HYPERASSESS_ROLE:-}} in
  head | worker)
    read -r address _ <<<"${NODE_ADDRESS:-$(hostname -i)}"
    cluster=${RAY_ADDRESS:-$address:${RAY_PORT:-6379}}
    "$(dirname "${BASH_SOURCE[0]}")/wait-for.sh" "${cluster%:*}" "${cluster##*:}" 2 # Ray would try for most of a minute
    seen=$(RAY_AUTH_MODE=token timeout 12 python -m orchestrator.cluster.inspect "$cluster" 2>&1 | tail -n 1) || true
    # What Ray says of a failure would fill the health check's log; its last line is why.
    [[ $seen == *"{\"address\": \"$address\", \"alive\": true"* ]] || { echo "health.sh: ${seen:0:300}" >&2 && exit 1; }
    ;;
  raylet)
    for process in /proc/[0-9]*; do
      [[ $(readlink "$process/exe" 2>/dev/null) != */raylet ]] || exit 0
    done
    echo "health.sh: no raylet runs here." >&2 && exit 1
    ;;
  mlflow)
    python -c 'import sys, urllib.request as web; web.urlopen(sys.argv[1], timeout=5)' \
      "http://127.0.0.1:${MLFLOW_PORT:-5000}/health"
    ;;
  "") ;; # a container for one command has nothing to be asked
  *) echo "health.sh: head, worker, mlflow and raylet are what it asks for." >&2 && exit 2 ;;
esac
