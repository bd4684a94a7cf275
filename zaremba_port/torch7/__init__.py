"""Networks in Torch7's files: imported as runs, and runs exported.

`contents` finds the network and the vocabulary in a file, `networks` builds this project's network
with its weights, `importing` makes the run folder, `exporting` goes the other way, and `sampling`
writes a text as char-rnn's sample.lua does.
"""

from .exporting import export_run
from .importing import import_run
from .sampling import sample

__all__ = ["export_run", "import_run", "sample"]
