#!/usr/bin/env bash
# Networks from different initialisations, merged in every way, and a scrambled CLIP tower: examples/mudsc/run.sh
# Options are passed on to class_halves.py, for example examples/mudsc/run.sh --data tiny8/fashion --seeds 3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [[ -d .venv/bin ]]; then PATH="$PWD/.venv/bin:$PATH"; fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
: "${PYTHON:=python3}"

$PYTHON examples/mudsc/class_halves.py "$@"
echo
$PYTHON examples/mudsc/scrambled.py
