#!/usr/bin/env bash
# Early stopping against the number of data: how tau_es grows and the best KL falls with n.
# Override by environment: N M SEEDS TAU JOBS OUT, e.g. SEEDS=6 JOBS=4 bash scripts/sweep_n.sh
# The same command goes on where it was stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh test
out=${OUT:-results/sweep_n}
mkdir -p "$out"

rfdiff sweep run --out "$out/sweep.db" --n "${N:-10,30,100,300,1000,3000}" --m "${M:-256}" \
    --seeds "${SEEDS:-24}" --tau "${TAU:-1e0:1e10:81log}" ${JOBS:+--jobs "$JOBS"}
rfdiff sweep export "$out/sweep.db" --csv "$out/points.csv" --curves "$out/curves.csv"
rfdiff sweep plot "$out/sweep.db" --x n --y tau_es --png "$out/tau_es.png"
rfdiff sweep plot "$out/sweep.db" --x n --y kl_best --png "$out/kl_best.png"
rfdiff sweep plot "$out/sweep.db" --x tau --y kl --group n --png "$out/kl.png"
