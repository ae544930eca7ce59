"""Sphinx configuration: `sphinx-build -W docs docs/_build/html`."""

import re

from rfdiff._version import __version__

project = "rfdiff"
author = "The rfdiff developers"
copyright = "2026, The rfdiff developers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"rfdiff {release}"
html_theme_options = {"source_directory": "docs/"}

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Docstrings are written to be read in a terminal: single backticks mark code.
default_role = "literal"
autodoc_member_order = "bysource"
# Docstrings give shapes and units; NumPy's expanded type aliases would only bury them.
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False


def escape_mathematics(app, what, name, obj, options, lines):
    """Keep `|w|` and `a*b` of a docstring's mathematics from being read as markup."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = re.split(r"(``.*?``|`.*?`)", line)
        parts[::2] = [re.sub(r"([|*])", r"\\\1", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def setup(app):
    """Run before napoleon reads the sections."""
    app.connect("autodoc-process-docstring", escape_mathematics, priority=400)
