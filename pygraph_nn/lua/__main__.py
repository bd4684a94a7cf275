"""Run a Lua program as a process of its own; `zaremba lua` starts it.

``python -m pygraph_nn.lua SETTINGS PROGRAM [ARGUMENTS]``, where SETTINGS is a JSON object with the
arguments of `run` and the limits.
"""

from __future__ import annotations

import json
import os
import sys

from .process import main

if __name__ == "__main__":
    status = main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:])
    sys.stdout.flush()
    sys.stderr.flush()
    # Without finalizing: Lua would release Python's objects while Python takes itself apart.
    os._exit(status)
