"""LuaFunction: a function of a Lua program, which Python calls."""

from __future__ import annotations

from typing import Any


class LuaFunction:
    """A function of a Lua program. Tables, modules and tensors cross in both directions."""

    def __init__(self, runtime: Any, function: Any, name: str) -> None:
        self._runtime, self._function, self.__name__ = runtime, function, name

    def __call__(self, *args: Any) -> Any:
        """Call the function; its further results make a tuple.

        Raises:
            LuaError: it failed; the message has Lua's file and line.
        """
        runtime = self._runtime
        with runtime.entered():
            given = [runtime.to_lua(arg) for arg in args]
            result = runtime.protected(runtime.bridge.call_function_all, self._function, *given)
        return runtime.to_python(result)

    def __repr__(self) -> str:
        return f"<Lua function {self.__name__}>"
