"""Run a Lua program and use from Python what it made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from .errors import LuaError, ProgramEnd
from .files import Policy
from .runtime import Runtime

_DTYPES = {"double": torch.float64, "float": torch.float32}


class Program(Mapping[str, Any]):
    """What a Lua program left: the fields of the table that it returned, and its global variables.

    >>> program = run("model.lua")  # doctest: +SKIP
    >>> net = program["create_network"](200)  # doctest: +SKIP

    Attributes:
        result: what the program returned, as Python has it; None if nothing.
        runtime: the Lua that ran it.
    """

    def __init__(self, runtime: Runtime, result: Any) -> None:
        self.runtime = runtime
        self._returned = result if runtime.is_plain_table(result) else None
        self.result = runtime.to_python(result)

    def _value(self, name: str) -> Any:
        value = None
        if self._returned is not None:
            value = self._returned[name]
        return self.runtime.globals[name] if value is None else value

    def __getitem__(self, name: str) -> Any:
        value = self._value(name)
        if value is None:
            raise KeyError(
                f"the program has neither a field nor a global variable {name!r}; a function that "
                "is 'local' in Lua cannot be seen from Python. It has: "
                f"{', '.join(sorted(self)) or 'none'}"
            )
        return self.runtime.to_python(value, name)

    def __iter__(self) -> Iterator[str]:
        names = set(self.runtime.own_globals())
        if self._returned is not None:
            names |= {key for key in self._returned if isinstance(key, str)}
        return iter(sorted(names))

    def __len__(self) -> int:
        return len(list(iter(self)))


def run(
    path: str | os.PathLike[str],
    args: Sequence[str] = (),
    *,
    lua: str | None = None,
    dtype: str = "double",
    cuda: str = "float",
    folder: str | os.PathLike[str] | None = None,
    allow_io: bool = False,
    out: str | os.PathLike[str] | None = None,
    prepare: Callable[[Runtime], None] | None = None,
) -> Program:
    """Run a Lua program of Torch7 in this process, and return what it left.

    The program may read below its own folder. It runs with the rights of this process: what it may
    not do is kept from it so that mistakes do no damage, which is no security boundary.

    Args:
        path: the program.
        args: its arguments.
        lua: "luajit21", "luajit20" or "lua51"; by default the first that lupa has.
        dtype: the default type of tensors, "double" as in Torch7, or "float".
        cuda: the type that ``:cuda()`` converts to, on the CPU: "float", or "double".
        folder: where relative paths start; by default the program's folder.
        allow_io: let it use ``io.open``, and write below its folder.
        out: a folder below which it may write.
        prepare: is called with the `Runtime` before the program starts.

    Raises:
        LuaError: the program failed, or lupa is not installed.
    """
    path = Path(path).expanduser().absolute()
    if not path.is_file():
        raise LuaError(f"there is no Lua program {path}")
    for value in (dtype, cuda):
        if value not in _DTYPES:
            raise LuaError(f"a type is 'double' or 'float', got {value!r}")
    base = path.parent if folder is None else Path(folder).expanduser().absolute()
    policy = Policy(
        Path(os.path.abspath(base)),
        [path.parent],
        None if out is None else Path(os.path.abspath(Path(out).expanduser())),
        allow_io,
    )
    if policy.out is not None:
        policy.out.mkdir(parents=True, exist_ok=True)
    runtime = Runtime(policy, lua=lua, dtype=_DTYPES[dtype], cuda=_DTYPES[cuda])
    if prepare is not None:
        prepare(runtime)
    try:
        return Program(runtime, runtime.run_file(path, list(args)))
    except ProgramEnd as end:
        if end.status:
            error = LuaError(f"the program ended with os.exit({end.status})")
            error.status = end.status
            raise error from None
        return Program(runtime, None)
