"""Compile the C sources of this folder into one library, with a compiler found on this machine.

The environment variable CC names the compiler, with its arguments if it has any. Without it, the
first of gcc, cc and clang is used. PYGRAPH_NN_NATIVE=0 turns the compiled kernels off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

SOURCES = Path(__file__).parent
FLAGS = ["-O3", "-std=gnu11", "-fPIC"]
TIMEOUT_SECONDS = 120  # for one run of the compiler
# The kernels use the same instructions as PyTorch's own operations do on this processor.
CAPABILITIES = {
    "AVX2": ["-mavx2", "-mfma"],
    "AVX512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq"],
}
# PyTorch does not name the instruction set of the kernels in bfloat16: it is a capability here.
BFLOAT16 = "AVX512_BF16"
CAPABILITIES[BFLOAT16] = [*CAPABILITIES["AVX512"], "-mavx512bw", "-mavx512bf16"]


class Unavailable(Exception):
    """The compiled kernels cannot be used here. Its text is the reason, on one line.

    Attributes:
        details: the output of the compiler, if it failed; several lines.
    """

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(" ".join(_printable(reason).split()))
        self.details = _printable(details)


@dataclass(frozen=True)
class Build:
    """One way to compile the sources.

    Attributes:
        compiler: the path of the compiler, then its own arguments.
        flags: the options to compile the sources with.
        name: the file name of the library. It holds a key of everything that the result depends
            on: compiler and its version, flags, sources, C library, and OpenMP runtime.
    """

    compiler: list[str]
    flags: list[str]
    name: str

    @classmethod
    def for_processor(cls, capability: str, openmp: str) -> Build:
        """Choose the compiler and the flags for a processor with `capability`.

        `openmp` names the kind of OpenMP runtime that PyTorch uses.

        Raises:
            Unavailable: there is no compiler, or it does not run.
            OSError: the sources cannot be read.
        """
        compiler = _find_compiler()
        flags = [*FLAGS, *CAPABILITIES[capability]]
        parts = [*compiler, _version(compiler), *flags, *platform.libc_ver(), openmp]
        for file in sorted(SOURCES.glob("*.[ch]")):
            parts += [file.name, file.read_text(encoding="utf-8")]
        key = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]
        return cls(compiler, flags, f"kernels-{capability}-{key}.so")

    def compile(self, library: Path) -> None:
        """Write the compiled sources to `library`; object files go beside it.

        Raises:
            Unavailable: the compiler fails.
        """
        sources = sorted(SOURCES.glob("*.c"))
        objects = [str(library.with_name(f"{source.stem}.o")) for source in sources]
        for source, target in zip(sources, objects, strict=True):
            self._run([*self.flags, "-c", str(source), "-o", target], f"compile {source.name}")
        self._run(["-shared", *objects, "-lm", "-o", str(library)], "link the kernels")

    def _run(self, arguments: list[str], purpose: str) -> None:
        command = [*self.compiler, *arguments]
        returncode, output = _run_command(command)
        if returncode:
            lines = output.splitlines() or [f"exit status {returncode}"]
            summary = next((line for line in lines if "error" in line), lines[-1])
            reason = f"{shlex.join(self.compiler)} cannot {purpose}: {summary}"
            raise Unavailable(reason, f"{shlex.join(command)}\n{output}")


def capability() -> str:
    """Return which of CAPABILITIES this processor has.

    Raises:
        Unavailable: it has none, or the environment turns the kernels off.
    """
    if os.environ.get("PYGRAPH_NN_NATIVE", "1").lower() in ("0", "no", "off", "false"):
        raise Unavailable("PYGRAPH_NN_NATIVE in the environment turns the compiled kernels off")
    name = str(torch.backends.cpu.get_cpu_capability())
    if sys.platform != "linux" or platform.machine() != "x86_64" or name not in CAPABILITIES:
        machine = f"{platform.system()} on {platform.machine()} ({name})"
        raise Unavailable(
            f"compiled kernels need Linux on x86-64 with AVX2 or AVX-512; this is {machine}"
        )
    return BFLOAT16 if name == "AVX512" and has_bfloat16_instructions() else name


def has_bfloat16_instructions() -> bool:
    """Return whether the processor has AVX512-BF16, and Linux supports it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return "avx512_bf16" in flags


def _find_compiler() -> list[str]:
    try:
        wanted = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise Unavailable(f"CC={os.environ['CC']} is not a valid command: {error}") from error
    for program, *arguments in [wanted] if wanted else [["gcc"], ["cc"], ["clang"]]:
        path = shutil.which(program)
        if path:
            return [path, *arguments]
    name = shlex.quote(wanted[0]) if wanted else "gcc, cc or clang"
    raise Unavailable(f"no compiler was found: {name}")


def _version(compiler: list[str]) -> str:
    # A compiler that does not know the option prints a message that identifies it well enough.
    return _run_command([*compiler, "--version"])[1]


def _run_command(command: list[str]) -> tuple[int, str]:
    """Run `command` and return its exit status and its output.

    Raises:
        Unavailable: it cannot be started, or runs for too long.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},  # the same words in the key in every language
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(f"{shlex.join(command[:1])} does not run: {error}") from error
    with process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            # Kill its children too, which would go on compiling.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise Unavailable(
                f"{shlex.join(command[:1])} has not finished after {TIMEOUT_SECONDS} s"
            ) from error
    return process.returncode, output.decode(errors="replace").strip()


def _printable(text: str) -> str:
    """Return `text` with escapes in place of bytes that are not UTF-8, as paths may have them."""
    return text.encode(errors="backslashreplace").decode()
