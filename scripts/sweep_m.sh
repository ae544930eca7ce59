#!/usr/bin/env bash
# Width: how the best KL falls and early stopping moves with the number of features m.
# Override by environment: N M SEEDS TAU JOBS OUT, e.g. M=16,64,256 bash scripts/sweep_m.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh test
out=${OUT:-results/sweep_m}
mkdir -p "$out"

rfdiff sweep run --out "$out/sweep.db" --n "${N:-1000}" --m "${M:-8,16,32,64,128,256,512}" \
    --seeds "${SEEDS:-24}" --tau "${TAU:-1e0:1e10:81log}" ${JOBS:+--jobs "$JOBS"}
rfdiff sweep export "$out/sweep.db" --csv "$out/points.csv" --curves "$out/curves.csv"
rfdiff sweep plot "$out/sweep.db" --x m --y kl_best --png "$out/kl_best.png"
rfdiff sweep plot "$out/sweep.db" --x tau --y kl --group m --png "$out/kl.png"
