"""`python -m rfdiff` is the `rfdiff` command."""

import sys

from .cli import main

sys.exit(main())
