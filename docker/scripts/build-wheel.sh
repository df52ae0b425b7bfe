#!/usr/bin/env bash
# Builds the project's wheel from the folder it is called in: build-wheel.sh FOLDER
set -euo pipefail
python -m pip wheel --quiet --no-deps --wheel-dir "$1" .
