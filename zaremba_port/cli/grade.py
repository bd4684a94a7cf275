"""The command `zaremba grade`."""

from __future__ import annotations

import argparse
import sys

from ..errors import UserError
from .options import as_utf8, log_to_stderr
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add(
        "grade", run, "grade a program that predicts characters", takes_program=True
    )
    parser.add_argument(
        "--text",
        metavar="FILE",
        help="text of characters; default the Treebank's validation text",
    )
    parser.add_argument(
        "--vocabulary",
        metavar="FILE",
        help="its symbols in order, such as RUN/vocabulary.txt; default the Treebank's 50",
    )
    parser.add_argument(
        "--start-limit",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds in which the program must print OK GO; default 60",
    )
    parser.add_argument(
        "--answer-limit",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds for each answer; default 10",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="wait after every answer for lines too many: such an answer fails, where otherwise "
        "there may be no grade; slow",
    )


def run(options: argparse.Namespace) -> None:
    """Grade the program that follows ``--``, and print its grade.

    Raises:
        UserError: there is no program, it cannot be started, or the text is not of characters.
        RunFailed: the program died, hung, or printed lines that nobody can assign to characters.
    """
    if not options.program:
        raise UserError("write the program to grade after --: zaremba grade -- COMMAND ...")
    _check_seconds("--start-limit", options.start_limit)
    _check_seconds("--answer-limit", options.answer_limit)

    from ..assignment.characters import grade, raise_if_stopped, summary
    from ..text import (
        COURSE_VOCABULARY,
        Vocabulary,
        load_corpus,
        read_character_text,
        to_characters,
    )

    vocabulary = COURSE_VOCABULARY
    if options.vocabulary:
        vocabulary = Vocabulary.load(options.vocabulary)
    if options.text:
        text = read_character_text(options.text, vocabulary)
    else:
        corpus = load_corpus("ptb", log=log_to_stderr)
        text = list(to_characters(corpus.vocabulary.decode(corpus.valid)))
    result = grade(
        options.program,
        text,
        vocabulary,
        as_utf8(sys.stdout),
        start_seconds=options.start_limit,
        answer_seconds=options.answer_limit,
        strict=options.strict,
    )
    for line in summary(result, text):
        print(line, flush=True)
    raise_if_stopped(result)


def _check_seconds(option: str, seconds: float) -> None:
    if not 0 < seconds < float("inf"):
        raise UserError(f"{option} is {seconds}, it must be positive and finite")
