#!/bin/sh
# benchmarks/gpu.sh [DEVICE]; PYTHON names another interpreter that has vidnas and its torch.
set -e
cd "$(dirname "$0")/.."
test -n "$PYTHON" || make .venv/.ready
exec "${PYTHON:-.venv/bin/python}" -m benchmarks.gpu --device "${1:-cuda}"
