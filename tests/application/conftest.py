"""A small text and a small network that train within a second."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from zaremba_port import Corpus, RunFolder, Settings, load_corpus, train
from zaremba_port.text import write_characters

WORDS = "the a cat dog bird sat ran flew on under over mat house tree".split()


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train.txt, valid.txt and test.txt: 2400, 320 and 160 words, <eos> counted."""
    folder = tmp_path_factory.mktemp("text")
    choose = random.Random(5).choice
    for name, lines in (("train", 300), ("valid", 40), ("test", 20)):
        text = "".join(" ".join(choose(WORDS) for _ in range(7)) + "\n" for _ in range(lines))
        (folder / f"{name}.txt").write_text(text)
    return folder


@pytest.fixture(scope="session")
def corpus(text_folder: Path) -> Corpus:
    return load_corpus(str(text_folder), log=lambda line: None)


@pytest.fixture
def tiny() -> Settings:
    """Settings under which an epoch of the small text has 120 steps."""
    return Settings(
        rnn_size=8, vocab_size=20, batch_size=4, seq_length=5, max_epoch=1, max_max_epoch=3
    )


@pytest.fixture
def new_run(tmp_path: Path, corpus: Corpus, tiny: Settings) -> Callable[..., RunFolder]:
    """``new_run("name", **changes)``: a fresh run folder on the small text."""

    def make(name: str, **changes: object) -> RunFolder:
        settings = tiny.with_changes(changes)
        return RunFolder.create(tmp_path / name, settings, corpus.vocabulary, corpus.name)

    return make


@pytest.fixture(scope="session")
def characters(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small text as a text of characters, of 22 symbols."""
    folder = tmp_path_factory.mktemp("characters")
    parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
    write_characters(folder, {name: corpus.vocabulary.decode(ids) for name, ids in parts.items()})
    return folder


@pytest.fixture
def char_run(characters: Path, tmp_path: Path) -> RunFolder:
    """A network trained on characters for a second, for exactly the symbols that there are."""
    chars = load_corpus(str(characters), log=lambda line: None)
    settings = Settings(
        rnn_size=8, vocab_size=len(chars.vocabulary), batch_size=20, seq_length=20, max_max_epoch=1
    )
    run = RunFolder.create(tmp_path / "char_run", settings, chars.vocabulary, chars.name)
    train(run, chars, log=lambda line: None)
    return run
