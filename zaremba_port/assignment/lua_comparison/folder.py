"""The files of a Lua program in a folder. They may be damaged or missing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UserError
from .fetch import LUA_SHA256
from .lua_source import LuaFile, read_lua

LARGEST = 500_000
"""Size limit in bytes; the original's largest file has 9,000."""


@dataclass
class LuaFolder:
    """The Lua files of a folder.

    Attributes:
        name: the folder's name.
        files: the readable files.
        problems: unreadable files and errors in the code, one line each.
        is_original: whether the folder holds exactly the files of the original program.
    """

    name: str
    files: list[LuaFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    is_original: bool = True

    def file(self, name: str) -> LuaFile | None:
        """Return the file called `name`, if it could be read."""
        return next((file for file in self.files if file.name == name), None)


def read_folder(path: Path) -> LuaFolder:
    """Read main.lua, base.lua and data.lua.

    Raises:
        UserError: `path` is not a folder, or none of the files can be read.
    """
    if not path.exists():
        raise UserError(f"no such folder: {path}")
    if not path.is_dir():
        raise UserError(f"{path} is a file: give the folder that holds main.lua")
    folder = LuaFolder(path.resolve().name)
    for name, checksum in LUA_SHA256.items():
        try:
            content = _content(path / name)
        except UserError as problem:
            folder.problems.append(str(problem))
            folder.is_original = False
            continue
        folder.is_original &= hashlib.sha256(content).hexdigest() == checksum
        folder.files.append(read_lua(name, _decoded(name, content, folder.problems)))
    if not folder.files:
        raise UserError(
            f"{path} holds none of {', '.join(LUA_SHA256)} that could be read: give the folder "
            "of the Lua program, or --fetch"
        )
    folder.problems += [problem for file in folder.files for problem in file.problems]
    return folder


def _content(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise UserError(f"{path.name} has over {LARGEST} bytes: it is some other file")
        if path.exists() and not path.is_file():
            raise UserError(f"{path.name} is not a file")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path.name} is not in the folder") from error
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror}") from error


def _decoded(name: str, content: bytes, problems: list[str]) -> str:
    """Decode a file, without its byte order mark. If it is not UTF-8, add to `problems`."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        text = content.decode(errors="replace")
        problems.append(
            f"{name} is not UTF-8 text: bad byte 0x{content[error.start]:02x} at offset "
            f"{error.start}; such bytes are shown as \ufffd"
        )
    return text.removeprefix("\ufeff")
