"""Names that come close to one that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_MISSING = re.compile(r"attempt to call (?:field|method|global|local) '([^']+)' \(a nil value\)")


def nearest(name: str, existing: Iterable[str]) -> str | None:
    """Return the name among `existing` that is most like `name`; None if none is."""
    names = list(existing)
    matches = difflib.get_close_matches(name, names, 1, 0.6)
    if matches:
        return matches[0]
    same = [n for n in names if n.lower() == name.lower()]
    return same[0] if same else None


def missing_function(message: str) -> str | None:
    """Return the function whose absence an error message of Lua reports; None for other errors."""
    match = _MISSING.search(message)
    return match.group(1) if match else None
