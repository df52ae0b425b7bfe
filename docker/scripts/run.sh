#!/usr/bin/env bash
# Runs a command with the passwords that lie in files: run.sh COMMAND …
#
# NAME_FILE holds the path of what NAME is to be; a NAME that is set already wins.
set -euo pipefail
for name in PGPASSWORD MLFLOW_TRACKING_PASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY; do
  file=${name}_FILE
  [[ -z ${!name:-} && -n ${!file:-} ]] || continue
  [[ -r ${!file} ]] || { echo "run.sh: $file names ${!file}, which cannot be read." >&2 && exit 2; }
  export "$name=$(<"${!file}")"
done
exec "$@"
