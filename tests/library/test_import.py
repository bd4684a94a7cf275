"""What `import pygraph_nn` loads."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("library", ["networkx", "jinja2", "matplotlib", "pandas", "sympy"])
def test_a_library_is_loaded_when_it_is_needed(library: str) -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import pygraph_nn; "
        f"sys.exit({library!r} in sys.modules and {library!r} not in before)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
