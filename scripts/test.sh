#!/usr/bin/env bash
# Run the tests, doctests included, in the project's virtual environment, made on first use.
# Arguments go to pytest: bash scripts/test.sh tests/diffusion/test_sde.py -k ve
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh dev,docs

python -m pytest "$@"
