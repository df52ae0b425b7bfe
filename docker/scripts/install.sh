#!/usr/bin/env bash
# Installs the wheel and its dependencies into a virtual environment, each at the version that constraints.txt names:
#   install.sh cpu|cuda WHEELS ENVIRONMENT [OPTION OF PIP …]
#
# TORCH_INDEX  index with builds of torch and torchvision for this kind of machine; without it pip's own index is used,
#              whose Linux builds bring CUDA along: right for `cuda`, several gigabytes too much for `cpu`.
set -euo pipefail
kind=$1 wheels=$2 environment=$3
shift 3
case $kind in
  cpu | cuda) ;;
  *) echo "install.sh: $kind is no kind of image: cpu and cuda are." >&2 && exit 2 ;;
esac
python -m venv "$environment"
pip=("$environment/bin/python" -I -m pip install --quiet --no-cache-dir --constraint constraints.txt "$@")
if [[ -n ${TORCH_INDEX:-} ]]; then
  # Both from one index: a torchvision beside another build's torch fails at import. pip then leaves the pair as it is.
  pair=$(grep -E '^(torch|torchvision)==' constraints.txt)
  # shellcheck disable=SC2086  # two requirements
  "${pip[@]}" --no-deps --index-url "$TORCH_INDEX" $pair
elif [[ $kind == cpu ]]; then
  echo "install.sh: without TORCH_INDEX the CPU image carries CUDA's libraries; README.md says how to leave them out." >&2
fi
wheel=("$wheels"/hyperassess-*.whl)
"${pip[@]}" "${wheel[0]}[cluster]"
