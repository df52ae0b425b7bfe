#!/usr/bin/env bash
# Brings back what backup.sh saved: restore.sh NAME [--replace]
#
# Without --replace only onto empty databases and folders. Nobody else may use them meanwhile. Settings as for backup.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [[ ${1:-} != with-secrets ]]; then exec "$here/run.sh" "${BASH_SOURCE[0]}" with-secrets "$@"; fi
shift
saved=${BACKUPS:-/backups}/${1:?restore.sh NAME: the name that backup.sh printed}
replace=${2:-}
stop() { echo "restore.sh: $1" >&2 && exit 2; }
[[ -f $saved/SHA256SUMS ]] || stop "there is no backup $saved."
[[ -z $replace || $replace == --replace ]] || stop "$replace is not --replace."
(cd "$saved" && sha256sum --quiet --check SHA256SUMS) || stop "$saved is damaged."
sweeps=${SWEEPS:-/sweeps} objects=${OBJECTS:-/objects}

if [[ -z $replace ]]; then
  for database in ledger mlflow; do
    tables=$(psql --no-password --no-psqlrc --tuples-only --no-align --dbname "$database" \
      --command "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    [[ $tables == 0 ]] || stop "the database $database is not empty: --replace replaces it."
  done
  for folder in "$sweeps" "$objects"; do
    [[ -z $(find "$folder" -type f -print -quit) ]] || stop "$folder is not empty: --replace replaces it."
  done
fi
for database in ledger mlflow; do
  # Made anew and not merged: tables of a later version must not stay beside those of the backup.
  psql --no-password --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname "$database" --single-transaction \
    --command "DROP SCHEMA public CASCADE" --command "CREATE SCHEMA public AUTHORIZATION $database"
  pg_restore --no-password --exit-on-error --single-transaction --dbname "$database" "$saved/$database.dump"
done
bring() { # NAME FOLDER
  find "$2" -mindepth 1 -delete
  tar --extract --gzip --xattrs --xattrs-include='user.*' --file "$saved/$1.tar.gz" --directory "$2"
}
bring sweeps "$sweeps"
bring objects "$objects"
echo "Restored $1."
