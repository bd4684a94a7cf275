"""Functions on Lua's strings, in which each character is a byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .values import Values


def exports(values: Values) -> dict[str, Callable[..., Any]]:
    """Return what the prelude calls."""

    def split(text: str, separator: str | None = None, limit: Any = None) -> Any:
        count = -1 if limit is None else int(limit)
        return values.to_lua(_texts(_bytes(text).split(_bytes(separator) or None, count)))

    return {
        "string_replace": lambda s, old, new, count: s.replace(old, new, int(count)),
        "string_split": split,
        "string_strip": _strip,
        "string_lines": lambda s: values.to_lua(_texts(_bytes(s).splitlines())),
        "string_count": lambda s, part: s.count(part),
    }


def _strip(text: str, chars: str | None = None, sides: str = "both") -> str:
    strip = {"both": bytes.strip, "left": bytes.lstrip, "right": bytes.rstrip}[sides]
    return strip(_bytes(text), _bytes(chars)).decode("latin-1")


def _bytes(text: Any) -> Any:
    # As text, the bytes 0x85 and 0xa0, which occur within letters in UTF-8, would be white space.
    return None if text is None else text.encode("latin-1")


def _texts(parts: list[bytes]) -> list[str]:
    return [part.decode("latin-1") for part in parts]
