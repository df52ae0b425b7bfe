#!/bin/sh
# The S3 store, in the image of the Versity S3 Gateway: its buckets are folders, its objects files.
#
# S3_CREDENTIALS_FILE  the same file that clients read as AWS_SHARED_CREDENTIALS_FILE
# S3_FOLDER            where the buckets lie; else /data
set -eu
folder=${S3_FOLDER:-/data}
key() { sed -n "s/^$1 *= *//p" "$S3_CREDENTIALS_FILE"; }
ROOT_ACCESS_KEY=$(key aws_access_key_id)
ROOT_SECRET_KEY=$(key aws_secret_access_key)
if [ -z "$ROOT_ACCESS_KEY" ] || [ -z "$ROOT_SECRET_KEY" ]; then
  echo "s3.sh: $S3_CREDENTIALS_FILE holds no aws_access_key_id and aws_secret_access_key." >&2
  exit 2
fi
export ROOT_ACCESS_KEY ROOT_SECRET_KEY
export VGW_PORT="${VGW_PORT:-:7070}" VGW_HEALTH=/health VGW_REGION="${VGW_REGION:-us-east-1}"
mkdir -p "$folder/mlflow" "$folder/sweeps"
gateway=$(command -v versitygw || echo /app/versitygw) # its place changed between releases of the image
exec "$gateway" posix "$folder"
