"""Run the fenced blocks of a Markdown document, as a reader would who pastes them one by one.

    python tools/run_readme.py [DOCUMENT]

All ``python`` blocks of a document run in one process; each ``bash``, ``sh`` or ``console`` block
runs with ``bash -e``. All of them run in one scratch folder, with the project's commands on
``PATH``, the project's folder in ``$PROJECT``, and the Penn Treebank, if it is at hand, in
``$ZAREMBA_PTB_FOLDER``. Blocks in other languages are not run.

A comment before a block marks an exception:

``<!-- not run: reason -->``    skip the block
``<!-- run as: command -->``    run this instead, a cheaper version of the block
``<!-- output -->``             compare this ``text`` block with what the block before it printed;
                                ``...`` matches anything
``<!-- printed: reason -->``    the output of this block is neither shown nor compared
``<!-- not compared: reason -->``  a ``text`` block that no block here prints

A block that prints must be followed by its output, and a ``text`` block must be an output, unless
a comment has the reason.
"""

from __future__ import annotations

import argparse
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from types import ModuleType

PROJECT = Path(__file__).resolve().parent.parent
TEST_DATA = Path(os.environ.get("ZAREMBA_TEST_DATA") or PROJECT.parent / "shared")
TREEBANK = TEST_DATA / "data" / "ptb"
SHELLS = ("bash", "console", "sh")
# These commands run the README themselves or take minutes; CI runs each of them separately.
MAKE = re.compile(r"\bmake\s+(demo|test|check|readme|examples)\b")
TOKEN = re.compile(
    r"<!--(?P<comment>.*?)-->"
    r"|^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w-]*)[^\n]*\n"
    r"(?P<code>.*?)(?:^ *(?P=fence)`* *$|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """A fenced block.

    Attributes:
        language: the word after the opening fence.
        line: the line of the opening fence, from 1.
        comments: the HTML comments right above it.
    """

    language: str
    code: str
    line: int
    comments: list[str]

    def comment(self, start: str) -> str | None:
        """Return the rest of the first comment that begins with `start`; None if none does."""
        rests = [text[len(start) :].strip() for text in self.comments if text.startswith(start)]
        return rests[0] if rests else None

    @property
    def is_output(self) -> bool:
        """Return whether the block shows what the block before it prints."""
        return self.language == "text" and self.comment("output") is not None


def read_blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a Markdown text, in order."""
    comments: list[str] = []
    end = 0
    for token in TOKEN.finditer(text):
        if text[end : token.start()].strip():
            comments = []
        end = token.end()
        if token["comment"] is not None:
            comments.append(token["comment"].strip())
            continue
        line = text.count("\n", 0, token.start()) + 1
        yield Block(token["language"], textwrap.dedent(token["code"]), line, comments)
        comments = []


def shell_commands(block: Block) -> str:
    """Return the commands of a block; if some lines begin with ``$``, the others are output."""
    lines = block.code.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return block.code
    commands, goes_on = [], False
    for line in lines:
        if goes_on or line.startswith("$ "):
            commands.append(line.removeprefix("$ "))
            goes_on = line.endswith("\\")
    return "\n".join(commands)


def run_python(block: Block, code: str, document: Path, module: ModuleType) -> tuple[str, str]:
    """Run `code` in the namespace of `module`.

    Returns:
        Its output, and the traceback, or "" if it succeeded.
    """
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            # Leading empty lines make tracebacks name lines of the document.
            exec(compile("\n" * block.line + code, document, "exec"), module.__dict__)
        except BaseException as error:  # SystemExit too
            own_frame = error.__traceback__  # of this function: not to be shown
            traceback.print_exception(None, error, own_frame and own_frame.tb_next)
            return stdout.getvalue(), stderr.getvalue()
    return stdout.getvalue(), ""


def run_shell(code: str, folder: str) -> tuple[str, str]:
    """Run commands in `folder`.

    Returns:
        Their output, and the reason of a failure, or "" if they succeeded.
    """
    if make := MAKE.search(code):
        return "", f"CI runs '{make[0]}' already: add a '<!-- run as: ... -->' above the block"
    run = subprocess.run(
        ["bash", "-e", "-c", code],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return run.stdout, f"{run.stderr}exit status {run.returncode}" if run.returncode else ""


def difference(expected: str, printed: str | None) -> str:
    """Return the error message if `printed` does not match `expected`, else ""."""
    if printed is None:
        return "nothing to compare with: the block before this one was not run"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if doctest.OutputChecker().check_output(expected, printed, flags):
        return ""
    return f"the block before it printed\n\n{textwrap.indent(printed, '    ')}"


NOT_SHOWN = (
    "it prints this: show it in a text block below '<!-- output -->', or say above the block why "
    "not: '<!-- printed: reason -->'"
)
NOT_COMPARED = (
    "nothing here prints this: write '<!-- output -->' above it, or why it is not compared: "
    "'<!-- not compared: reason -->'"
)


def is_checked(block: Block) -> bool:
    """Return whether a block is run or compared; others are only shown."""
    if block.language == "text":
        return block.comment("not compared:") is None
    return block.language in ("python", *SHELLS)


def run_document(document: Path, scratch: str) -> bool:
    """Run the blocks up to the first failure, and print a line about each.

    Returns:
        Whether all of them succeeded.
    """
    module = sys.modules["__main__"] = ModuleType("__main__")
    blocks = list(read_blocks(document.read_text(encoding="utf-8")))
    printed: str | None = None  # by the block right before
    for block, following in zip_longest(blocks, blocks[1:]):
        if not is_checked(block):
            printed = None
            continue
        where = f"{document.name}:{block.line}"
        print(f"{where:18} {block.language:8}", end="", flush=True)
        reason, substitute = block.comment("not run:"), block.comment("run as:")
        if reason:
            print(f"not run                {reason}")
            printed = None
            continue
        start, output = time.perf_counter(), None
        if block.language == "text":
            error = difference(block.code, printed) if block.is_output else NOT_COMPARED
        elif block.language == "python":
            output, error = run_python(block, substitute or block.code, document, module)
        else:
            output, error = run_shell(substitute or shell_commands(block), scratch)
        may_print = (following and following.is_output) or block.comment("printed:")
        if output and output.strip() and not error and not may_print:
            error = NOT_SHOWN
        printed = output
        status = "failed" if error else "substituted" if substitute else "ok"
        seconds = time.perf_counter() - start
        print(f"{status:12} {seconds:6.1f} s  {substitute or ''}".rstrip(), flush=True)
        if error:
            print(f"\nthe block at line {block.line}:\n\n{textwrap.indent(block.code, '    ')}")
            print(f"{output or ''}{error}".rstrip())
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the fenced blocks of a Markdown document.")
    parser.add_argument("document", nargs="?", type=Path, default=PROJECT / "README.md")
    document = parser.parse_args().document.resolve()
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    os.environ["PROJECT"] = str(PROJECT)
    os.environ["ZAREMBA_PTB_FOLDER"] = str(TREEBANK) if TREEBANK.is_dir() else ""
    sys.path[0] = ""
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull) as sys.stdin:
        os.chdir(scratch)
        succeeded = run_document(document, scratch)
        os.chdir(PROJECT)
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
