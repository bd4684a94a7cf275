"""A program that answers line by line, run so that nothing it does can block or outlive us."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType

from ...errors import UserError

CHUNK = 1 << 16
LONGEST_LINE = 1 << 20  # bytes; what is longer will not end
KEPT_ERRORS = 2000  # bytes of standard error
GRACE = 2.0  # seconds to end by itself once its input has ended


class Stopped(Exception):
    """The program cannot go on: `kind` is "died" or "hung", the text says how."""

    def __init__(self, kind: str, how: str) -> None:
        super().__init__(how)
        self.kind = kind


class Program:
    """A running program, its three streams read and written without ever waiting on one alone.

    Whatever stands on standard error is read at once, and its end kept, so that a program that
    writes much there does not stop. As a context, it leaves nothing running.

    Raises:
        UserError: it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if os.name != "posix":
            raise UserError("grading needs a POSIX system: on Windows, use its Linux subsystem")
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a process group of its own, to be killed as one
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot start {command[0]!r}: {reason}") from None
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._selector = selectors.DefaultSelector()
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        self._open = True  # standard output
        self._unsent = b""
        self._unread = b""
        self._errors = b""

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(grace=GRACE if error is None else 0)

    def send(self, line: str) -> None:
        """Write one line; what the program does not take yet is written as it reads on."""
        self._unsent += line.encode() + b"\n"
        self._write()

    def read_line(self, seconds: float) -> bytes:
        """The next line that it prints, without its newline.

        Raises:
            Stopped: it ended, closed its output, or printed no line within `seconds`.
        """
        return self._read_line(time.monotonic() + seconds, seconds)

    def wait_for(self, text: str, seconds: float) -> None:
        """Read up to the line `text`, which must come within `seconds`; `Stopped` as above."""
        deadline = time.monotonic() + seconds
        while self._read_line(deadline, seconds).strip() != text.encode():
            if time.monotonic() > deadline:
                raise Stopped("hung", f"other lines only within {seconds:g} s")

    def surplus(self) -> int:
        """Drop the whole lines that it has printed already; how many there were."""
        if self._open:
            self._transfer(0)
        if not self._unread:
            return 0
        lines, newline, rest = self._unread.rpartition(b"\n")
        self._unread = rest
        return lines.count(b"\n") + 1 if newline else 0

    def close(self, grace: float = 0) -> None:
        """End its input, wait `grace` seconds for it to end, and kill its process group."""
        if self._selector.get_map() is None:  # done already; its number may be another's now
            return
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
        if grace:
            self._wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Also where it has ended: its own children may go on.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        self._stderr.close()

    def _read_line(self, deadline: float, seconds: float) -> bytes:
        while b"\n" not in self._unread:
            if not self._open:
                raise Stopped("died", self._how_it_ended())
            if len(self._unread) > LONGEST_LINE:
                raise Stopped("hung", f"printed {LONGEST_LINE} bytes and no end of a line")
            left = deadline - time.monotonic()
            if left <= 0:
                how = f"no line within {seconds:g} s (does it flush its output?)"
                raise Stopped("hung", how + self._last_error())
            self._transfer(left)
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _transfer(self, seconds: float) -> None:
        """Wait up to `seconds` until a stream is ready; read and write what is possible."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._stdin:
                self._write()
                continue
            try:
                chunk = os.read(key.fd, CHUNK)
            except BlockingIOError:
                continue
            if not chunk:
                self._selector.unregister(key.fileobj)
                self._open = self._open and key.fileobj is not self._stdout
            elif key.fileobj is self._stdout:
                self._unread += chunk
            else:
                self._errors = (self._errors + chunk)[-KEPT_ERRORS:]

    def _write(self) -> None:
        waiting = self._stdin in self._selector.get_map()
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it reads no more; whether it still answers is read_line's to see
            self._unsent = b""
        if self._unsent and not waiting:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        elif waiting and not self._unsent:
            self._selector.unregister(self._stdin)

    def _wait(self, seconds: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def _how_it_ended(self) -> str:
        status = self._wait(0.5)
        if status is None:
            return f"closed its output without ending{self._last_error()}"
        # What it wrote last may not be read yet.
        for _ in range(16):
            self._transfer(0)
        if status < 0:
            return f"killed by {signal.Signals(-status).name}{self._last_error()}"
        return f"ended with exit status {status}{self._last_error()}"

    def _last_error(self) -> str:
        lines = self._errors.decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"; the last it said on standard error: {said[-1][:200]}" if said else ""
