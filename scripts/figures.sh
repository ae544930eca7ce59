#!/usr/bin/env bash
# The paper's figures: pictures, the numbers behind them and tables of computed beside measured;
# then one run's bound, terms, spectrum and SGD paths. Quick by default, in four to seven minutes;
# QUICK=0 for figures to keep, in up to twenty.
# Override by environment: QUICK SEEDS OUT, e.g. SEEDS=10 OUT=results/ten bash scripts/figures.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh ""
out=${OUT:-results/figures}
quick=--quick
if [ "${QUICK:-1}" = 0 ]; then quick=; fi

for name in early-stopping modes-shift bounds memorisation spectrum draws; do
    echo "== $name =="
    rfdiff figure "$name" $quick --out "$out" ${SEEDS:+--seeds "$SEEDS"}
done

# Of one run: it takes no seeds.
echo "== densities =="
rfdiff figure densities $quick --out "$out"

echo "== theory =="
rfdiff theory --n 100 --m 256 --tau 1e0:1e10:81log --out "$out/theory"
