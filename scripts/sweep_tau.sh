#!/usr/bin/env bash
# Training time: KL and losses along tau on a fine grid, for small and large samples.
# Override by environment: TAU N M SEEDS JOBS OUT, e.g. TAU=1e2:1e8:401log bash scripts/sweep_tau.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh test
out=${OUT:-results/sweep_tau}
mkdir -p "$out"

rfdiff sweep run --out "$out/sweep.db" --tau "${TAU:-1e0:1e10:401log}" --n "${N:-30,1000}" \
    --m "${M:-512}" --seeds "${SEEDS:-12}" ${JOBS:+--jobs "$JOBS"}
rfdiff sweep export "$out/sweep.db" --csv "$out/points.csv" --curves "$out/curves.csv"
rfdiff sweep plot "$out/sweep.db" --x tau --y kl --group n --png "$out/kl.png"
rfdiff sweep plot "$out/sweep.db" --x tau --y loss_train --group n --png "$out/loss_train.png"
rfdiff sweep plot "$out/sweep.db" --x tau --y loss_population --group n \
    --png "$out/loss_population.png"
