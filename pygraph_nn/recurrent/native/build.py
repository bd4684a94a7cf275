"""Compiles the C sources of this package, where there is a compiler, and loads them.

Nothing needs them: where they cannot be had, PyTorch's own operations do the same, more slowly.
``python -m pygraph_nn`` says what is to be had. PYGRAPH_NN_NATIVE=0 in the environment
does without; CC names another compiler than the first of gcc, cc and clang.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

SOURCES = Path(__file__).parent
# What PyTorch's own operations use on this processor decides what ours are compiled for.
CAPABILITIES = {
    "AVX2": ["-mavx2", "-mfma"],
    "AVX512": ["-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512dq"],
}
COMPILE = ["-O3", "-std=gnu11", "-fPIC"]


class Unavailable(Exception):
    """Why a library cannot be had here."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled sources; None where they cannot be had."""
    try:
        return load(capability())
    except Unavailable:
        return None


def capability() -> str:
    """Which of CAPABILITIES this processor has.

    Raises:
        Unavailable: none, or compiled code is not wanted.
    """
    if os.environ.get("PYGRAPH_NN_NATIVE", "1").lower() in ("0", "no", "off", "false"):
        raise Unavailable("PYGRAPH_NN_NATIVE in the environment turns it off")
    found = str(torch.backends.cpu.get_cpu_capability())
    if sys.platform != "linux" or platform.machine() != "x86_64" or found not in CAPABILITIES:
        where = f"{platform.system()} on {platform.machine()} ({found})"
        raise Unavailable(f"it is for Linux on x86-64 with AVX2 or AVX-512, and this is {where}")
    return found


def load(capability: str) -> ctypes.CDLL:
    """The sources compiled for a processor with `capability`.

    It is done once, into the user's cache: XDG_CACHE_HOME, or ~/.cache.

    Raises:
        Unavailable: there is no compiler, it fails, or what it makes cannot be loaded.
    """
    compiler = _compiler()
    flags = [*COMPILE, *CAPABILITIES[capability]]
    files = sorted(SOURCES.glob("*.[ch]"))
    made_of = [*compiler, *flags, *(file.read_text(encoding="utf-8") for file in files)]
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    runtime = _openmp()
    name = f"kernels-{capability}-{key}.so"
    cache = _cache()
    if cache is not None and os.path.exists(cache / name):  # Path's may raise
        return _open(cache / name, runtime)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / name
        _compile(compiler, flags, [file for file in files if file.suffix == ".c"], made)
        if cache is not None:
            # Under another name first: a process that finds the file finds all of it.
            partial = cache / f"{name}.{os.getpid()}"
            with contextlib.suppress(OSError):  # then it is compiled the next time, too
                cache.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made, partial)
                partial.replace(cache / name)
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            if os.path.exists(cache / name):
                made = cache / name
        return _open(made, runtime)  # once loaded, a file may be deleted


def _compiler() -> list[str]:
    wanted = shlex.split(os.environ.get("CC", ""))
    for command in [wanted] if wanted else [["gcc"], ["cc"], ["clang"]]:
        path = shutil.which(command[0])
        if path:
            return [path, *command[1:]]
    raise Unavailable(f"no compiler was found: {wanted[0] if wanted else 'gcc, cc or clang'}")


def _cache() -> Path | None:
    """A folder that is the user's own: what lies there is run."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pygraph_nn"
    except RuntimeError:  # there is no home
        return None


def _compile(compiler: list[str], flags: list[str], sources: list[Path], library: Path) -> None:
    objects = [library.with_name(f"{source.stem}.o") for source in sources]
    commands = [
        [*compiler, *flags, "-c", str(source), "-o", str(made)]
        for source, made in zip(sources, objects, strict=True)
    ]
    commands.append([*compiler, "-shared", *map(str, objects), "-lm", "-o", str(library)])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{compiler[0]} does not run: {error}") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise Unavailable(f"{shlex.join(command)} failed:\n{said}")


def _openmp() -> Path:
    """The OpenMP runtime that PyTorch has loaded."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    paths = [Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if "/" in line]
    own = Path(torch.__file__).parent
    paths.sort(key=lambda path: own not in path.parents)  # another package may have brought its own
    for start in ("libgomp", "libiomp5", "libomp"):
        for path in paths:
            if path.name.startswith(start) and ".so" in path.name:
                return path
    raise Unavailable("PyTorch runs without OpenMP here")


def _open(library: Path, runtime: Path) -> ctypes.CDLL:
    try:
        ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)  # what the library calls is found there
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise Unavailable(f"{library.name} cannot be loaded: {error}") from error
