"""LuaError: what an uncaught error of a Lua program becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import GraphError
from .names import missing_function, nearest


class LuaError(GraphError):
    """A Lua program failed, or cannot run.

    The message starts with Lua's file and line, and ends with Lua's traceback.

    Attributes:
        node: the node of a graph at which it failed, or None.
        status: the exit status if the program called ``os.exit``, else None.
    """

    status: int | None = None


class ProgramEnd(BaseException):
    """The program called ``os.exit``.

    Attributes:
        status: the exit status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_OWN = re.compile(
    r"^\s*(?:\[prelude |\[C\]: |\(tail call\)|\[builtin)[^\n]*\n?",
    re.M,
)


def explained(
    error: BaseException | None, message: str, trace: str, names: Iterable[str]
) -> LuaError:
    """Return the error for an uncaught `message` of Lua, caused by the Python exception `error`."""
    missing = missing_function(message)
    if missing is not None:
        near = nearest(missing, (name for name in names if name != missing))
        if near is not None:
            message += f"; the nearest that exists is '{near}'"
    trace = _OWN.sub("", trace.strip() + "\n").rstrip()
    result = LuaError(f"{message}\n{trace}" if trace else message)
    result.node = getattr(error, "node", None)
    return result
