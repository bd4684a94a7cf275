"""Grading: real programs that behave, and real programs that do not."""

from __future__ import annotations

import io
import math
import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from zaremba_port import UserError, Vocabulary
from zaremba_port.assignment.characters.grading import (
    BadAnswer,
    Grade,
    grade,
    parse_answer,
    summary,
)
from zaremba_port.text import read_character_text

VOCABULARY = Vocabulary("a b _ <eos>".split())
TEXT = ("a b _ b a <eos> " * 4).split()
UNIFORM = math.log(4)

# What every program below starts with: `answer` tells a true distribution, not uniform.
START = """
import math, os, subprocess, sys, time
P = [0.1, 0.2, 0.3, 0.4]
def say(line):
    print(line, flush=True)
def answer(values=None):
    say(" ".join(repr(math.log(p)) for p in values or P))
say("OK GO")
"""


def run(
    tmp_path: Path,
    program: str,
    start: str = START,
    *,
    seconds: float = 30,
    every: int = 1000,
    strict: bool = False,
) -> tuple[Grade, list[str]]:
    file = tmp_path / "program.py"
    file.write_text(start + textwrap.dedent(program))
    out = io.StringIO()
    grade_ = grade(
        [sys.executable, str(file)], TEXT, VOCABULARY, out,
        start_seconds=30, answer_seconds=seconds, every=every, strict=strict,
    )  # fmt: skip
    return grade_, out.getvalue().splitlines()


def honest(text: list[str]) -> float:
    """The nats of P."""
    p = dict(zip(VOCABULARY.words, (0.1, 0.2, 0.3, 0.4), strict=True))
    return -sum(math.log(p[token]) for token in text[1:])


def test_a_program_that_behaves(tmp_path: Path) -> None:
    result, lines = run(tmp_path, "for line in sys.stdin: answer()", every=10)
    assert result.answers == len(TEXT) - 1 == 23
    assert result.nats == pytest.approx(honest(TEXT), abs=1e-12)
    assert not result.failures
    assert not result.stopped
    mean = honest(TEXT[:11]) / 10
    assert lines[0] == (
        f"i = 10, perplexity = {math.exp(5.6 * mean):.3f}, mean nll = {mean:.6f}, failures = 0"
    )
    assert len(lines) == 2


def test_a_program_that_knows_the_text(tmp_path: Path) -> None:
    program = f"""
        text = {TEXT!r}
        for i, line in enumerate(sys.stdin):
            assert line == text[i] + "\\n"
            place = ["a", "b", "_", "<eos>"].index(text[i + 1])
            say(" ".join("0" if j == place else "-inf" for j in range(4)))
    """
    result, _ = run(tmp_path, program)
    assert (result.nats, result.failures.total()) == (0, 0)


@pytest.mark.parametrize(
    ("program", "kind", "what"),
    [
        ("say('-1.0 -1.0 -1.0')", "wrong length", "3 numbers instead of 4"),
        ("say('')", "wrong length", "0 numbers instead of 4"),
        ("say('-1.0 -1.0 -1.0 -1.0')", "not normalised", "the probabilities sum to 1.47152"),
        ("say('900 -1.0 -1.0 -1.0')", "not normalised", "sum to inf"),
        ("say('0.1 0.2 0.3 0.4')", "not normalised", "sum to"),
        ("say('nan -1.0 -1.0 -1.0')", "NaN", "not a number"),
        ("say('one two three four')", "garbage", "'one two three four'"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe\\0\\n'); sys.stdout.flush()", "garbage", "xff"),
    ],
)
def test_answers_that_are_no_distribution(
    tmp_path: Path, program: str, kind: str, what: str
) -> None:
    result, lines = run(tmp_path, f"for line in sys.stdin: {program}")
    assert result.failures == {kind: 23}
    assert result.nats == pytest.approx(23 * UNIFORM)
    assert not result.stopped
    # Told once, not 23 times.
    assert len(lines) == 1
    assert lines[0].startswith(f"answer 1: {kind}: ")
    assert what in lines[0]


def test_a_failed_answer_is_the_only_one_that_counts_as_uniform(tmp_path: Path) -> None:
    result, lines = run(
        tmp_path, "for i, line in enumerate(sys.stdin): say('oops') if i == 5 else answer()"
    )
    expected = honest(TEXT) - honest(TEXT[5:7]) + UNIFORM
    assert result.nats == pytest.approx(expected, abs=1e-12)
    assert lines == ["answer 6: garbage: not numbers: 'oops'"]


def test_extra_lines(tmp_path: Path) -> None:
    program = r"for line in sys.stdin: os.write(1, b'-1.3 -1.4 -1.4 -1.4\nand more\n')"
    result, lines = run(tmp_path, program)
    assert result.failures["extra lines"] == 23
    assert lines == ["answer 1: extra lines: 2 lines instead of one"]


def test_a_program_that_never_reads(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(START + "while True: answer()")
    # More than a pipe holds: writing must not wait for the program.
    text = ["a"] * 40000
    result = grade([sys.executable, str(file)], text, VOCABULARY, io.StringIO())
    assert result.stopped == "out of step: it prints and prints without being asked"
    assert math.isnan(result.mean)
    assert summary(result, text) == []


# `right(i)` is right for the character that follows character i, and for it alone.
RIGHT = START.replace(
    'say("OK GO")',
    f"""
text = {TEXT!r}
def right(i):
    answer([0.7 if word == text[i + 1] else 0.1 for word in ("a", "b", "_", "<eos>")])
say("OK GO")
""",
)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("program", "failed"),
    [
        ("for i, _ in enumerate(sys.stdin): right(i); i == 5 and right(i)", 6),
        ("for i, _ in enumerate(sys.stdin): right(i); i == 5 and (time.sleep(0.02), right(i))", 6),
        ("for i, _ in enumerate(sys.stdin): i == 5 and say('warning'); right(i)", 6),
        ("for i, _ in enumerate(sys.stdin): i == 22 and right(i); right(i)", 23),
        ("right(0)\nfor i, _ in enumerate(sys.stdin): right(i)", 1),
    ],
)
def test_a_line_too_many_never_shifts_the_grade(
    tmp_path: Path, program: str, failed: int, strict: bool
) -> None:
    result, lines = run(tmp_path, program, RIGHT, strict=strict)
    if result.is_out_of_step:
        assert math.isnan(result.nats)
        return
    assert result.failures == {"extra lines": 1}
    assert result.nats == pytest.approx(-22 * math.log(0.7) + UNIFORM)
    # On a busy machine the line may come with the next answer.
    assert lines[0] in [
        f"answer {n}: extra lines: 2 lines instead of one" for n in (failed, failed + 1)
    ]


def test_a_farewell_is_no_line_too_many(tmp_path: Path) -> None:
    result, _ = run(tmp_path, "for i, _ in enumerate(sys.stdin): right(i)\nsay('bye')", RIGHT)
    assert not result.stopped
    assert result.nats == pytest.approx(-23 * math.log(0.7))


@pytest.mark.parametrize(
    ("program", "stopped"),
    [
        ("sys.exit(3)", "died: ended with exit status 3"),
        ("raise SystemError('my fault')", "SystemError: my fault"),
        ("os.kill(os.getpid(), 11)", "died: killed by SIGSEGV"),
        ("for i, line in enumerate(sys.stdin): answer() if i < 7 else sys.exit(1)", "status 1"),
        ("sys.stdin.readline(); answer(); os.close(1); time.sleep(99)", "closed its output"),
        ("sys.stdin.close(); time.sleep(99)", "hung: no line within 0.5 s"),
        ("time.sleep(99)", "hung: no line within 0.5 s"),
        ("sys.stdout.write('-1.0 '); sys.stdout.flush(); time.sleep(99)", "hung: no line"),
        ("while True: sys.stdout.write('x' * 9999)", "hung: printed 1048576 bytes and no end"),
        ("print('stuck here', file=sys.stderr); time.sleep(99)", "stuck here"),
    ],
)
def test_programs_that_stop(tmp_path: Path, program: str, stopped: str) -> None:
    began = time.monotonic()
    # Where nothing hangs, a busy machine has all the time it needs.
    result, lines = run(tmp_path, program, seconds=0.5 if "time.sleep(99)" in program else 30)
    assert time.monotonic() - began < 90
    assert stopped in result.stopped
    assert result.answers == 23
    assert len(lines) == 1
    kind = result.stopped.split(":")[0]
    assert result.nats == pytest.approx(
        honest(TEXT[: 24 - result.failures[kind]]) + result.failures[kind] * UNIFORM
    )


@pytest.mark.parametrize(
    ("program", "stopped", "seconds"),
    [
        ("raise SystemExit(4)", "died: before it said OK GO: ended with exit status 4", 30),
        ("import time; time.sleep(99)", "hung: before it said OK GO: no line within 1 s", 1),
        (
            "import time\nwhile True: print(1, flush=True), time.sleep(0.1)",
            "before it said OK GO",
            1,
        ),
        ("while True: print('nonsense')", "hung: before it said OK GO", 1),
    ],
)
def test_programs_that_never_start(
    tmp_path: Path, program: str, stopped: str, seconds: float
) -> None:
    file = tmp_path / "program.py"
    file.write_text(program)
    out = io.StringIO()
    result = grade([sys.executable, str(file)], TEXT, VOCABULARY, out, start_seconds=seconds)
    assert stopped in result.stopped
    assert result.nats == pytest.approx(23 * UNIFORM)


def test_lines_before_ok_go_are_skipped(tmp_path: Path) -> None:
    start = START.replace('say("OK GO")', 'say("loading"); time.sleep(0.1); say("OK GO")')
    result, _ = run(tmp_path, "for line in sys.stdin: answer()", start)
    assert not result.failures


def test_a_flood_of_errors_blocks_nobody(tmp_path: Path) -> None:
    program = "for line in sys.stdin: os.write(2, b'warning!' * 50000); answer()"
    result, lines = run(tmp_path, program, seconds=10)
    assert (result.failures.total(), lines) == (0, [])
    assert result.nats == pytest.approx(honest(TEXT))


def test_children_are_killed_too(tmp_path: Path) -> None:
    program = f"""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
        with open({str(tmp_path / "pid")!r}, "w") as file:
            file.write(str(child.pid))
        time.sleep(99)
    """
    run(tmp_path, program, seconds=2)  # enough to start the child
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not is_running(pid):
            return
        time.sleep(0.05)
    pytest.fail("the program's child goes on")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="no /proc to find them in")
@pytest.mark.parametrize("way", ["session", "daemon", "no environment"])
def test_children_in_a_session_of_their_own_are_killed_too(tmp_path: Path, way: str) -> None:
    file, sleeper = tmp_path / "pid", tmp_path / "sleeper.py"
    forks = "os.fork() and os._exit(0); os.setsid()" if way == "daemon" else ""
    sleeper.write_text(
        f"import os, time\n{forks}\nopen({str(file)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(99)\n"
    )
    program = f"""
        subprocess.Popen([sys.executable, {str(sleeper)!r}], start_new_session=True,
                         env={"{}" if way == "no environment" else "None"})
        while not os.path.exists({str(file)!r}) or not open({str(file)!r}).read():
            time.sleep(0.01)
        say("no numbers")
        time.sleep(99)
    """
    run(tmp_path, program, seconds=1)
    pid = int(file.read_text())
    for _ in range(100):
        if not is_running(pid):
            return
        time.sleep(0.05)
    pytest.fail("the program's child goes on")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # nobody may have waited for it yet
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_limits_of_a_distribution() -> None:
    third = [math.log(1 / 3)] * 3
    assert parse_answer(" ".join(map(str, third)).encode(), 3) == third
    assert parse_answer(b"0 -inf -Infinity", 3) == [0, -math.inf, -math.inf]
    parse_answer(f"{math.log(1.00009)} -inf".encode(), 2)
    with pytest.raises(BadAnswer, match=r"sum to 1\.00011"):
        parse_answer(f"{math.log(1.00011)} -inf".encode(), 2)
    with pytest.raises(BadAnswer, match="sum to 0"):
        parse_answer(b"-inf -inf", 2)


def test_what_is_no_text_of_characters(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    for text, message in (
        ("the cat\n", "no text of characters (token 1 is 'the'): zaremba data chars makes one"),
        ("a b c", "'c' (token 3) is not among the 4 symbols"),
        ("a", "has one character"),
        ("", "is empty"),
    ):
        file.write_text(text)
        with pytest.raises(UserError) as error:
            read_character_text(file, VOCABULARY)
        assert message in str(error.value)
