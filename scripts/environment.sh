# Source this: `. scripts/environment.sh EXTRAS` (they may be "") makes the project's virtual
# environment (.venv) where there is none, installs the package with those extras, and activates it.
# PYTHON chooses the interpreter a new environment is made with (default: python3).

if [ ! -x .venv/bin/python ]; then
    "${PYTHON:-python3}" -m venv .venv
fi
. .venv/bin/activate

# Installing takes seconds even where nothing is missing: once per set of requirements will do.
extras="${1:-}"
stamp=".venv/installed-${extras//,/-}-$(cat setup.cfg pyproject.toml | cksum | cut -d ' ' -f 1)"
if [ ! -f "$stamp" ]; then
    python -m pip install --quiet --disable-pip-version-check --editable ".${extras:+[$extras]}"
    touch "$stamp"
fi
