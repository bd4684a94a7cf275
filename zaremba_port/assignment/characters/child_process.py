"""A child process that answers line by line, and can neither block nor outlive this one."""

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
from .descendants import VARIABLE, kill_all, new_mark

CHUNK = 1 << 16  # bytes read at once
LONGEST_LINE = 1 << 20  # bytes; a longer line is taken to be endless
STDERR_TAIL = 2000  # bytes of standard error that are kept
GRACE = 2.0  # seconds that the program has to end once its input has ended
OUT_OF_STEP = "out of step"


class Stopped(Exception):
    """Report that the program cannot go on.

    Attributes:
        kind: "died", "hung" or "out of step". The message says how.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Program:
    """Run a program, and serve its three streams at the same time.

    Standard error is read as soon as it is written, and only its last bytes are kept, so that a
    program cannot block by writing much there. Leaving the context kills the program and its
    children.

    Raises:
        UserError: the program cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        if os.name != "posix":
            raise UserError("grading needs a POSIX system: on Windows, use its Linux subsystem")
        self._mark = new_mark()
        try:
            self._process = subprocess.Popen(
                list(command),
                env={**os.environ, VARIABLE: self._mark},
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
        self._stdout_is_open = True
        self._unsent = b""
        self._unread = b""
        self._stderr_tail = b""

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(grace=GRACE if error is None else 0)

    def send(self, line: str) -> None:
        """Send one line. The part that the program does not read yet is sent while it answers."""
        self._unsent += line.encode() + b"\n"
        self._write()

    def read_line(self, seconds: float) -> bytes:
        """Return the next line that the program prints, without its newline.

        Raises:
            Stopped: the program ended, closed its output, or printed no line within `seconds`.
        """
        return self._read_line(time.monotonic() + seconds, seconds)

    def wait_for(self, text: str, seconds: float) -> None:
        """Read lines up to and including the line `text`.

        Raises:
            Stopped: the program ended, closed its output, or did not print `text` within
                `seconds`.
        """
        deadline = time.monotonic() + seconds
        while self._read_line(deadline, seconds).strip() != text.encode():
            if time.monotonic() > deadline:
                raise Stopped("hung", f"other lines only within {seconds:g} s")

    def discard_lines(self) -> int:
        """Discard the complete lines that the program has printed, and return their number."""
        if self._stdout_is_open:
            self._transfer(0)
        return self.discard_read()

    def discard_read(self) -> int:
        """Discard the complete lines that have been read already, and return their number."""
        lines, newline, self._unread = self._unread.rpartition(b"\n")
        return lines.count(b"\n") + 1 if newline else 0

    def settle(self, quiet: float, limit: float) -> int:
        """Wait until the program has printed nothing for `quiet` seconds, or cannot go on.

        Discards the complete lines that it prints meanwhile, and returns their number.

        Raises:
            Stopped: it still prints after `limit` seconds.
        """
        start = time.monotonic()
        lines, quiet_since = 0, start
        while self._stdout_is_open and len(self._unread) <= LONGEST_LINE:
            now = time.monotonic()
            if now - quiet_since >= quiet:
                break
            if now - start > limit:
                raise Stopped(OUT_OF_STEP, "it prints and prints without being asked")
            before = len(self._unread)
            self._transfer(quiet_since + quiet - now)
            if len(self._unread) != before:
                quiet_since = time.monotonic()
            lines += self.discard_read()
        return lines

    def finish(self, seconds: float) -> list[bytes]:
        """End the input, and return the lines that the program still prints within `seconds`."""
        if self._stdin in self._selector.get_map():
            self._selector.unregister(self._stdin)
        self._stdin.close()
        deadline = time.monotonic() + seconds
        while self._stdout_is_open and len(self._unread) <= LONGEST_LINE:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            self._transfer(remaining)
        *lines, self._unread = self._unread.split(b"\n")
        return lines

    @staticmethod
    def now() -> float:
        """Return the time in seconds from some fixed moment."""
        return time.monotonic()

    def close(self, grace: float = 0) -> None:
        """Close the input, wait up to `grace` seconds for the end, and kill what is left."""
        if self._selector.get_map() is None:  # closed before; another process may have the id now
            return
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
        if grace:
            self._wait(grace)
        kill_all(self._process.pid, self._mark)  # its children may go on after it has ended
        self._process.wait()
        self._selector.close()
        self._stderr.close()

    def _read_line(self, deadline: float, seconds: float) -> bytes:
        while b"\n" not in self._unread:
            if not self._stdout_is_open:
                raise Stopped("died", self._how_it_ended())
            if len(self._unread) > LONGEST_LINE:
                raise Stopped("hung", f"printed {LONGEST_LINE} bytes and no end of a line")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                message = f"no line within {seconds:g} s (does it flush its output?)"
                raise Stopped("hung", message + self._last_error())
            self._transfer(remaining)
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _transfer(self, seconds: float) -> None:
        """Wait up to `seconds` until a stream is ready. Read and write what is possible."""
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
                if key.fileobj is self._stdout:
                    self._stdout_is_open = False
            elif key.fileobj is self._stdout:
                self._unread += chunk
            else:
                self._stderr_tail = (self._stderr_tail + chunk)[-STDERR_TAIL:]

    def _write(self) -> None:
        """Write what the pipe takes. The selector watches the pipe while anything is unsent."""
        is_watched = self._stdin in self._selector.get_map()
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it reads no more; `read_line` finds out whether it still answers
            self._unsent = b""
        if self._unsent and not is_watched:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        elif is_watched and not self._unsent:
            self._selector.unregister(self._stdin)

    def _wait(self, seconds: float) -> int | None:
        """Return the exit status, or None if the program runs on for `seconds`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def _how_it_ended(self) -> str:
        status = self._wait(0.5)
        if status is None:
            return f"closed its output without ending{self._last_error()}"
        # Standard error may not have been read to its end yet.
        for _ in range(16):
            self._transfer(0)
        if status < 0:
            return f"killed by {signal.Signals(-status).name}{self._last_error()}"
        return f"ended with exit status {status}{self._last_error()}"

    def _last_error(self) -> str:
        """Quote the last line on standard error; "" if there is none."""
        lines = self._stderr_tail.decode(errors="replace").split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        return f"; its last line on standard error: {lines[-1][:200]}" if lines else ""
