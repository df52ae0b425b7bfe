#!/usr/bin/env bash
# The MLflow server: runs in a database, artifacts in a store that only the server reaches.
#
# MLFLOW_BACKEND_STORE_URI       database, without a password: that is PGPASSWORD, or in the file PGPASSWORD_FILE
# MLFLOW_ARTIFACTS_DESTINATION   such as s3://mlflow
# MLFLOW_AUTH                    basic, or none where nobody else reaches the server
# MLFLOW_AUTH_ADMIN_PASSWORD, MLFLOW_FLASK_SERVER_SECRET_KEY   for basic; or each in the file NAME_FILE
# MLFLOW_SERVER_ALLOWED_HOSTS    names by which clients may call it
# PUBLISHED_AT                   address at which the server is published outside of its network
# MLFLOW_BIND, MLFLOW_PORT, MLFLOW_WORKERS
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
if [[ ${1:-} != with-secrets ]]; then exec "$here/run.sh" "${BASH_SOURCE[0]}" with-secrets; fi

: "${MLFLOW_BACKEND_STORE_URI:?names no database}" "${MLFLOW_ARTIFACTS_DESTINATION:?names no store}"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
arguments=(--host "${MLFLOW_BIND:-0.0.0.0}" --port "${MLFLOW_PORT:-5000}" --workers "${MLFLOW_WORKERS:-2}"
  --serve-artifacts --artifacts-destination "$MLFLOW_ARTIFACTS_DESTINATION")
case ${MLFLOW_AUTH:-basic} in
  basic)
    : "${MLFLOW_AUTH_ADMIN_PASSWORD:?basic authentication needs it, or MLFLOW_AUTH_ADMIN_PASSWORD_FILE}"
    : "${MLFLOW_FLASK_SERVER_SECRET_KEY:?basic authentication needs it, or MLFLOW_FLASK_SERVER_SECRET_KEY_FILE}"
    export MLFLOW_AUTH_ADMIN_USERNAME=${MLFLOW_AUTH_ADMIN_USERNAME:-admin}
    MLFLOW_AUTH_CONFIG_PATH=$(mktemp)
    export MLFLOW_AUTH_CONFIG_PATH
    # Without the cache each request costs a password's slow hash.
    cat >"$MLFLOW_AUTH_CONFIG_PATH" <<END
[mlflow]
default_permission = READ
database_uri = $MLFLOW_BACKEND_STORE_URI
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
END
    # Once, before several workers would each make the tables.
    python -m mlflow.server.auth db upgrade --url "$MLFLOW_BACKEND_STORE_URI"
    arguments+=(--app-name basic-auth)
    ;;
  none)
    case ${PUBLISHED_AT:-127.0.0.1} in
      127.* | ::1 | \[::1\] | localhost) ;;
      *)
        echo "mlflow.sh: MLFLOW_AUTH=none lets whoever reaches $PUBLISHED_AT read and change every run: leave it out, or" \
          "publish MLflow at 127.0.0.1." >&2
        exit 2
        ;;
    esac
    ;;
  *) echo "mlflow.sh: MLFLOW_AUTH=$MLFLOW_AUTH is neither basic nor none." >&2 && exit 2 ;;
esac
exec python -m mlflow server "${arguments[@]}"
