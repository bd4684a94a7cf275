"""`zaremba data stats`, held against counts of the files' own bytes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from helpers import PTB, needs_ptb

from zaremba_port import load_corpus
from zaremba_port.cli.main import main
from zaremba_port.text import TextStatistics


def quiet(line: str) -> None:
    """Receive a line of a log."""


def statistics_of(folder: Path, *texts: str) -> TextStatistics:
    for split, text in zip(("train", "valid", "test"), texts, strict=True):
        (folder / f"{split}.txt").write_text(text, "utf-8")
    return TextStatistics(load_corpus(str(folder), log=quiet))


def test_counts_of_a_text_of_words(text_folder: Path) -> None:
    counted = TextStatistics(load_corpus(str(text_folder), log=quiet))
    for split, part in counted.parts.items():
        text = (text_folder / f"{split}.txt").read_text("utf-8")
        assert part.lines == text.count("\n")
        assert part.words == len(text.split())
        assert part.tokens == part.words + part.lines
        assert part.characters == len(text)  # one space between words, a newline at the end
        assert part.different == len(set(text.split())) + 1
        words = Counter(text.replace("\n", " <eos> ").split())
        assert dict(counted.most_frequent(split, 3)) == dict(words.most_common(3))


def test_empty_lines_open_ends_and_unknown_words(tmp_path: Path) -> None:
    counted = statistics_of(tmp_path, "\n a  b <unk>\n\n", "a c", "c d\nd <unk> d\n")
    train, valid, test = counted.parts.values()
    assert (train.lines, train.words, train.unknown, train.tokens) == (3, 3, 1, 6)
    assert train.characters == len("\na b <unk>\n\n")
    assert (valid.lines, valid.words, valid.characters) == (1, 2, len("a c"))
    assert (test.lines, test.different, test.characters) == (2, 4, len("c d\nd <unk> d\n"))
    assert counted.shared == {
        ("train", "valid"): 1,  # a
        ("train", "test"): 2,  # <eos>, <unk>
        ("valid", "test"): 1,  # c
        ("train", "valid", "test"): 0,
    }
    assert counted.covered("valid") == 1 / 2
    assert counted.covered("test") == 3 / 7
    assert counted.most_frequent("valid", 10) == [("a", 1), ("c", 1)]


def test_counts_of_characters_agree_with_those_of_the_words(
    text_folder: Path, characters: Path
) -> None:
    words = TextStatistics(load_corpus(str(text_folder), log=quiet))
    symbols = TextStatistics(load_corpus(str(characters), log=quiet))
    assert symbols.unit == "characters"
    for split, part in words.parts.items():
        other = symbols.parts[split]
        assert (other.lines, other.words, other.characters) == (
            part.lines, part.words, part.characters,
        )  # fmt: skip
        assert other.tokens == part.characters


@needs_ptb
def test_the_treebank(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", str(PTB), "--top", "2"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    # By wc and grep.
    for row in (
        "10,000 different words in all",
        "lines 42,068 3,370 3,761",
        "words 887,521 70,390 78,669",
        "tokens, with <eos> 929,589 73,760 82,430",
        "characters, with _ and <eos> 5,017,482 393,042 442,423",
        "<unk> 45,020 3,485 4,794",
        "1 the 5.46%",
    ):
        assert row in out
    assert " 3 " not in out.rpartition("most frequent")[2]


def test_what_data_stats_refuses(text_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "stats", str(text_folder), "--top", "0"]) == 0
    assert "most frequent" not in capsys.readouterr().out
    for arguments, message in (
        (["stats"], "the following arguments are required: TEXT"),
        (["stats", str(text_folder), "--top", "-1"], "--top is -1"),
        (["stats", "nothing"], "no TEXT is called 'nothing'"),
        ([], "data takes chars or stats"),
        (["stats", str(text_folder), "--tip", "1"], "did you mean '--top'?"),
    ):
        assert main(["data", *arguments]) == 2
        assert message in capsys.readouterr().err
