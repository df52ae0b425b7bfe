#!/usr/bin/env bash
# Makes what is missing among the secrets that compose.yaml reads: make-secrets.sh [FOLDER], else docker/secrets
#
# Only the owner may enter the folder. The files in it are readable: they are mounted into containers of other users.
set -euo pipefail
folder=${1:-$(dirname "${BASH_SOURCE[0]}")/../secrets}
mkdir -p "$folder"
chmod 700 "$folder"
umask 022
random() { od -An -vtx1 -N "$1" /dev/urandom | tr -d ' \n'; }
for name in postgres_password ledger_password mlflow_db_password mlflow_admin_password mlflow_secret_key ray_token; do
  [[ -s $folder/$name ]] || random 32 >"$folder/$name"
done
if [[ ! -s $folder/s3_credentials ]]; then
  printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$(random 10)" "$(random 20)" \
    >"$folder/s3_credentials"
fi
echo "The secrets are in $folder."
