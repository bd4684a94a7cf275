"""Torch7 files as plain values: against what Torch7 wrote, and against damaged files."""

from __future__ import annotations

import math
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import GOLDEN, golden, needs_golden, run_python
from hypothesis import given, settings
from hypothesis import strategies as st

from pygraph_nn import GraphError, t7
from tools.fuzz_t7 import mutated, try_input

FOLDER = GOLDEN / "t7"
FILES = golden("t7", "index.json")["files"] if FOLDER.is_dir() else []
KINDS = ("binary", "ascii", "b32", "unreferenced_binary")
PATHS = [
    pytest.param(file, file[kind], id=file[kind])
    for file in FILES
    for kind in KINDS
    if kind in file and not file["name"].startswith(("gmodule", "mlp", "lstm", "model"))
]


# Values that Torch7 wrote


class Comparison:
    """Compares a value with golden content; objects that it names again must be the same."""

    def __init__(self, is_b32: bool) -> None:
        self.is_b32 = is_b32
        self.seen: dict[int, Any] = {}

    def check(self, ours: Any, theirs: Any) -> None:
        if isinstance(theirs, bool) or theirs is None:
            assert ours is theirs
        elif isinstance(theirs, (int, float, str)):
            assert ours == theirs
            assert not isinstance(ours, bool)
        elif "hex" in theirs:
            raw = ours if isinstance(ours, bytes) else ours.encode()
            assert raw == bytes.fromhex(theirs["hex"])
        elif "number" in theirs:
            assert same_numbers([ours], [theirs["number"]])
        elif "ref" in theirs:
            assert same(self.seen[theirs["ref"]], ours)
        else:
            self.seen[theirs.get("id")] = ours
            getattr(self, theirs["kind"])(ours, theirs)

    def table(self, ours: Any, theirs: Any) -> None:
        pairs = dict(enumerate(ours, 1)) if isinstance(ours, list) else ours
        assert len(pairs) == len(theirs["pairs"])
        for key, value in theirs["pairs"]:
            if isinstance(key, dict):
                key = float(key["number"]) if "number" in key else self.seen[key["ref"]]
            self.check(pairs[key], value)

    def object(self, ours: t7.T7Object, theirs: Any) -> None:
        assert ours.class_name == theirs["class"]
        self.table(ours.fields, theirs)

    def tensor(self, ours: torch.Tensor, theirs: Any) -> None:
        assert ours.dtype == t7.element_type(theirs["type"]).dtype
        if not theirs["size"]:
            assert ours.numel() == 0
            return
        assert list(ours.shape) == theirs["size"]
        assert list(ours.stride()) == theirs["stride"]
        assert ours.storage_offset() == theirs["storageOffset"] - 1
        count = ours.untyped_storage().nbytes() // ours.element_size()
        whole = torch.empty(0, dtype=ours.dtype).set_(ours.untyped_storage(), 0, (count,))
        self.check(t7.T7Storage(whole), theirs["storage"])

    def storage(self, ours: t7.T7Storage, theirs: Any) -> None:
        expected = theirs["values"]
        expected = expected["data"] if isinstance(expected, dict) else expected
        if self.is_b32:  # a long of 4 bytes keeps the lower half
            expected = [(int(x) + 2**31) % 2**32 - 2**31 for x in expected]
        assert same_numbers(ours.tolist(), expected)

    def function(self, ours: t7.T7Function, theirs: Any) -> None:
        assert ours.code.startswith(b"\x1bLJ")  # LuaJIT's bytecode


def same_numbers(ours: list[Any], theirs: list[Any]) -> bool:
    numbers = [float(x["number"] if isinstance(x, dict) else x) for x in theirs]
    return np.allclose(ours, numbers, rtol=1e-7, atol=0, equal_nan=True)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, t7.T7Storage):
        return a.tensor.data_ptr() == b.tensor.data_ptr() and len(a) == len(b)
    return a is b


@needs_golden
@pytest.mark.parametrize(("file", "name"), PATHS)
def test_values_of_torch7(file: dict[str, Any], name: str) -> None:
    is_b32 = ".b32" in name and "long" in name
    value = t7.load(FOLDER / name)
    Comparison(is_b32).check(value, golden("t7", file["content"])["content"])


@needs_golden
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.t7")), ids=lambda path: path.name)
def test_written_again_are_the_same_bytes(path: Path) -> None:
    file = t7.read(path)
    options = {} if file.format == "ascii" else {"long_size": 4 if ".b32" in path.name else 8}
    assert t7.dumps(file.value, file.format, **options) == path.read_bytes()


# Values of our own, and other formats


def everything() -> dict[Any, Any]:
    flat = torch.arange(12.0)
    shared = {"name": "täg"}
    value: dict[Any, Any] = {
        "numbers": [0.0, -0.0, 1, -1, 2**53, 1.5, math.inf, 1e300],
        "strings": ["", "a\nb", b"\xff\xfe", "x" * 200],
        "flags": [True, False],
        "twice": [shared, shared],
        "views": [flat.view(3, 4), flat.view(3, 4).t(), flat[2:5], t7.T7Storage(flat)],
        "types": [torch.tensor([1, 2, 3]).to(dtype) for dtype in (
            torch.float64, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8,
            torch.uint8,
        )],
        "object": t7.T7Object("my.Class", {"weight": flat, 3: None}, version=2),
        "old object": t7.T7Object("old", {}, version=0),
        "functions": [t7.T7Function(b"\x1bLJ", [1], kind) for kind in (6, 7, 8)],
        -1: "negative", 1.5: "fraction", "mixed": {1: 1, 3: 3},
        "many": [*range(50), 0.5], "many mixed": [*range(40), "end"],
    }  # fmt: skip
    value["itself"] = value
    value["table keys"] = t7.T7Table([(True, 1), (1, 2), (shared, 3), (flat, 4)])
    return value


def tree(value: Any) -> list[tuple[str, str, Any]]:
    return [(row.path, row.text, row.facts) for row in t7.rows(value)]


def test_integers_are_shown_in_full() -> None:
    large = torch.tensor([2**40 + 1, 2**31 - 1])
    assert tree(t7.T7Storage(large))[0][1] == "LongStorage of 2: 1099511627777, 2147483647"
    assert tree([123456789, 0.5])[0][1] == "table of 2 numbers: 123456789, 0.5"


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("long_size", [4, 8])
def test_binary_there_and_back(byte_order: str, long_size: int) -> None:
    options = {"byte_order": byte_order, "long_size": long_size}
    raw = t7.dumps(everything(), **options)
    file = t7.read(raw)
    assert (file.format, file.byte_order, file.long_size, file.rest) == (
        "binary", byte_order, long_size, 0
    )  # fmt: skip
    assert t7.dumps(file.value, **options) == raw
    assert tree(file.value) == tree(everything())
    assert file.value["views"][0].data_ptr() == file.value["views"][3].tensor.data_ptr()
    assert math.copysign(1, file.value["numbers"][1]) == -1


def test_ascii_there_and_back() -> None:
    raw = t7.dumps(everything(), "ascii")
    value = t7.load(raw)
    assert t7.read(raw).format == "ascii"
    assert t7.dumps(value, "ascii") == raw
    assert tree(value) == tree(everything())


def test_unreferenced() -> None:
    shared = [1]
    raw = t7.dumps([shared, shared], referenced=False)
    a, b = t7.load(raw, referenced=False)
    assert a == b
    assert a is not b
    shared.append(shared)
    with pytest.raises(t7.T7Error, match="a cycle cannot be written"):
        t7.dumps(shared, referenced=False)


def test_cuda_classes_are_tensors_of_the_cpu() -> None:
    raw = t7.dumps(torch.ones(2)).replace(struct.pack("<i", 17) + b"torch.FloatTensor",
                                          struct.pack("<i", 16) + b"torch.CudaTensor")  # fmt: skip
    raw = raw.replace(struct.pack("<i", 18) + b"torch.FloatStorage",
                      struct.pack("<i", 17) + b"torch.CudaStorage")  # fmt: skip
    assert torch.equal(t7.load(raw), torch.ones(2))
    assert t7.element_type("torch.CudaDoubleTensor").dtype == torch.float64
    assert t7.load(raw, device="meta").is_meta


def test_a_file_is_mapped_and_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.t7"
    t7.save(path, {"x": torch.arange(100000.0)})
    value = t7.load(path)
    value["x"][0] = 7  # a change in memory
    t7.save(path, value)  # of the file that x is mapped from
    assert value["x"][1] == 1
    assert t7.load(path, mmap=False)["x"][:2].tolist() == [7, 1]
    assert not list(tmp_path.glob(".*"))
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.t7"
    t7.save(path, {"large": torch.zeros(10_000_000, dtype=torch.float64), "small": torch.ones(3)})
    program = f"""
import re
from pygraph_nn import t7
def peak():  # in kB; getrusage would count what the parent of the process once had
    return int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
before = peak()
assert t7.load({str(path)!r})["small"].sum() == 3
mapped = peak() - before
t7.load({str(path)!r}, mmap=False)
print(mapped, peak() - before)
"""
    mapped, whole = map(int, run_python("-c", program).split())
    assert mapped < 30_000 < 70_000 < whole  # kB, of a file of 80 MB


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, object()]}, ".a[2]"),
        ({"x y": {3: torch.zeros(2, dtype=torch.complex64)}}, "['x y'][3]"),
        ([2**60], "[1]"),
        ({"a": {None: 1}}, ".a"),
        (["\ud800"], "[1]"),
        ({"m": torch.zeros(2, device="meta")}, ".m"),
    ],
)
def test_what_cannot_be_written(value: Any, path: str) -> None:
    with pytest.raises(t7.T7Error) as error:
        t7.dumps(value)
    assert error.value.path == path
    assert isinstance(error.value, GraphError)


def test_numbers_that_do_not_fit_into_4_bytes() -> None:
    with pytest.raises(t7.T7Error, match="does not fit"):
        t7.dumps(torch.tensor([2**40]), long_size=4)


# Damaged files


def ints(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def longs(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def header(name: bytes, index: int = 1) -> bytes:
    return ints(4, index, 3) + b"V 1" + ints(len(name)) + name


STORAGE = header(b"torch.FloatStorage", 2) + longs(6) + bytes(24)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "no Torch7 file"),
        (b"PK\x03\x04 zip", "no Torch7 file"),
        (ints(3, 1, 1000), "a table of 1000 pairs, 0 bytes are left"),
        (ints(3, 1, -1), "a table of -1 pairs"),
        (ints(3, 1, 1, 0, 0), "the key nil"),
        (ints(3, 1, 1, 1) + struct.pack("<d", math.nan) + ints(0), "the key nan"),
        (ints(3, 1, 1, 9, 0, 0), "there is no type 9"),
        (ints(5, 2), "a boolean, 0 or 1, got 2"),
        (ints(2, -5), "negative size"),
        (ints(2, 2**31 - 1) + b"x", "a string needs 2147483647 bytes, 1 are left"),
        (header(b"torch.FloatTensor") + ints(65), "65 dimensions"),
        (header(b"torch.FloatTensor") + ints(-1), "-1 dimensions"),
        (header(b"torch.FloatTensor") + ints(1) + longs(-6, 1, 1) + STORAGE, "size -6"),
        (header(b"torch.FloatTensor") + ints(1) + longs(6, -1, 1) + STORAGE, "stride -1"),
        (header(b"torch.FloatTensor") + ints(1) + longs(6, 1, -1) + STORAGE, "offset -2"),
        (header(b"torch.FloatTensor") + ints(1) + longs(6, 2, 1) + STORAGE, "element 10 of"),
        (header(b"torch.FloatTensor") + ints(1) + longs(6, 1, 2) + STORAGE, "element 6 of"),
        (header(b"torch.DoubleTensor") + ints(1) + longs(1, 1, 1) + STORAGE, "storage of its"),
        (header(b"torch.FloatTensor") + ints(1) + longs(1, 1, 1) + ints(0), "of a storage of 0"),
        (header(b"torch.FloatTensor") + ints(2) + longs(2**31, 2**31, 0, 0, 1) + STORAGE, "elem"),
        (header(b"torch.LongStorage") + longs(2**60), "needs 9223372036854775808 bytes"),
        (header(b"my\xff") + ints(0), "no text"),
        (header(b"x" * 2000), "2000 bytes"),
        (header(b"x.Y") + ints(4, 1), "not followed by a table"),
        (ints(3, 1, 1, 3, 2, 0, 4, 2), "refers to object 2, which is a table"),
    ],
)
def test_damaged(raw: bytes, problem: str) -> None:
    with pytest.raises(t7.T7Error, match=problem):
        t7.load(raw, long_size=8)


def test_an_error_names_offset_and_path(tmp_path: Path) -> None:
    raw = t7.dumps({"modules": [1, 2, {"weight": torch.ones(2, 3)}]})
    (tmp_path / "cut.t7").write_bytes(raw[:-1])
    with pytest.raises(t7.T7Error) as error:
        t7.load(tmp_path / "cut.t7")
    assert error.value.path == ".modules[3].weight<storage>"
    assert error.value.offset == len(raw) - 24
    assert f"{tmp_path}/cut.t7, byte {len(raw) - 24}, at .modules[3].weight" in str(error.value)


@pytest.mark.parametrize("format", ["binary", "ascii"])
def test_every_truncation_is_refused(format: str) -> None:
    value = {"a": [1, "two", {"t": torch.ones(2, 3)}], "f": t7.T7Function(b"code")}
    raw = t7.dumps(value, format)
    for size in range(len(raw)):
        with pytest.raises(t7.T7Error):
            t7.load(raw[:size])


def test_100000_levels() -> None:
    n = 100_000
    raw = b"".join(ints(3, i + 1, 1, 2, 1) + b"x" for i in range(n)) + ints(0)
    value = t7.load(raw)
    assert t7.dumps(value) == raw
    assert sum(1 for _ in t7.rows(value)) == n + 1
    with pytest.raises(t7.T7Error, match="99976 levels"):
        t7.load(raw[:-1])


def test_bytes_after_the_object_are_named() -> None:
    with pytest.warns(UserWarning, match="8 bytes follow"):
        assert t7.load(t7.dumps(3) + bytes(8)) == 3


def fuzz_seeds() -> list[bytes]:
    own = [t7.dumps(everything(), format) for format in ("binary", "ascii")]
    names = ("gmodule_trained.t7", "gmodule_fresh.ascii.t7", "mlp_run.t7", "tensor_narrow.t7")
    return own + [(FOLDER / name).read_bytes() for name in names if (FOLDER / name).is_file()]


SEEDS = fuzz_seeds()


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300)
@given(st.integers(0, 2**40))
def test_fuzz(number: int) -> None:
    assert try_input(mutated(SEEDS, number)) in ("read", "refused", "modules refused")


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes")
def test_a_pipe_and_a_link_stay_what_they_are(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    t7.save(pipe, [1, 2])
    assert pipe.is_fifo()
    assert os.read(reader, 9999) == t7.dumps([1, 2])
    os.close(reader)
    link.symlink_to(tmp_path / "there.t7")
    t7.save(link, "text")
    assert link.is_symlink()
    assert t7.load(tmp_path / "there.t7") == "text"
