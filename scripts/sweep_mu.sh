#!/usr/bin/env bash
# Distance of the modes: how much harder p0 is to learn as its modes at -mu and mu move apart.
# Override by environment: MU N M SEEDS TAU JOBS OUT, e.g. MU=1:20:20lin bash scripts/sweep_mu.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh test
out=${OUT:-results/sweep_mu}
mkdir -p "$out"

rfdiff sweep run --out "$out/sweep.db" --mu "${MU:-1,2,3,5,7,10,15,20}" --n "${N:-1000}" \
    --m "${M:-256}" --seeds "${SEEDS:-12}" --tau "${TAU:-1e0:1e10:81log}" ${JOBS:+--jobs "$JOBS"}
rfdiff sweep export "$out/sweep.db" --csv "$out/points.csv" --curves "$out/curves.csv"
rfdiff sweep plot "$out/sweep.db" --x mu --y kl_best --png "$out/kl_best.png"
rfdiff sweep plot "$out/sweep.db" --x tau --y kl --group mu --png "$out/kl.png"
