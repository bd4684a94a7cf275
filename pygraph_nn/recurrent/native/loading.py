"""Load the compiled kernels: from the cache if they are there, else compiled now."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from .build import BFLOAT16, Build, Unavailable, capability, has_bfloat16_instructions
from .cache import CacheFolder, NoCache, open_cache
from .structs import declare, has_bfloat16


@dataclass(frozen=True)
class Library:
    """The compiled kernels, loaded.

    Attributes:
        functions: the functions of ``structs.FUNCTIONS``.
        path: where the cache holds the library; None if it does not.
        why_not_cached: the reason, where `path` is None.
    """

    functions: ctypes.CDLL
    path: Path | None
    why_not_cached: str = ""


def library() -> ctypes.CDLL | None:
    """Return the compiled functions, or None where they cannot be used.

    The first call loads them, or compiles them, which takes some seconds.
    """
    outcome = _outcome()
    return None if isinstance(outcome, Unavailable) else outcome.functions


def kernels_unavailable() -> str | None:
    """Return why the compiled kernels are not used here, on one line; None if they are used.

    PyTorch's own operations compute the same without them, more slowly.
    """
    outcome = _outcome()
    return str(outcome) if isinstance(outcome, Unavailable) else None


def bfloat16_unavailable() -> str | None:
    """Return why the compiled kernels in bfloat16 are not used here; None if they are used."""
    functions = library()
    if functions is None:
        return kernels_unavailable()
    if has_bfloat16(functions):
        return None
    name = capability()
    if name == BFLOAT16:
        return "the compiler does not know AVX512-BF16"
    if has_bfloat16_instructions():
        return f"PyTorch is restricted to {name}, see ATEN_CPU_CAPABILITY in the environment"
    return "this processor has no AVX512-BF16"


def kernels_status() -> str:
    """Return where the compiled kernels are, or the reason why they are not used."""
    outcome = _outcome()
    if isinstance(outcome, Unavailable):
        reason = f"No compiled kernels, PyTorch's operations are used: {outcome}"
        return f"{reason}\n{outcome.details}".rstrip()
    no_bfloat16 = bfloat16_unavailable()
    bfloat16 = f"\nNone of them in bfloat16: {no_bfloat16}" if no_bfloat16 else ""
    if outcome.path is None:
        return f"Compiled kernels: for this process alone, since {outcome.why_not_cached}{bfloat16}"
    return f"Compiled kernels: {outcome.path}{bfloat16}"


@functools.cache
def _outcome() -> Library | Unavailable:
    try:
        return load_for_processor()
    except Unavailable as reason:
        return Unavailable(str(reason), reason.details)  # without the frames of its traceback


def load_for_processor() -> Library:
    """Load the kernels for this processor; those in bfloat16 only if the compiler knows them.

    Raises:
        Unavailable: see `load` and `capability`.
    """
    name = capability()
    try:
        return load(name)
    except Unavailable:
        if name != BFLOAT16:
            raise
        return load("AVX512")


def load(capability: str) -> Library:
    """Load the kernels for a processor with `capability`, from the cache or freshly compiled.

    A library in the cache that is damaged, or does not fit, is compiled anew and replaced. Where
    the cache cannot be used, the library serves this process alone.

    Raises:
        Unavailable: there is no compiler, it fails, or its result cannot be loaded.
    """
    try:
        kind, runtime = _openmp_runtime()
        build = Build.for_processor(capability, kind)
        # The kernels find the functions of the runtime that they call among the global symbols.
        ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
        with contextlib.ExitStack() as stack:
            try:
                cache = stack.enter_context(open_cache())
            except NoCache as reason:
                return _compile(build, None, str(reason))
            if cache.holds(build.name):
                with contextlib.suppress(Unavailable):
                    functions = _open(cache.locate(build.name))
                    return Library(functions, cache.path / build.name)
            return _compile(build, cache)
    except OSError as error:  # no temporary folder, a full disk
        raise Unavailable(f"the kernels cannot be compiled or loaded: {error}") from error


def _compile(build: Build, cache: CacheFolder | None, why_not_cached: str = "") -> Library:
    """Compile and load the library, and keep it in `cache` if that works."""
    with tempfile.TemporaryDirectory(prefix="pygraph_nn-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / build.name
        build.compile(file)
        if cache is not None:
            try:
                # Load before publishing: a library that cannot be loaded is never published.
                with cache.unfinished(build.name, file.read_bytes()) as temporary:
                    functions = _open(cache.locate(temporary))
                    cache.publish(temporary, build.name)
                return Library(functions, cache.path / build.name)
            except (OSError, Unavailable) as error:
                why_not_cached = f"{cache.path} cannot be used: {error}"
        return Library(_open(str(file)), None, why_not_cached)  # a loaded file may be removed


def _open(path: str) -> ctypes.CDLL:
    try:
        functions = ctypes.CDLL(path)
    except OSError as error:
        raise Unavailable(f"the compiled library cannot be loaded: {error}") from error
    declare(functions)
    return functions


def _openmp_runtime() -> tuple[str, Path]:
    """Find the OpenMP runtime that PyTorch has loaded: its kind and its file."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape")
    paths = [Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if "/" in line]
    own = Path(torch.__file__).parent
    paths.sort(key=lambda path: own not in path.parents)  # another package may have brought its own
    for kind in ("libgomp", "libiomp5", "libomp"):
        for path in paths:
            if path.name.startswith(kind) and ".so" in path.name:
                return kind, path
    raise Unavailable("PyTorch runs without OpenMP here")
