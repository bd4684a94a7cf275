"""Texts of characters, how they are recognised, and the protocol that predicts them."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import PTB, needs_ptb
from hypothesis import given
from hypothesis import strategies as st

from zaremba_port import PRESETS, RunFolder, UserError, load_corpus
from zaremba_port.cli.main import main
from zaremba_port.text import (
    COURSE_VOCABULARY,
    character_text,
    characters_per_word,
    count_words,
    read_tokens,
    split_words,
    to_characters,
    tokenize,
    unit_of,
)


def test_the_format_by_example(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(" no it was  n't <unk> monday \n\nN times")
    words = read_tokens(tmp_path / "words.txt")
    text = character_text(words)
    assert text == "n o _ i t _ w a s _ n ' t _ < u n k > _ m o n d a y \n\nN _ t i m e s "
    (tmp_path / "characters.txt").write_text(text)
    assert read_tokens(tmp_path / "characters.txt") == list(to_characters(words))


WORD = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda w: split_words(w) == [w])


@given(st.lists(st.one_of(WORD, st.just("<eos>")), min_size=1, max_size=30))
def test_characters_read_back_as_they_were_written(words: list[str]) -> None:
    characters = list(to_characters(words))
    # As read_tokens reads a file.
    assert tokenize(character_text(words)) == characters
    lines = "".join(c if len(c) == 1 else "\n" for c in characters)
    if not any("_" in word for word in words):
        assert tokenize(lines.replace("_", " ")) == words
        assert count_words(characters) == len(words)


@needs_ptb
@pytest.mark.parametrize(
    ("split", "tokens", "words"), [("valid", 393042, 73760), ("test", 442423, 82430)]
)
def test_the_treebank(split: str, tokens: int, words: int) -> None:
    characters = list(to_characters(read_tokens(PTB / f"ptb.{split}.txt")))
    assert len(characters) == tokens
    assert count_words(characters) == words
    assert characters_per_word(characters) == tokens / words
    assert set(characters) <= set(COURSE_VOCABULARY.words)


@needs_ptb
def test_the_treebank_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words").mkdir()
    for name, split in (("train", "test"), ("valid", "valid"), ("test", "test")):
        (tmp_path / "words" / f"{name}.txt").symlink_to(PTB / f"ptb.{split}.txt")
    out = tmp_path / "characters"
    assert main(["data", "chars", "--data", str(tmp_path / "words"), "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "valid.txt: 393042 tokens, 73760 words with <eos>, 5.3287 tokens a word" in printed
    assert "50 symbols: n o _ i t" in printed
    assert load_corpus(str(out), log=lambda line: None).sizes["valid"] == 393042


def test_the_vocabulary_is_in_order_of_first_appearance(
    characters: Path, text_folder: Path
) -> None:
    words = read_tokens(text_folder / "train.txt")
    corpus = load_corpus(str(characters), log=lambda line: None)
    assert corpus.vocabulary.words == list(dict.fromkeys(to_characters(words)))
    assert unit_of(corpus.vocabulary) == "characters"
    assert len(COURSE_VOCABULARY) == 50
    assert (COURSE_VOCABULARY.words[0], COURSE_VOCABULARY.words[26]) == ("a", "<eos>")
    assert all(PRESETS[f"char-{name}"].vocab_size == 50 for name in ("small", "large", "ward"))


def test_what_data_chars_refuses(
    characters: Path, text_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = ["data", "chars", "--data", str(text_folder), "-o"]
    assert main([*make, str(characters)]) == 2
    assert "train.txt exists: overwrite it with --force" in capsys.readouterr().err
    assert main([*make, str(characters), "--force"]) == 0
    capsys.readouterr()
    assert main([*make, str(text_folder), "--force"]) == 2
    assert "where the words are" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main([*make, str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


def test_a_run_knows_its_unit(char_run: RunFolder, new_run: Callable[..., RunFolder]) -> None:
    assert json.loads((char_run.path / "source.json").read_text())["unit"] == "characters"
    assert RunFolder.open(char_run.path).unit == "characters"
    assert RunFolder.open(new_run("words").path).unit == "words"
    # As written before units, and digests of files, were noted.
    old = char_run.path.parent / "old"
    old.mkdir()
    for name in ("settings.json", "vocabulary.txt"):
        shutil.copy(char_run.path / name, old)
    (old / "source.json").write_text(json.dumps({"data": char_run.data}))
    assert RunFolder.open(old).unit == "characters"
    (old / "source.json").write_text(json.dumps({"data": "x", "unit": "pages"}))
    with pytest.raises(UserError, match="pages"):
        RunFolder.open(old)


def test_evaluate_counts_as_the_course(
    char_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(char_run.path), "--which", "last"]) == 0
    first, second, third, note = capsys.readouterr().out.splitlines()
    logged = (char_run.path / "train.log").read_text().splitlines()
    assert first.startswith(next(line for line in logged if line.startswith("Test set")))
    nats = char_run.load_last().progress.test
    assert nats is not None
    assert f" : {math.exp(5.6 * nats):.3f}  (character by character, {nats:.6f} nats" in first
    assert second == f"  bits per character : {nats / math.log(2):.4f}"
    text = (Path(char_run.data) / "test.txt").read_text()
    real = (len(text.split()) + text.count("\n")) / (20 * 8)
    assert third == f"  perplexity of words : {math.exp(nats * real):.3f}  (exp({real:.4f} * nats))"
    assert f"takes {real:.4f} characters" in note


def test_map_unknown_has_nothing_to_map_to(
    char_run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(char_run.path), "--map-unknown"]) == 2
    assert "has no <unk> among its characters" in capsys.readouterr().err
