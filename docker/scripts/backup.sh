#!/usr/bin/env bash
# Saves both databases, the sweeps' folders and the store's objects in a new folder of $BACKUPS, whole or not at all.
#
# PGHOST, PGPORT, PGUSER; PGPASSWORD, or the file PGPASSWORD_FILE
# SWEEPS, OBJECTS   folders; else /sweeps and /objects
# BACKUPS           else /backups
#
# What a running sweep writes meanwhile is in it or not; a sweep that is restored goes on from what is there.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [[ ${1:-} != with-secrets ]]; then exec "$here/run.sh" "${BASH_SOURCE[0]}" with-secrets; fi
umask 077
backups=${BACKUPS:-/backups}
name=$(date -u +%Y%m%dT%H%M%SZ)
draft=$backups/.$name
mkdir -p "$draft"
trap 'rm -rf "$draft"' EXIT
save() { # NAME FOLDER; the store keeps an object's metadata in extended attributes
  local outcome=0
  tar --create --gzip --xattrs --xattrs-include='user.*' --file "$draft/$1.tar.gz" --directory "$2" . || outcome=$?
  ((outcome <= 1)) || return "$outcome" # 1: a file changed while it was read
}
# The ledger first: what MLflow has beyond it is told again when a sweep goes on.
for database in ledger mlflow; do
  pg_dump --no-password --format custom --file "$draft/$database.dump" "$database"
done
save sweeps "${SWEEPS:-/sweeps}"
save objects "${OBJECTS:-/objects}"
(cd "$draft" && sha256sum -- * >SHA256SUMS)
mv "$draft" "$backups/$name"
echo "Saved as $name."
