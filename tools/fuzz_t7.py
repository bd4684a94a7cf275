"""Fuzz the reader of .t7 files: mutate real files, and read what comes out.

Every input must be read, or refused with a T7Error, in little time and memory. An input is a
number: it seeds a generator that chooses the file and its mutations, so that a failure can be
repeated::

    python tools/fuzz_t7.py FOLDER --inputs 200000
    python tools/fuzz_t7.py FOLDER --only 4711 --save broken.t7

FOLDER holds .t7 files, such as those that Torch7 wrote for the tests,
$ZAREMBA_TEST_DATA/golden/t7.
"""

from __future__ import annotations

import argparse
import random
import resource
import struct
import sys
import time
import traceback
import warnings
from pathlib import Path

import pygraph_nn as nngraph
from pygraph_nn import t7

NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    -1,
    -2,
    64,
    65,
    255,
    1000,
    2**16,
    2**24,
    2**31 - 1,
    -(2**31),
]
LONGS = [*NUMBERS, 2**32, 2**40, 2**62, 2**63 - 1, -(2**63)]
SLOWEST = 2.0  # seconds of the processor
LARGEST = 50_000  # bytes of the files to start from


def mutated(seeds: list[bytes], number: int) -> bytes:
    """Return input `number`: one of `seeds` after a few mutations."""
    rng = random.Random(number)
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        position = rng.randrange(len(data) + 1) if data else 0
        kind = rng.randrange(9)
        if kind == 0:  # one bit
            if position < len(data):
                data[position] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[position : position + 1] = bytes([rng.randrange(256)])
        elif kind == 2:
            del data[position:]
        elif kind == 3:
            del data[position : position + rng.choice([1, 2, 4, 8, 16, 64])]
        elif kind == 4:  # an int
            order = rng.choice("<<<>")
            data[position : position + 4] = struct.pack(f"{order}i", rng.choice(NUMBERS))
        elif kind == 5:  # a long
            data[position : position + 8] = struct.pack("<q", rng.choice(LONGS))
        elif kind == 6:  # a number of an ascii file, if it is one
            line = data.find(b"\n", position) + 1
            end = data.find(b"\n", line)
            if 0 < line <= end:
                data[line:end] = str(rng.choice(LONGS)).encode()
        elif kind == 7:  # a part of another file
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[position:position] = other[start : start + rng.choice([4, 12, 24, 100, 400])]
        else:  # again what was there
            length = rng.choice([4, 8, 12, 24, 100])
            data[position:position] = data[position : position + length]
    return bytes(data)


def read_seeds(folder: Path) -> list[bytes]:
    """Return the content of the files in `folder`, in the order of their names."""
    paths = sorted(path for path in folder.glob("*.t7") if path.stat().st_size <= LARGEST)
    return [path.read_bytes() for path in paths]


def try_input(data: bytes) -> str:
    """Read `data` as plain values and as modules; return what happened.

    Any error but T7Error is raised.
    """
    try:
        value = t7.load(data)
        for row in t7.rows(value, entries=50):
            assert row.text
    except t7.T7Error:
        return "refused"
    try:
        nngraph.load_t7(data)
    except t7.T7Error:
        return "modules refused"
    return "read"


def main() -> int:
    """Run the fuzzer; return 1 if an input failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--inputs", type=int, default=200_000, help="number of inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="try this input alone")
    parser.add_argument("--save", type=Path, help="with --only: write the input to this file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    seeds = read_seeds(options.folder)
    if options.only is not None:
        data = mutated(seeds, options.only)
        if options.save:
            options.save.write_bytes(data)
        print(try_input(data))
        return 0
    counts: dict[str, int] = {}
    slowest, failures, begin = (0.0, -1), 0, time.process_time()
    for number in range(options.first, options.first + options.inputs):
        data = mutated(seeds, number)
        start = time.process_time()
        try:
            result = try_input(data)
        except Exception:
            result = "FAILED"
            failures += 1
            if failures <= 10:
                print(f"input {number}:", file=sys.stderr)
                traceback.print_exc()
        took = time.process_time() - start
        slowest = max(slowest, (took, number))
        if took > SLOWEST:
            print(f"input {number} took {took:.1f} s", file=sys.stderr)
            failures += 1
        counts[result] = counts.get(result, 0) + 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(seeds)} files, inputs {options.first}..{options.first + options.inputs - 1}")
    print(", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items())))
    print(f"slowest: {slowest[0]:.2f} s (input {slowest[1]}); peak memory {peak:.0f} MB")
    print(f"{time.process_time() - begin:.0f} s of the processor in all, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
