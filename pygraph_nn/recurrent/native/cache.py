"""Keep compiled libraries in the user's cache folder, and decide which of them to trust.

The code in a cached library runs, so nobody else may have written it. A damaged library must be
noticed before it is loaded: the dynamic loader crashes on a truncated file. Each file therefore
ends with a seal, a SHA-256 of its name and content.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Environments with other compilers or versions share the folder, so some older files stay.
MAX_LIBRARIES = 8
ABANDONED_SECONDS = 3600  # an unfinished file this old is left from a process that was killed

_NAME = re.compile(r"kernels-[A-Z0-9]+-[0-9a-f]{16}\.so(?P<unfinished>\.\w+)?")
_SEAL_LENGTH = len("sha256:") + 64


class NoCache(Exception):
    """The cache folder cannot be used; the text is the reason, on one line."""


@dataclass(frozen=True)
class CacheFolder:
    """The open cache folder: a real directory that nobody but the user can write to.

    All files are reached through `descriptor`, so nobody can put another folder in its place.
    """

    path: Path
    descriptor: int

    def locate(self, name: str) -> str:
        """Return a path of the file `name` that leads through the open folder."""
        return f"/proc/self/fd/{self.descriptor}/{name}"

    def holds(self, name: str) -> bool:
        """Return whether `name` is an intact library that only the user can have written."""
        # Do not follow a link, and do not wait for a named pipe.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or _objection(status):
                    return False
                with open(descriptor, "rb", closefd=False) as file:
                    content = file.read()
            finally:
                os.close(descriptor)
        except OSError:
            return False
        return content[-_SEAL_LENGTH:] == _seal(name, content[:-_SEAL_LENGTH])

    @contextlib.contextmanager
    def unfinished(self, name: str, content: bytes) -> Iterator[str]:
        """Write `content` and its seal to a new file, and yield the file's temporary name.

        Unless `publish` renames it, it is removed at the end of the block.

        Raises:
            OSError: the folder cannot be written to, or the disk is full.
        """
        temporary = f"{name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=self.descriptor)
        try:
            with open(descriptor, "wb") as file:
                file.write(content + _seal(name, content))
            yield temporary
        finally:
            self._remove(temporary)

    def publish(self, temporary: str, name: str) -> None:
        """Rename a finished file to `name`, in place of any other, and remove old libraries.

        Raises:
            OSError: a directory has that name.
        """
        os.replace(temporary, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        self._remove_old(name)

    def _remove_old(self, newest: str) -> None:
        libraries = []
        for name in os.listdir(self.descriptor):
            match = _NAME.fullmatch(name)
            if match is None or name == newest:
                continue
            try:
                status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except OSError:  # another process has removed it
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                continue
            if not match["unfinished"]:
                libraries.append((status.st_mtime, name))
            elif time.time() - status.st_mtime > ABANDONED_SECONDS:
                self._remove(name)
        for _, name in sorted(libraries, reverse=True)[MAX_LIBRARIES - 1 :]:
            self._remove(name)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(OSError):  # it may be gone, or the folder read-only
            os.unlink(name, dir_fd=self.descriptor)


@contextlib.contextmanager
def open_cache() -> Iterator[CacheFolder]:
    """Open the cache folder, ``pygraph_nn`` in XDG_CACHE_HOME or ~/.cache; create it if need be.

    Raises:
        NoCache: it cannot be created or opened, it is a link, or others can write to it.
    """
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        if path.is_symlink():
            raise NoCache(f"{path} is a symbolic link")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except OSError as error:
        raise NoCache(str(error)) from error
    try:
        objection = _objection(os.fstat(descriptor))
        if objection:
            raise NoCache(f"{path} {objection}")
        yield CacheFolder(path, descriptor)
    finally:
        os.close(descriptor)


def _path() -> Path:
    # The XDG specification has relative paths ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        try:
            base = Path.home() / ".cache"
        except RuntimeError as error:
            raise NoCache("the user has no home directory") from error
    return base / "pygraph_nn"


def _objection(status: os.stat_result) -> str:
    """Say why somebody else may have written a file or folder; empty if nobody else can."""
    if status.st_uid != os.geteuid():
        return f"belongs to another user (uid {status.st_uid})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written to by its group or by others"
    return ""


def _seal(name: str, content: bytes) -> bytes:
    digest = hashlib.sha256(name.encode() + b"\0" + content)
    return f"sha256:{digest.hexdigest()}".encode()
