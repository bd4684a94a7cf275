"""Grading stays in step with programs that print lines too many, too late, or not at all.

The programs are simulated on a clock of their own, so that hundreds run in a second and nothing
depends on the machine. Each of their answers can be told from all others.
"""

from __future__ import annotations

import heapq
import io
import itertools
import math
import random
from dataclasses import dataclass, field

import pytest

from zaremba_port import RunFailed
from zaremba_port.assignment.characters import grading, lockstep
from zaremba_port.assignment.characters.child_process import OUT_OF_STEP, Stopped
from zaremba_port.assignment.characters.grading import Grade
from zaremba_port.assignment.characters.lockstep import BadAnswer, Lockstep

SIZE = 5
TOKENS = 240
UNIFORM = math.log(SIZE)
IDS = [random.Random(1).randrange(SIZE) for _ in range(TOKENS + 1)]
P = [random.Random(i).uniform(0.5, 0.9) for i in range(TOKENS)]
"""Probability that answer i gives to the character that comes: no two are alike."""


def line(i: int) -> bytes:
    """Return answer i."""
    others = math.log((1 - P[i]) / (SIZE - 1))
    values = [math.log(P[i]) if k == IDS[i + 1] else others for k in range(SIZE)]
    return " ".join(map(repr, values)).encode()


NUMBER_OF = {line(i): i for i in range(TOKENS)}
GARBAGE = b"warning: a line that is no answer"


@dataclass
class Behaviour:
    """What a program does at a token: the lines that it prints, each after some seconds.

    `strays` are printed by another thread, so that the program goes on meanwhile.
    """

    lines: list[tuple[float, bytes]]
    strays: list[tuple[float, bytes]] = field(default_factory=list)


class VirtualProgram:
    """A program that behaves as told, on a virtual clock."""

    def __init__(self, behaviours: list[Behaviour], early: list[tuple[float, bytes]]) -> None:
        self.time = 0.0
        self.free_at = 0.0  # when it reads its next token
        self.behaviours = iter(behaviours)
        self.order = itertools.count()
        self.events: list[tuple[float, int, bytes]] = []
        for seconds, text in early:
            self.print_at(seconds, text)

    def print_at(self, time: float, text: bytes) -> None:
        heapq.heappush(self.events, (time, next(self.order), text))

    def now(self) -> float:
        return self.time

    def send(self, token: str) -> None:
        behaviour = next(self.behaviours)
        read_at = max(self.time, self.free_at)
        for seconds, text in behaviour.strays:
            self.print_at(read_at + seconds, text)
        self.free_at = read_at
        for seconds, text in behaviour.lines:
            self.free_at += seconds
            self.print_at(self.free_at, text)

    def read_line(self, seconds: float) -> bytes:
        if not self.events or self.events[0][0] > self.time + seconds:
            self.time += seconds
            raise Stopped("hung", "no line")
        time, _, text = heapq.heappop(self.events)
        self.time = max(self.time, time) + 2e-5
        return text

    def discard_lines(self) -> int:
        return len(self.printed_until(self.time))

    def discard_read(self) -> int:
        return self.discard_lines()

    def settle(self, quiet: float, limit: float) -> int:
        lines, end = 0, self.time + limit
        while self.events and self.events[0][0] <= self.time + quiet:
            self.time = max(self.time, heapq.heappop(self.events)[0])
            lines += 1
            if self.time > end:
                raise Stopped(OUT_OF_STEP, "prints and prints")
        self.time += quiet
        return lines

    def finish(self, seconds: float) -> list[bytes]:
        return self.printed_until(self.time + seconds)

    def printed_until(self, time: float) -> list[bytes]:
        lines = []
        while self.events and self.events[0][0] <= time:
            lines.append(heapq.heappop(self.events)[2])
        return lines


class Spy(Lockstep):
    """Remembers what was taken for the answer to each token; None where it failed."""

    def __init__(self, *arguments: object, **options: bool) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.taken: list[bytes | None] = []

    def ask(self, token: str, settle: bool = False) -> bytes:
        try:
            answer = super().ask(token, settle)
        except BadAnswer:
            self.taken.append(None)
            raise
        self.taken.append(answer)
        return answer


def grade(program: VirtualProgram, strict: bool) -> tuple[Grade, list[bytes | None]]:
    """Grade a virtual program as `grading.grade` grades a real one."""
    result, out = Grade(), io.StringIO()
    spy = Spy(program, 10.0, strict)
    text = [str(i) for i in IDS]
    try:
        grading._grade_answers(result, spy, text, IDS, SIZE, out, 1000)
        grading._check_rest(program.finish(2.0), SIZE)
    except Stopped as failure:
        grading._stop(result, failure, TOKENS, SIZE, out)
    return result, spy.taken


FAULTS = ("delay", "duplicate", "stray", "garbage", "interleave", "omit", "early")


def random_program(seed: int, *, without: tuple[str, ...] = ()) -> tuple[VirtualProgram, list[str]]:
    """Return a program with up to four faults, at places that are apart, and their names."""
    choose = random.Random(seed)
    usual = choose.choice([1e-4, 5e-4, 2e-3])  # seconds for an answer
    faults = choose.choices([f for f in FAULTS if f not in without], k=choose.randrange(5))
    places = dict(zip(choose.sample(range(2, TOKENS, 8), len(faults)), faults, strict=True))
    early = []
    behaviours = []
    for i in range(TOKENS):
        seconds = usual * choose.uniform(0.5, 1.5)
        lines = [(seconds, line(i))]
        later = choose.choice([0, usual * choose.random(), 0.05 * choose.random()])
        strays: list[tuple[float, bytes]] = []
        fault = places.get(i)
        if fault == "delay":
            lines = [(choose.uniform(0.01, 2), line(i))]
        elif fault == "duplicate":
            lines.append((later, line(i)))
        elif fault == "stray":
            strays = [(later, choose.choice([GARBAGE, line(i), line(max(0, i - 1))]))]
        elif fault == "garbage":
            lines = [(seconds, GARBAGE)]
        elif fault == "interleave":  # two threads print at once
            half = len(line(i)) // 2
            lines = [
                (seconds, line(i)[:half] + GARBAGE[:9]),
                (later, GARBAGE[9:] + line(i)[half:]),
            ]
        elif fault == "omit":
            lines = []
        elif fault == "early":
            early.append((0.01 * choose.random(), choose.choice([GARBAGE, line(0)])))
        behaviours.append(Behaviour(lines, strays))
    return VirtualProgram(behaviours, early), faults


def check(result: Grade, taken: list[bytes | None], faults: list[str]) -> None:
    """Check that a program is graded by its own answers, or not at all."""
    if result.is_out_of_step:
        assert math.isnan(result.nats)
        assert grading.summary(result, []) == []
        return
    if result.stopped:
        assert "omit" in faults
        return
    expected, failed = 0.0, 0
    for i, answer in enumerate(taken):
        number = None if answer is None else NUMBER_OF.get(answer)
        assert number in (None, i), f"answer {number} was taken for answer {i}"
        failed += number is None
        expected += UNIFORM if number is None else -math.log(P[i])
    assert result.nats == pytest.approx(expected, abs=1e-9)
    assert result.failures.total() == failed
    # Two lines that are printed at once are two wrong lines.
    assert failed <= len(faults) - faults.count("delay") + faults.count("interleave")


EXTRA = ("duplicate", "stray", "interleave", "early")


@pytest.mark.parametrize(
    ("strict", "without", "allowance", "least_graded"),
    [
        (True, (), 1.0, 90),  # the others mostly omit an answer
        (False, ("omit",), 1.0, 90),
        (False, EXTRA, 1.0, 90),
        (False, ("omit",), 0.0, 60),  # as in a long run, after the first second of waiting
        (False, EXTRA, 0.0, 90),
    ],
)
def test_random_programs_are_graded_by_their_own_answers(
    strict: bool,
    without: tuple[str, ...],
    allowance: float,
    least_graded: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lockstep, "ALLOWANCE", allowance)
    graded = 0
    for seed in range(200):
        program, faults = random_program(seed, without=without)
        result, taken = grade(program, strict)
        try:
            check(result, taken, faults)
        except AssertionError as error:
            raise AssertionError(f"program {seed} with {faults}: {error}") from None
        graded += not result.stopped
    assert graded >= least_graded


def honest(**changes: Behaviour) -> list[Behaviour]:
    """Return the behaviours of a program that answers in 1 ms, but for ``at_N=...``."""
    return [changes.get(f"at_{i}", Behaviour([(1e-3, line(i))])) for i in range(TOKENS)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("i", [0, 1, 100, TOKENS - 1])
@pytest.mark.parametrize("later", [0.0, 1e-4, 1e-3, 0.02])
def test_one_line_too_many_fails_one_answer_or_leaves_no_grade(
    later: float, i: int, strict: bool
) -> None:
    behaviour = Behaviour([(1e-3, line(i)), (later, line(i))])
    result, taken = grade(VirtualProgram(honest(**{f"at_{i}": behaviour}), []), strict)
    check(result, taken, ["duplicate"])
    if (later < 0.002 and i <= 100) or strict:  # in the first second, or always
        assert not result.stopped
        assert [n for n, answer in enumerate(taken) if answer is None] == [i]
    elif not result.stopped:
        assert result.failures == {"extra lines": 1}


@pytest.mark.parametrize("strict", [False, True])
def test_honest_programs_have_no_failures(strict: bool) -> None:
    for seed in range(50):
        choose = random.Random(seed)
        usual = choose.choice([1e-5, 1e-3, 0.1])
        behaviours = [
            Behaviour([(usual * choose.lognormvariate(0, 1), line(i))]) for i in range(TOKENS)
        ]
        behaviours[0].lines[0] = (1.0, line(0))  # it warms up
        result, _ = grade(VirtualProgram(behaviours, []), strict)
        assert not result.stopped
        assert result.failures.total() == 0
        assert result.nats == pytest.approx(-sum(map(math.log, P)))


def test_waiting_takes_little_of_an_honest_programs_time() -> None:
    for usual in (1e-4, 1e-3, 0.05):
        program = VirtualProgram([Behaviour([(usual, line(0))]) for _ in range(20000)], [])
        steps = Lockstep(program, 10.0)
        steps.begin()
        for i in range(20000):
            steps.ask("a", settle=i % 1000 == 999)
        needed = 20000 * (usual + 2e-5)
        # And what is forced before a report, and one wait beyond the limit.
        waits = 21 * max(0.002, 5 * (usual + 2e-5))
        assert program.time <= needed / (1 - lockstep.SHARE) + 1.1 + waits


def test_a_line_too_many_that_shows_late_leaves_no_grade(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "ALLOWANCE", 0.0)
    monkeypatch.setattr(lockstep, "SHARE", 0.0)
    late = Behaviour([(1e-3, line(50)), (5e-4, line(50))])
    result, _ = grade(VirtualProgram(honest(at_50=late), []), False)
    assert "it printed a line too many during its last" in result.stopped
    with pytest.raises(RunFailed, match=r"no grade: the program is out of step: .*--strict"):
        grading.raise_if_stopped(result)


def test_an_answer_left_over_at_the_end_leaves_no_grade() -> None:
    for text, stopped in ((line(3), "out of step: an answer was left over"), (b"bye", "")):
        last = Behaviour([(1e-3, line(TOKENS - 1))], [(1.0, text)])
        program = VirtualProgram(honest(**{f"at_{TOKENS - 1}": last}), [])
        result, _ = grade(program, False)
        assert result.stopped.startswith(stopped)
        assert math.isnan(result.nats) == bool(stopped)
