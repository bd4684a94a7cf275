"""The commands of this package: `zaremba complete|predict-chars|grade|data`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ..assignment.characters import (
    grade,
    raise_if_stopped,
    read_character_text,
    serve,
    summary,
)
from ..completing import (
    Predictor,
    Queries,
    Sampling,
)
from ..errors import UserError
from ..text import (
    COURSE_VOCABULARY,
    SPACE,
    SPLITS,
    Vocabulary,
    count_words,
    load_corpus,
    to_characters,
    write_characters,
)

AddCommand = Callable[[str, Callable[[argparse.Namespace], None], str], argparse.ArgumentParser]


def add_commands(command: AddCommand) -> None:
    """Add all of them to the command line, `command` being how it adds one."""
    made = command("complete", complete_command, "complete sentences with a saved run")
    add_run(made)
    made.add_argument("--file", metavar="FILE", help="answer the queries of a file, one a line")
    made.add_argument(
        "--total-length", action="store_true", help="the number counts the given words, too"
    )
    made.add_argument("--map-unknown", action="store_true", help="read unknown words as <unk>")
    made.add_argument("--argmax", action="store_true", help="always the likeliest word, no draws")
    made.add_argument(
        "--temperature", type=float, default=None, metavar="X", help="below 1 is bolder; default 1"
    )
    made.add_argument("--top-k", type=int, metavar="K", help="draw among the K likeliest words")
    made.add_argument("--seed", type=int, metavar="N", help="the same words for the same seed")
    made.add_argument("--no-unk", action="store_true", help="never generate <unk>")
    made.add_argument(
        "--beam", type=int, metavar="N", help="the likeliest words together; keeps N at each step"
    )
    made.add_argument(
        "--show", action="store_true", help="print the five likeliest words at each step"
    )

    made = command(
        "predict-chars", predict_chars_command, "answer each character with log-probabilities"
    )
    add_run(made)

    made = command("grade", grade_command, "grade a program that predicts characters")
    made.usage = "%(prog)s [options] -- COMMAND [ARGUMENT ...]"
    made.add_argument(
        "--text", metavar="FILE", help="a text of characters; default the Treebank's validation"
    )
    made.add_argument(
        "--vocabulary", metavar="FILE", help="its symbols in order, such as RUN/vocabulary.txt; "
        "default the 50 of the Treebank",
    )  # fmt: skip
    made.add_argument(
        "--start-limit", type=float, default=60.0, metavar="S",
        help="seconds until the program must say OK GO; default 60",
    )  # fmt: skip
    made.add_argument(
        "--answer-limit", type=float, default=10.0, metavar="S",
        help="seconds for each answer; default 10",
    )  # fmt: skip
    made.set_defaults(program=[])

    made = command("data", chars_command, "make texts of characters from texts of words")
    made.add_argument("what", choices=("chars",), metavar="chars", help="what to make: chars")
    made.add_argument(
        "--data", default="pydoc", metavar="TEXT", help="ptb, pydoc, or a folder; default pydoc"
    )
    made.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where to write them")
    made.add_argument("--force", action="store_true", help="overwrite the files there")


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the run folder")
    parser.add_argument("--which", choices=("best", "last"), default="best", help="parameters")
    # One step of batch 1 takes longer on a GPU.
    parser.add_argument("--device", default="cpu", help="default cpu")


def tolerant(stream: Any) -> Any:
    """A console stream that takes and gives any bytes as UTF-8, with marks for what is not."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="utf-8", errors="replace")
    return stream


def complete_command(options: argparse.Namespace) -> None:
    if options.beam is not None:
        drawing = {
            "--argmax": options.argmax,
            "--temperature": options.temperature is not None,
            "--top-k": options.top_k is not None,
            "--seed": options.seed is not None,
        }
        for name, given in drawing.items():
            if given:
                raise UserError(f"--beam draws nothing: leave {name} out")
    if options.seed is not None and options.seed < 0:
        raise UserError(f"--seed is {options.seed}, it must be at least 0")
    temperature = 1.0 if options.temperature is None else options.temperature
    sampling = Sampling(options.argmax, temperature, options.top_k, options.no_unk)
    queries = Queries(
        Predictor(options.run, options.which, options.device),
        sampling,
        options.beam,
        options.seed,
        options.total_length,
        options.map_unknown,
        options.show,
    )
    out: TextIO = tolerant(sys.stdout)
    if options.file is None:
        queries.converse(tolerant(sys.stdin), out)
        return
    try:
        with open(options.file, encoding="utf-8", errors="replace") as lines:
            failed = queries.answer_all(options.file, lines, out, sys.stderr)
    except OSError as error:
        raise UserError(f"cannot read {options.file}: {error.strerror}") from None
    if failed:
        raise UserError(f"{options.file}: {failed} of its queries failed")


def predict_chars_command(options: argparse.Namespace) -> None:
    predictor = Predictor(options.run, options.which, options.device)
    serve(predictor, tolerant(sys.stdin), tolerant(sys.stdout), tolerant(sys.stderr))


def grade_command(options: argparse.Namespace) -> None:
    if not options.program:
        raise UserError("write the program to grade after --: zaremba grade -- COMMAND ...")
    for name in ("start_limit", "answer_limit"):
        seconds = getattr(options, name)
        if not 0 < seconds < float("inf"):
            option = name.replace("_", "-")
            raise UserError(f"--{option} is {seconds}, it must be positive and finite")
    vocabulary = COURSE_VOCABULARY
    if options.vocabulary:
        vocabulary = Vocabulary.load(options.vocabulary)
    if options.text:
        text = read_character_text(options.text, vocabulary)
    else:
        corpus = load_corpus("ptb", log=lambda line: print(line, file=sys.stderr))
        text = list(to_characters(corpus.vocabulary.decode(corpus.valid)))
    result = grade(
        options.program, text, vocabulary, tolerant(sys.stdout),
        start_seconds=options.start_limit, answer_seconds=options.answer_limit,
    )  # fmt: skip
    print(*summary(result, text), sep="\n", flush=True)
    raise_if_stopped(result)


def chars_command(options: argparse.Namespace) -> None:
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: -o takes a folder")
    if folder.exists() and Path(options.data).exists() and folder.samefile(options.data):
        raise UserError(f"{folder} is where the words are: name another folder")
    corpus = load_corpus(options.data)
    texts = {name: corpus.vocabulary.decode(getattr(corpus, name)) for name in SPLITS}
    write_characters(folder, texts, force=options.force)
    symbols: dict[str, None] = {}
    for name, words in texts.items():
        characters = list(to_characters(words))
        symbols |= dict.fromkeys(characters)
        n = count_words(characters)
        print(
            f"{folder / name}.txt: {len(characters)} tokens, {n} words with <eos>, "
            f"{len(characters) / n:.4f} tokens a word"
        )
    print(f"{len(symbols)} symbols: {' '.join(symbols)}")
    holding = sum(SPACE in word for words in texts.values() for word in words)
    if holding:
        print(f"{holding} words hold {SPACE} themselves, which now reads as the end of a word")
