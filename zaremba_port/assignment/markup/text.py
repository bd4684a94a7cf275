"""Text without the characters that HTML and XML forbid."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile(r"[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    r"""Replace control characters and lone surrogates by U+FFFD.

    >>> printable("a\0b\tc")
    'a�b\tc'
    """
    return _FORBIDDEN.sub("\ufffd", text)
