"""Compiling the kernels: which compiler, what a library is named after, and why there is none."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import cpu_capabilities, needs_kernels, run_python

import pygraph_nn as nngraph
from pygraph_nn.recurrent.native import build, capability, kernels_status, load, loading

SOURCES = sorted(build.SOURCES.glob("*.c"))


@pytest.fixture
def reason_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], str | None]:
    """Ask `kernels_unavailable` anew, with an empty cache and other environment variables."""

    def ask(environment: dict[str, str]) -> str | None:
        monkeypatch.setattr(loading, "_outcome", loading._outcome.__wrapped__)
        for name, value in {"XDG_CACHE_HOME": str(tmp_path / "cache"), **environment}.items():
            monkeypatch.setenv(name, value)
        return nngraph.kernels_unavailable()

    return ask


@needs_kernels()
@pytest.mark.parametrize(
    ("cc", "reason"),
    [
        ("no-such-compiler", "no compiler was found: no-such-compiler"),
        ("/dev/null", "no compiler was found: /dev/null"),
        ("''", "no compiler was found: ''"),
        ("gcc '-O2", "CC=gcc '-O2 is not a valid command: No closing quotation"),
        ('gcc "', 'CC=gcc " is not a valid command: No closing quotation'),
        ("gcc \\", "CC=gcc \\ is not a valid command: No escaped character"),
        ("false", "false cannot compile bfloat16_product.c: exit status 1"),
        ("cat", "cat cannot compile bfloat16_product.c: "),
        ("env gcc -no-such-option", "env gcc -no-such-option cannot compile bfloat16_product.c: "),
        (os.fsdecode(b"no-\xff-compiler"), "no compiler was found: 'no-\\udcff-compiler'"),
    ],
)
def test_a_compiler_that_is_of_no_use(
    reason_now: Callable[[dict[str, str]], str | None], tmp_path: Path, cc: str, reason: str
) -> None:
    """The reason is one line that can be printed; nothing is left in the cache."""
    line = reason_now({"CC": cc})
    assert line is not None
    assert reason in line
    assert line.isprintable()
    state = kernels_status()
    assert state.splitlines()[0] == f"No compiled kernels, PyTorch's operations are used: {line}"
    state.encode("utf-8")
    assert list(tmp_path.glob("cache/pygraph_nn/*")) == []


@needs_kernels()
def test_no_compiler(reason_now: Callable[[dict[str, str]], str | None], tmp_path: Path) -> None:
    reason = reason_now({"CC": " ", "PATH": str(tmp_path)})
    assert reason == "no compiler was found: gcc, cc or clang"


@needs_kernels()
def test_a_compiler_that_hangs(
    reason_now: Callable[[dict[str, str]], str | None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It is killed, and so are its children, which hold its output open."""
    monkeypatch.setattr(build, "TIMEOUT_SECONDS", 2)
    compiler, child = tmp_path / "compiler", tmp_path / "child"
    compiler.write_text(f"#!/bin/sh\nsleep 1000 &\necho $! > {child}\nwait\n")
    compiler.chmod(0o700)
    assert reason_now({"CC": str(compiler)}) == f"{compiler} has not finished after 2 s"
    status = Path(f"/proc/{int(child.read_text())}/status")
    with contextlib.suppress(OSError):  # then it is gone
        while "State:\tZ" not in status.read_text():  # the signal is on its way
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "PYGRAPH_NN_NATIVE",
            "0",
            "PYGRAPH_NN_NATIVE in the environment turns the compiled kernels off",
        ),
        (
            "ATEN_CPU_CAPABILITY",
            "default",
            "compiled kernels need Linux on x86-64 with AVX2 or AVX-512",
        ),
        ("CC", "gcc '", "CC=gcc ' is not a valid command"),
    ],
)
def test_the_module_prints_why(tmp_path: Path, name: str, value: str, reason: str) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path), "LC_ALL": "C", name: value}
    versions, state, *_ = run_python("-m", "pygraph_nn", **environment).splitlines()
    assert versions == f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    assert state.startswith("No compiled kernels, PyTorch's operations are used: ")
    assert reason in state or not cpu_capabilities()
    assert list(tmp_path.iterdir()) == []


@needs_kernels()
def test_it_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time, a process of its own finds it, and prints where it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "pygraph_nn"
    path = load(capability()).path
    assert path is not None
    assert os.listdir(folder) == [path.name]
    before = path.stat()
    _, state = run_python("-m", "pygraph_nn").splitlines()
    assert state == f"Compiled kernels: {path}"
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_the_public_name() -> None:
    reason = nngraph.kernels_unavailable()
    assert (reason is None) == bool(cpu_capabilities())


@needs_kernels()
@pytest.mark.parametrize(
    "command",
    ["{cc}; touch {file}", "{cc} $(touch {file})", "{cc} `touch {file}`", "{cc}|touch {file}"],
)
def test_cc_is_not_run_by_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    file = tmp_path / "touched"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CC", command.format(cc=build._find_compiler()[0], file=file))
    with pytest.raises(build.Unavailable):
        load(capability())
    assert not file.exists()


@needs_kernels()
def test_cc_with_arguments_and_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "a compiler's"
    compiler.symlink_to(build._find_compiler()[0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", f"  {str(compiler)!r} '-DNAME=\"a b\"' -g0")
    assert build._find_compiler() == [str(compiler), '-DNAME="a b"', "-g0"]
    assert load(capability()).path is not None


def wrapper(folder: Path, version: str) -> Path:
    """A compiler of another version."""
    folder.mkdir(exist_ok=True)
    program = folder / "compiler"
    program.write_text(
        f"#!/bin/sh\ncase $1 in --version) echo {version} ;; "
        f'*) exec {build._find_compiler()[0]} "$@" ;; esac\n'
    )
    program.chmod(0o700)
    return program


@needs_kernels()
def test_another_version_is_another_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler = wrapper(tmp_path / "bin", "1.0")
    monkeypatch.setenv("CC", str(compiler))
    first = load(capability()).path
    assert load(capability()).path == first
    monkeypatch.delenv("CC")
    wrapper(tmp_path / "bin", "1.1")
    monkeypatch.setenv("CC", str(compiler))
    second = load(capability()).path
    assert first is not None
    assert second not in (None, first)
    assert first.exists()


@needs_kernels()
def test_what_a_library_is_named_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that its code depends on changes the name, and nothing else does."""
    own = build._find_compiler()[0]
    compilers = [wrapper(tmp_path / name, version) for name, version in [("a", "1"), ("b", "1")]]
    changed = tmp_path / "changed"
    shutil.copytree(build.SOURCES, changed)
    header = changed / "vectors.h"
    header.write_text(header.read_text() + "\n")

    def name(capability: str = "AVX2", openmp: str = "libgomp", cc: str = own) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CC", cc)
            return build.Build.for_processor(capability, openmp).name

    names = [
        name(),
        name(capability="AVX512"),
        name(openmp="libiomp5"),
        name(cc=str(compilers[0])),
        name(cc=str(compilers[1])),
        name(cc=f"{own} -g"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(build, "FLAGS", [*build.FLAGS, "-g"])
        names.append(name())
    with monkeypatch.context() as patch:
        patch.setattr(build, "SOURCES", changed)
        names.append(name())
    for libc in [("glibc", "9.99"), ("musl", platform.libc_ver()[1])]:
        with monkeypatch.context() as patch:
            patch.setattr(platform, "libc_ver", lambda libc=libc: libc)
            names.append(name())
    assert len(set(names)) == len(names)
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.chdir(tmp_path)
    assert name() == names[0]


COMPILERS = [name for name in ("gcc", "cc", "clang") if shutil.which(name)]


@pytest.mark.skipif(not cpu_capabilities(), reason="no compiler, or not Linux on x86-64")
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", build.CAPABILITIES.values(), ids=build.CAPABILITIES)
def test_the_sources_have_no_warnings(tmp_path: Path, compiler: str, flags: list[str]) -> None:
    for source in SOURCES:
        command = [compiler, *build.FLAGS, *flags, "-Wall", "-Wextra", "-Werror", "-c", str(source)]
        process = subprocess.run(
            [*command, "-o", str(tmp_path / "object.o")], capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr
