"""The command `zaremba data`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UserError
from .options import DATA_HELP
from .parser import Commands


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("data", run, "make texts of characters from texts of words")
    parser.add_argument("what", choices=("chars",), metavar="chars", help="what to make: chars")
    parser.add_argument(
        "--data", default="pydoc", metavar="TEXT", help=DATA_HELP + "; default pydoc"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="folder to write")
    parser.add_argument("--force", action="store_true", help="overwrite the files there")


def run(options: argparse.Namespace) -> None:
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
