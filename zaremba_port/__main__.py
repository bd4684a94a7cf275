"""Run the command `zaremba` as `python -m zaremba_port`."""

import sys

from .cli import main

sys.exit(main())
