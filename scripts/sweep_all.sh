#!/usr/bin/env bash
# All sweeps one after another; each takes its own defaults and the environment's SEEDS and JOBS.
set -euo pipefail
cd "$(dirname "$0")/.."
for axis in n m mu tau; do
    echo "== sweep over $axis =="
    bash "scripts/sweep_$axis.sh"
done
