#!/usr/bin/env bash
# The paper's setting and a real data set: two tables on stdout, figures in results/quickstart.
# Makes the project's virtual environment on first use.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh ""

echo "== Two modes at -3 and 3: the paper's target, its law known =="
rfdiff train --mu 3 --n 1000 --m 512 --certify --out results/quickstart/bimodal

echo
echo "== Eruption times of Old Faithful in minutes: a law nobody knows =="
rfdiff train --data old_faithful --column eruptions --held-out 0.25 --m 512 \
    --certify --out results/quickstart/old_faithful
