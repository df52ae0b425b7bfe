#!/usr/bin/env bash
# Makes the two databases, each with a role of its own: `ledger` for sweeps, `mlflow` for the MLflow server.
#
# PostgreSQL's image runs it once, on an empty volume. SECRETS is the folder of ledger_password and mlflow_db_password.
set -euo pipefail
secrets=${SECRETS:-/run/secrets}
make() { # ROLE FILE: psql reads the password itself, so that no argument shows it
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set "role=$1" --set "file=$2" <<'END'
\set password `cat :'file'`
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
END
}
for file in ledger_password mlflow_db_password; do
  [[ -s $secrets/$file ]] || { echo "init-databases.sh: $secrets/$file holds no password." >&2 && exit 2; }
done
make ledger "$secrets/ledger_password"
make mlflow "$secrets/mlflow_db_password"
