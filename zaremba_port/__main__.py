"""`python -m zaremba_port`: the same as the command `zaremba`."""

import sys

from .cli import main

sys.exit(main())
