"""The cache of the compiled kernels: damaged files, files of others, old ones, many processes.

What lies in the cache is run, and the dynamic loader crashes on a truncated library. Compilers,
files and processes are real here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import needs_kernels, run_python

from pygraph_nn.recurrent.native import build, cache, capability, load

pytestmark = needs_kernels()
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away"
)
NOBODY = 65534

# Load the kernels from each cache folder in turn, use them, and print where the library is.
USE = """
import os, sys, torch
from pygraph_nn.recurrent.native import build, capability, load, loading, softmax_loss
build.FLAGS[0] = "-O0"

def use(folder):
    os.environ["XDG_CACHE_HOME"] = folder
    library = load(capability())
    loading.library = lambda: library.functions
    losses, _ = softmax_loss(torch.zeros(2, 4), torch.tensor([0, 3]), gradient=False)
    assert torch.allclose(losses, torch.full((2,), 4.0).log())
    os.write(1, f"{library.path or library.why_not_cached}\\n".encode())  # in one piece
"""
IN_TURN = f"{USE}\nfor folder in sys.argv[1:]: use(folder)"
# The same in four processes that start loading at the same moment.
AT_ONCE = f"""{USE}
import multiprocessing
fork = multiprocessing.get_context("fork")
barrier = fork.Barrier(4)

def wait_and_use(folder):
    barrier.wait()
    use(folder)

for folder in sys.argv[1:]:
    processes = [fork.Process(target=wait_and_use, args=[folder]) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0, process.exitcode
"""


@pytest.fixture(scope="module", autouse=True)
def quick_compilation() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "FLAGS", ["-O0", *build.FLAGS[1:]])
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the cache folder, in an empty XDG_CACHE_HOME."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "pygraph_nn"


@pytest.fixture(scope="module")
def intact(quick_compilation: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An intact library, as the cache holds it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("intact")))
        path = load(capability()).path
    assert path is not None
    return path


def is_intact(path: Path) -> bool:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        return cache.CacheFolder(path.parent, descriptor).holds(path.name)
    finally:
        os.close(descriptor)


def sealed(path: Path, content: bytes) -> bytes:
    """A file for `path` whose content is what was written, whatever that is."""
    return content + cache._seal(path.name, content)


def shared_library(code: str, *arguments: str) -> bytes:
    """A shared library that a compiler makes of `code`."""
    command = [*build._find_compiler(), "-shared", "-fPIC", "-x", "c", "-", "-x", "none"]
    with tempfile.TemporaryDirectory() as place:
        library = Path(place) / "library.so"
        subprocess.run(
            [*command, *arguments, "-o", str(library)],
            input=code.encode(),
            check=True,
        )
        return library.read_bytes()


def for_another_libc() -> bytes:
    """A library that needs the C library of a system that this is not."""
    with tempfile.TemporaryDirectory() as place:
        other = Path(place) / "libc.other-x86_64.so.1"
        other.write_bytes(shared_library("int f(void) { return 1; }", f"-Wl,-soname,{other.name}"))
        return shared_library("int f(void); int g(void) { return f(); }", str(other))


def without_symbols() -> bytes:
    return shared_library("int lstm_forward(void) { return 0; }")


def with_other_structs() -> bytes:
    """The sources with two members of a struct, of the same type, exchanged."""
    with tempfile.TemporaryDirectory() as place:
        sources = Path(place) / "sources"
        shutil.copytree(build.SOURCES, sources)
        file = sources / "lstm.h"
        code = file.read_text()
        for old, new in [("float *h;", "float *x;"), ("float *c;", "float *h;"), ("*x;", "*c;")]:
            assert old in code
            code = code.replace(old, new, 1)
        file.write_text(code)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(build, "SOURCES", sources)
            library = Path(place) / "library.so"
            build.Build.for_processor(capability(), "libgomp").compile(library)
        return library.read_bytes()


def test_a_damaged_library_is_rebuilt(tmp_path: Path, intact: Path) -> None:
    """All in one process, which does not crash."""
    whole = intact.read_bytes()
    zeros = bytes(len(whole))
    damaged = {
        "empty": b"",
        "text": b"This is not a library.\n" * 100,
        "zeros": zeros,
        "header only": whole[:64],
        "a page": whole[:4096],
        "half": whole[: len(whole) // 2],
        "most": whole[:-1000],
        "unsealed": whole[: -cache._SEAL_LENGTH],
        "zeros in the middle": whole[:8000] + zeros[:9000] + whole[17000:],
        "too long": whole + b"\0",
        "sealed text": sealed(intact, b"This is not a library.\n" * 100),
        "sealed, empty": sealed(intact, b""),
        "another name's": shared_library("") + cache._seal("another.so", shared_library("")),
        "another libc's": sealed(intact, for_another_libc()),
        "without symbols": sealed(intact, without_symbols()),
        "with other structs": sealed(intact, with_other_structs()),
    }
    files = {}
    for name, content in damaged.items():
        files[name] = tmp_path / name / "pygraph_nn" / intact.name
        files[name].parent.mkdir(parents=True)
        files[name].write_bytes(content)
        files[name].chmod(0o600)
    homes = [tmp_path / name for name in damaged]
    expected = [str(file) for file in files.values()]
    assert run_python("-c", IN_TURN, *homes).splitlines() == expected
    for name, file in files.items():
        assert is_intact(file), name
        assert os.listdir(file.parent) == [intact.name], name


def test_every_truncation_is_noticed(tmp_path: Path, intact: Path) -> None:
    file = tmp_path / intact.name
    shutil.copy(intact, file)
    assert is_intact(file)
    size = file.stat().st_size
    for length in [*range(size - 1, size - 300, -1), *range(size - 300, 0, -97), 0]:
        os.truncate(file, length)
        assert not is_intact(file), length


def test_every_changed_byte_is_noticed(tmp_path: Path, intact: Path) -> None:
    file = tmp_path / intact.name
    whole = intact.read_bytes()
    for place in [*range(0, len(whole), 331), *range(len(whole) - 80, len(whole))]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        file.chmod(0o600)
        assert not is_intact(file), place


def test_it_is_rebuilt_once_and_then_given_up(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler whose libraries lack the symbols is asked once; nothing of it stays."""
    compiler, log = tmp_path / "compiler", tmp_path / "log"
    compiler.write_text(f"""#!/bin/sh
case "$*" in *-shared*) echo link >> {log} ;; esac
for output; do :; done
case "$*" in
  *--version*) echo 1 ;;
  *) echo "int unused;" | {build._find_compiler()[0]} -shared -fPIC -x c - -o "$output" ;;
esac
""")
    compiler.chmod(0o700)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(build.Unavailable, match=r"incomplete: .*lstm_packed_size"):
        load(capability())
    assert os.listdir(folder) == []
    name = build.Build.for_processor(capability(), "libgomp").name
    file = folder / name
    file.write_bytes(sealed(file, without_symbols()))
    file.chmod(0o600)
    log.unlink()
    with pytest.raises(build.Unavailable, match=r"incomplete: .*lstm_packed_size"):
        load(capability())
    assert log.read_text() == "link\n"


def test_many_processes_at_once(tmp_path: Path, intact: Path) -> None:
    """All load at the same moment, from an empty cache or from one with a damaged library."""
    files = [tmp_path / name / "pygraph_nn" / intact.name for name in ("new", "empty", "half")]
    for file, content in zip(files[1:], [b"", intact.read_bytes()[:8000]], strict=True):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    printed = run_python("-c", AT_ONCE, *(file.parents[1] for file in files))
    assert printed.splitlines() == [str(file) for file in files for _ in range(4)]
    for file in files:
        assert os.listdir(file.parent) == [intact.name]
        assert is_intact(file)


def not_cached() -> str:
    """Load the kernels; check that the cache does not hold them, and return why."""
    library = load(capability())
    assert library.functions.lstm_packed_size(1) > 0
    assert library.path is None
    return library.why_not_cached


def test_folder_and_file_are_private(folder: Path) -> None:
    before = os.umask(0)
    try:
        path = load(capability()).path
    finally:
        os.umask(before)
    assert path is not None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_a_folder_that_others_can_write_to(folder: Path, intact: Path, mode: int) -> None:
    folder.mkdir()
    shutil.copy(intact, folder)
    folder.chmod(mode)
    assert not_cached() == f"{folder} can be written to by its group or by others"
    assert os.listdir(folder) == [intact.name]


@needs_root
def test_a_folder_of_another_user(folder: Path, intact: Path) -> None:
    folder.mkdir(0o700)
    shutil.copy(intact, folder)
    os.chown(folder, NOBODY, NOBODY)
    assert not_cached() == f"{folder} belongs to another user (uid {NOBODY})"
    assert os.listdir(folder) == [intact.name]


def test_a_link_in_place_of_the_folder(folder: Path, tmp_path: Path, intact: Path) -> None:
    target = tmp_path / "target"
    target.mkdir(0o700)
    shutil.copy(intact, target)
    folder.symlink_to(target)
    assert not_cached() == f"{folder} is a symbolic link"
    folder.unlink()
    folder.symlink_to(tmp_path / "nowhere")
    assert not_cached() == f"{folder} is a symbolic link"
    assert os.listdir(target) == [intact.name]
    assert not (tmp_path / "nowhere").exists()


def test_a_link_further_up_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, intact: Path
) -> None:
    """A home or a cache on another disk is the user's own choice."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "disk")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    load(capability())
    assert is_intact(tmp_path / "disk" / "pygraph_nn" / intact.name)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_library_that_others_can_write_to(folder: Path, intact: Path, mode: int) -> None:
    """It is replaced, though its content is right: it may not be, a moment later."""
    folder.mkdir(0o700)
    file = Path(shutil.copy(intact, folder))
    file.chmod(mode)
    before = file.stat().st_ino
    assert load(capability()).path == file
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@needs_root
def test_a_library_of_another_user(folder: Path, intact: Path) -> None:
    folder.mkdir(0o700)
    file = Path(shutil.copy(intact, folder))
    os.chown(file, NOBODY, NOBODY)
    assert load(capability()).path == file
    assert file.stat().st_uid == os.geteuid()


def test_a_link_in_place_of_the_library(folder: Path, tmp_path: Path, intact: Path) -> None:
    folder.mkdir(0o700)
    target = Path(shutil.copy(intact, tmp_path / "target"))
    before = target.stat()
    file = folder / intact.name
    file.symlink_to(target)
    assert load(capability()).path == file
    assert not file.is_symlink()
    assert (target.stat().st_ino, target.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_pipe_in_place_of_the_library(folder: Path, intact: Path) -> None:
    folder.mkdir(0o700)
    file = folder / intact.name
    os.mkfifo(file)
    assert load(capability()).path == file
    assert is_intact(file)


def test_a_folder_in_place_of_the_library(folder: Path, intact: Path) -> None:
    folder.mkdir(0o700)
    (folder / intact.name).mkdir()
    assert "cannot be used" in not_cached()
    assert os.listdir(folder) == [intact.name]


def test_a_file_in_place_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    assert str(file) in not_cached()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "pygraph_nn").touch()
    assert "Not a directory" in not_cached()


def test_a_relative_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, intact: Path
) -> None:
    """As the XDG specification says; the working folder may be anybody's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(capability()).path == tmp_path / "home" / ".cache" / "pygraph_nn" / intact.name
    assert os.listdir(tmp_path) == ["home"]


def test_nothing_stays_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load(capability()).path is not None
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert "/dev/null" in not_cached()
    assert os.listdir(temporary) == []


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(build.Unavailable, match=r"cannot be compiled or loaded: .*nowhere"):
        load(capability())


def run_mounted(script: str, **environment: str) -> list[str]:
    """Run a shell script that may mount disks, which nobody else sees; return what it prints."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is missing")
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    trial_script = f"mount -t tmpfs none /mnt; {shlex.quote(sys.executable)} -c pass"
    trial = subprocess.run([*command, trial_script], capture_output=True, text=True)
    if trial.returncode:
        pytest.skip(f"no disk can be mounted here: {trial.stderr.strip()}")
    process = subprocess.run(
        [*command, script], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_disks_that_cannot_keep_a_library(tmp_path: Path, intact: Path) -> None:
    """Full, read-only, or without permission to run files: the kernels serve the process alone."""
    mounts = {"full": "size=8k", "no files": "nr_inodes=1", "one file": "nr_inodes=2"}
    mounts |= {"read-only": "ro", "filled": "mode=755", "noexec": "noexec"}
    homes = {name: tmp_path / name for name in mounts}
    script = ""
    for name, options in mounts.items():
        homes[name].mkdir()
        script += f"mount -t tmpfs -o {options} none {shlex.quote(str(homes[name]))};"
    filled = shlex.quote(str(homes["filled"]))
    script += f"mkdir -m 700 {filled}/pygraph_nn; cp -p {intact} {filled}/pygraph_nn;"
    script += f"mount -o remount,ro {filled};"
    arguments = shlex.join([sys.executable, "-c", IN_TURN, *map(str, homes.values())])
    printed = run_mounted(f"{script} {arguments}; find {shlex.quote(str(tmp_path))} -type f")
    library = str(homes["filled"] / "pygraph_nn" / intact.name)
    expected = ["No space left", "No space left", "No space left", "Read-only", library]
    for line, part in zip(printed, [*expected, "failed to map segment", library], strict=True):
        assert part in line


def test_a_full_disk_for_temporary_files(tmp_path: Path) -> None:
    """The compiler fails; its message is still there."""
    place, module = shlex.quote(str(tmp_path)), shlex.join([sys.executable, "-m", "pygraph_nn"])
    script = f"mount -t tmpfs -o size=8k none {place}; {module}"
    state = run_mounted(script, TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert "No compiled kernels" in state[1]
    assert re.search(r"cannot compile \w+\.c", state[1])
    assert "No space left on device" in state[1]


def files_by_age(folder: Path, names: list[str]) -> Iterator[Path]:
    """New files in `folder`, each a minute older than the one before."""
    for age, name in enumerate(names):
        file = folder / name
        file.write_bytes(b"x")
        os.utime(file, times=(time.time() - 60 * age,) * 2)
        yield file


def test_old_libraries_are_removed(folder: Path, intact: Path) -> None:
    """The newest few stay, since several environments share the folder."""
    folder.mkdir(0o700)
    names = [f"kernels-{'AVX2' if i % 2 else 'AVX512'}-{i:016x}.so" for i in range(20)]
    files = list(files_by_age(folder, names))
    in_the_future = folder / f"kernels-AVX2-{99:016x}.so"
    in_the_future.touch()
    os.utime(in_the_future, times=(time.time() + 1e6,) * 2)
    assert load(capability()).path == folder / intact.name
    kept = [*(file.name for file in files[: cache.MAX_LIBRARIES - 2]), in_the_future.name]
    assert sorted(os.listdir(folder)) == sorted([*kept, intact.name])
    load(capability())
    assert sorted(os.listdir(folder)) == sorted([*kept, intact.name])


def test_files_of_others_stay(folder: Path, tmp_path: Path) -> None:
    """Only what has this package's names, is a file, and belongs to the user is removed."""
    folder.mkdir(0o700)
    ours = [f"kernels-AVX2-{i:016x}.so" for i in range(cache.MAX_LIBRARIES + 3)]
    list(files_by_age(folder, ours))
    old = f"kernels-AVX2-{0xAB:016x}.so"
    others = ["notes.txt", "kernels.so", "kernels-AVX2-abc.so", f"x{old}", f"{old}-x", ".hidden"]
    for name in others:
        (folder / name).touch()
        os.utime(folder / name, times=(0, 0))
    directory, link = (folder / f"kernels-AVX2-{i:016x}.so" for i in (100, 101))
    directory.mkdir()
    link.symlink_to(tmp_path)
    if os.geteuid() == 0:
        foreign = folder / f"kernels-AVX2-{102:016x}.so"
        foreign.touch()
        os.utime(foreign, times=(0, 0))
        os.chown(foreign, NOBODY, NOBODY)
        others.append(foreign.name)
    load(capability())
    left = set(os.listdir(folder))
    assert {*others, directory.name, link.name} < left
    assert len(left & set(ours)) == cache.MAX_LIBRARIES - 1


def test_unfinished_files_are_removed_when_old(folder: Path) -> None:
    """A process that was killed leaves one; a process at work needs its own."""
    folder.mkdir(0o700)
    name = f"kernels-AVX2-{0:016x}.so"
    new, old, earlier = (folder / f"{name}.{end}" for end in ("0123abcd", "4567abcd", "4711"))
    for file in (new, old, earlier):
        file.touch()
    for file in (old, earlier):
        os.utime(file, times=(time.time() - cache.ABANDONED_SECONDS - 60,) * 2)
    path = load(capability()).path
    assert path is not None
    assert sorted(os.listdir(folder)) == sorted([new.name, path.name])
