"""The command `zaremba data`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .options import DATA_HELP
from .parser import Commands

if TYPE_CHECKING:
    from rich.table import Table

    from ..text import TextStatistics


def add(commands: Commands) -> None:
    """Add the command, its two parts `chars` and `stats`, and their options."""

    def incomplete(options: argparse.Namespace) -> None:
        parser.error("data takes chars or stats")

    parser = commands.add("data", incomplete, "make texts of characters; count what is in a text")
    parts = Commands(parser)
    chars = parts.add("chars", run_chars, "make a text of characters from a text of words")
    chars.add_argument(
        "--data", default="pydoc", metavar="TEXT", help=DATA_HELP + "; default pydoc"
    )
    chars.add_argument("-o", "--output", required=True, metavar="FOLDER", help="folder to write")
    chars.add_argument("--force", action="store_true", help="overwrite the files there")
    stats = parts.add("stats", run_stats, "count lines, words, characters and different words")
    stats.add_argument("text", metavar="TEXT", help=DATA_HELP)
    stats.add_argument(
        "--top", type=int, default=10, metavar="N", help="most frequent words to list; default 10"
    )


def run_chars(options: argparse.Namespace) -> None:
    """Write the three parts of a text as characters, and print their sizes and symbols.

    Raises:
        UserError: the text cannot be read; the output is a file or the text's own folder; or the
            output has such a file already and `--force` is not set.
        RunFailed: a file cannot be written.
    """
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: -o takes a folder")
    if folder.exists() and Path(options.data).exists() and folder.samefile(options.data):
        raise UserError(f"{folder} is where the words are: name another folder")

    from ..text import (
        SPACE,
        SPLITS,
        count_words,
        load_corpus,
        to_characters,
        visible,
        write_characters,
    )

    corpus = load_corpus(options.data)
    texts = {split: corpus.vocabulary.decode(getattr(corpus, split)) for split in SPLITS}
    write_characters(folder, texts, force=options.force)
    symbols: dict[str, None] = {}
    for split, words in texts.items():
        characters = list(to_characters(words))
        symbols |= dict.fromkeys(characters)
        n = count_words(characters)
        print(
            f"{folder / split}.txt: {len(characters)} tokens, {n} words with <eos>, "
            f"{len(characters) / n:.4f} tokens a word"
        )
    print(f"{len(symbols)} symbols: {' '.join(map(visible, symbols))}")
    with_space = sum(SPACE in word for words in texts.values() for word in words)
    if with_space:
        print(f"{with_space} words hold {SPACE} themselves, which now reads as the end of a word")


def run_stats(options: argparse.Namespace) -> None:
    """Print tables of the sizes of a text's parts, of the words they share, and of frequent words.

    Raises:
        UserError: the text cannot be read, or `--top` is negative.
    """
    if options.top < 0:
        raise UserError(f"--top is {options.top}, it must be at least 0")

    from rich.console import Console

    from ..text import TextStatistics, load_corpus

    corpus = load_corpus(options.text, log=lambda line: None)
    statistics = TextStatistics(corpus)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{options.text}: {len(corpus.vocabulary):,} different {statistics.unit} in all")
    console.print(_size_table(statistics))
    for group, number in statistics.shared.items():
        console.print(f"different {statistics.unit} in {' and '.join(group)}: {number:,}")
    for split in ("valid", "test"):
        console.print(f"tokens of {split} that occur in train: {statistics.covered(split):.2%}")
    if options.top:
        console.print(_frequency_table(statistics, options.top))


def _table(*headings: str) -> Table:
    """Return an empty table, its columns after the first aligned to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table


def _size_table(statistics: TextStatistics) -> Table:
    """Return the table with a row for each count and a column for each part."""
    parts = statistics.parts
    unit = statistics.unit
    table = _table("", *parts)
    for title, name in (
        ("tokens, with <eos>", "tokens"),
        ("lines", "lines"),
        ("words", "words"),
        ("characters, with _ and <eos>", "characters"),
        (f"different {unit}", "different"),
        ("<unk>", "unknown"),
    ):
        table.add_row(title, *(f"{getattr(part, name):,}" for part in parts.values()))
    shares = [part.unknown / part.words if part.words else 0.0 for part in parts.values()]
    table.add_row("<unk>, share of the words", *(f"{share:.2%}" for share in shares))
    return table


def _frequency_table(statistics: TextStatistics, number: int) -> Table:
    """Return the table of the most frequent tokens of each part, with their shares."""
    from rich.markup import escape

    from ..text import visible

    parts = statistics.parts
    columns = {split: statistics.most_frequent(split, number) for split in parts}
    table = _table("most frequent", *parts)
    for rank in range(max(map(len, columns.values()))):
        cells = []
        for split, rows in columns.items():
            word, count = rows[rank] if rank < len(rows) else ("", 0)
            share = f"{count / parts[split].tokens:6.2%}" if word else ""
            cells.append(f"{escape(visible(word))} {share}")
        table.add_row(f"{rank + 1}", *cells)
    return table
