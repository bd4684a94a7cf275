"""Files of a Lua program: which it may read and write, and Lua's functions on them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .streams import Streams, read_format
from .values import Values


@dataclass
class Policy:
    """Which files a program may read and write.

    This keeps a program from damage by mistake. It is no security boundary.

    Attributes:
        folder: where relative paths start: the program's folder.
        readable: further folders below which it may read.
        out: the folder below which it may write, if any.
        allow_io: whether it may use Lua's own ``io.open``, and write below `folder`.
    """

    folder: Path
    readable: list[Path] = field(default_factory=list)
    out: Path | None = None
    allow_io: bool = False

    def resolve(self, name: Any) -> Path:
        """Return the absolute path of a name in the program."""
        if not isinstance(name, str):
            raise TypeError(f"expecting the name of a file, got {type(name).__name__}")
        name = os.fsdecode(name.encode("latin-1"))
        # Links are not followed: one below the folder was put there by the user.
        return Path(os.path.abspath(self.folder / name))

    def may_read(self, path: Path) -> bool:
        """Return whether the program may read `path`."""
        folders = [self.folder, *self.readable, *([self.out] if self.out else []), _scratch()]
        return any(path.is_relative_to(folder) for folder in folders)

    def may_write(self, path: Path) -> bool:
        """Return whether the program may write `path`."""
        folders = [_scratch()] if self.allow_io else []
        folders += [self.out] if self.out is not None else []
        folders += [self.folder] if self.allow_io else []
        return any(path.is_relative_to(folder) for folder in folders)

    def to_read(self, name: Any) -> Path:
        """Return the path of a file to read.

        Raises:
            PermissionError: it is outside the folders that may be read.
        """
        path = self.resolve(name)
        if not self.may_read(path):
            raise PermissionError(
                f"{name}: the program reads below its own folder, {self.folder}, alone; "
                "copy the file there, or start it with --folder"
            )
        return path

    def to_write(self, name: Any) -> Path:
        """Return the path of a file to write.

        Raises:
            PermissionError: it is outside the folders that may be written.
        """
        path = self.resolve(name)
        if not self.may_write(path):
            raise PermissionError(
                f"{name}: the program may not write there. --allow-io lets it write below its "
                "folder, --out FOLDER below another one"
            )
        return path


_scratch_folder: list[Path] = []


def _scratch() -> Path:
    """Return a folder for the names that ``os.tmpname`` returns."""
    if not _scratch_folder:
        import atexit
        import shutil

        folder = Path(tempfile.mkdtemp(prefix="zaremba-lua-"))
        _scratch_folder.append(folder)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return _scratch_folder[0]


class Files:
    """The functions on files that the prelude calls."""

    def __init__(self, policy: Policy, values: Values, streams: Streams) -> None:
        self._policy = policy
        self._to_lua = values.to_lua
        self._streams = streams
        self._names = 0

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        names = (
            "read_file write_file read_code chunk_name find_module path_exists path_isfile "
            "path_isdir path_absolute path_size path_attributes path_list make_folder "
            "remove_file rename_file temporary_name lua_open lua_file_read lua_file_write "
            "lua_file_close lua_file_flush lua_file_seek"
        )
        return {name: getattr(self, name) for name in names.split()}

    def read_file(self, name: Any) -> Any:
        """Return the text of a file; nil and a message if there is none."""
        path = self._policy.to_read(name)
        try:
            return path.read_bytes().decode("latin-1")
        except OSError as error:
            return None, f"{name}: {error.strerror}"

    def write_file(self, name: Any, text: str) -> None:
        """Write the text of a file."""
        self._policy.to_write(name).write_bytes(text.encode("latin-1"))

    def read_code(self, name: Any) -> Any:
        """Return the path and text of a Lua file; nil and a message if there is none."""
        path = self._policy.to_read(name)
        try:
            return str(path), path.read_bytes().decode("latin-1")
        except OSError as error:
            return None, f"cannot open {name}: {error.strerror}"

    def chunk_name(self, path: str) -> str:
        """Return the name of a file in messages: relative to the folder of the program."""
        folder = self._policy.folder
        return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path

    def find_module(self, name: str, beside: Any = None) -> Any:
        """Return the path and text of the module that ``require(name)`` means."""
        tried = []
        relative = name if name.endswith("/") or name.startswith(".") else name.replace(".", "/")
        starts = [self._policy.folder]
        if isinstance(beside, str) and name.startswith("."):
            starts.insert(0, Path(beside))
        for start in starts:
            base = start / relative
            for path in (base.with_name(base.name + ".lua"), base / "init.lua"):
                path = Path(os.path.abspath(path))
                tried.append(f"\n\tno file '{path}'")
                allowed = self._policy.may_read(path) or path.parent == self._policy.folder.parent
                if allowed and path.is_file():
                    if not self._policy.may_read(path):  # require('../'): the package around it
                        self._policy.readable.append(path.parent)
                    return str(path), path.read_bytes().decode("latin-1")
        return None, f"module '{name}' not found:{''.join(tried)}"

    # Paths

    def _seen(self, name: Any) -> Path | None:
        """Return the path, or None where the program may not look."""
        path = self._policy.resolve(name)
        return path if self._policy.may_read(path) else None

    def path_exists(self, name: Any) -> bool:
        """Return whether there is a file or folder."""
        path = self._seen(name)
        return path is not None and path.exists()

    def path_isfile(self, name: Any) -> bool:
        """Return whether there is a file."""
        path = self._seen(name)
        return path is not None and path.is_file()

    def path_isdir(self, name: Any) -> bool:
        """Return whether there is a folder."""
        path = self._seen(name)
        return path is not None and path.is_dir()

    def path_absolute(self, name: Any) -> str:
        """Return the absolute path."""
        return str(self._policy.resolve(name))

    def path_size(self, name: Any) -> int:
        """Return the size of a file in bytes."""
        return self._policy.to_read(name).stat().st_size

    def path_attributes(self, name: Any) -> Any:
        """Return mode, size and times, as lfs does; nil if there is nothing."""
        path = self._seen(name)
        if path is None or not path.exists():
            return None
        status = path.stat()
        return self._to_lua(
            {
                "mode": "directory" if path.is_dir() else "file",
                "size": status.st_size,
                "modification": status.st_mtime,
                "access": status.st_atime,
                "change": status.st_ctime,
            }
        )

    def path_list(self, name: Any) -> Any:
        """Return the names in a folder."""
        return self._to_lua([".", "..", *sorted(os.listdir(self._policy.to_read(name)))])

    def make_folder(self, name: Any) -> bool:
        """Make a folder, with those above it."""
        self._policy.to_write(name).mkdir(parents=True, exist_ok=True)
        return True

    def remove_file(self, name: Any) -> Any:
        """Remove a file."""
        path = self._policy.to_write(name)
        try:
            path.unlink()
        except OSError as error:
            return None, f"{name}: {error.strerror}"
        return True

    def rename_file(self, old: Any, new: Any) -> Any:
        """Rename a file."""
        source, target = self._policy.to_write(old), self._policy.to_write(new)
        try:
            source.rename(target)
        except OSError as error:
            return None, f"{old}: {error.strerror}"
        return True

    def temporary_name(self) -> str:
        """Return the name of a file that does not exist yet."""
        self._names += 1
        return str(_scratch() / f"lua_{self._names}")

    # Lua's io.open

    def lua_open(self, name: Any, mode: str) -> Any:
        """Open a file for ``io.open``; nil and a message if that fails."""
        if not self._policy.allow_io:
            raise PermissionError(
                "io.open is taken away: --allow-io allows it below the program's folder and --out"
            )
        writes = mode[:1] != "r" or "+" in mode
        path = self._policy.to_write(name) if writes else self._policy.to_read(name)
        try:
            return open(path, mode.replace("b", "") + "b")
        except OSError as error:
            return None, f"{name}: {error.strerror}"

    def lua_file_read(self, file: Any, format: Any) -> Any:
        """Read by a format."""
        return read_format(file, format)

    def lua_file_write(self, file: Any, text: str) -> None:
        """Write text."""
        file.write(text.encode("latin-1"))

    def lua_file_close(self, file: Any) -> None:
        """Close the file."""
        file.close()

    def lua_file_flush(self, file: Any) -> None:
        """Flush the file."""
        file.flush()

    def lua_file_seek(self, file: Any, whence: str, offset: float) -> int:
        """Move within the file."""
        position: int = file.seek(int(offset), {"set": 0, "cur": 1, "end": 2}[whence])
        return position
