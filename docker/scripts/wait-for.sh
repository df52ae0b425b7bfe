#!/usr/bin/env bash
# Waits until somebody listens: wait-for.sh HOST PORT SECONDS
set -euo pipefail
host=$1 port=$2 deadline=$((SECONDS + $3))
until (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; do
  ((SECONDS < deadline)) || { echo "wait-for.sh: nobody listens at $host:$port after $3 seconds." >&2 && exit 1; }
  sleep 1
done
