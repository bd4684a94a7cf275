"""Texts in mapped files of ids: the same ids, batches and training as from memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zaremba_port import Corpus, RunFolder, UserError, load_corpus, train
from zaremba_port.errors import RunFailed
from zaremba_port.text import (
    SPLITS,
    Columns,
    MappedIds,
    TextStatistics,
    id_cache,
    replicate,
    sequential,
    streamed,
)


def quiet(line: str) -> None:
    pass


def write(folder: Path, train: bytes, valid: bytes = b"a b\n", test: bytes = b"a\n") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(SPLITS, (train, valid, test), strict=True):
        (folder / f"{name}.txt").write_bytes(text)
    return str(folder)


def mapped(data: str, cache: Path, **options: object) -> Corpus:
    return load_corpus(data, cache=cache, log=quiet, stream_from=0, **options)  # type: ignore[arg-type]


def assert_same(ours: Corpus, theirs: Corpus) -> None:
    assert ours.vocabulary.words == theirs.vocabulary.words
    for split in SPLITS:
        assert isinstance(getattr(ours, split), MappedIds)
        assert torch.equal(getattr(ours, split)[:], getattr(theirs, split))


def assert_refused_alike(data: str, cache: Path) -> None:
    with pytest.raises(UserError) as expected:
        load_corpus(data, log=quiet)
    with pytest.raises(UserError) as ours:
        mapped(data, cache)
    assert str(ours.value) == str(expected.value)


PIECES = ["a", "<eos>", "é", "\u00a0", "\ufeff", " ", " ", "\n", "\r", "\r\n", "\t", "\v", "\f"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.sampled_from([*PIECES, "\x85", "\u2028", "日本"]), min_size=1, max_size=40),
    block=st.integers(1, 9),
)
def test_ids_are_those_of_the_whole_file(tmp_path, monkeypatch, pieces, block):
    monkeypatch.setattr(streamed, "BLOCK", block)
    data = write(tmp_path / "text", "".join(pieces).encode())
    text = "".join(pieces).removeprefix("\ufeff").encode()
    if text.replace(b"<eos>", b"").split():
        assert_same(mapped(data, tmp_path / "cache"), load_corpus(data, log=quiet))
    else:
        assert_refused_alike(data, tmp_path / "cache")


@pytest.mark.parametrize("text", [b"a \xff b\n", b"a b " * 9 + b"\xc3", b"\xef\xbb\xbfx \xe9 y"])
def test_text_that_is_not_utf8_is_refused_at_the_same_place(tmp_path, monkeypatch, text):
    monkeypatch.setattr(streamed, "BLOCK", 8)
    data = write(tmp_path / "text", text)
    assert_refused_alike(data, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "texts").glob("*.part"))


def test_batches_are_those_of_the_text_in_memory(tmp_path, text_folder, corpus):
    ours = mapped(str(text_folder), tmp_path)
    for batch in (1, 3, 7):
        for columns in (slice(None), slice(batch // 2, batch)):
            rows, expected = (replicate(c.train, batch, columns) for c in (ours, corpus))
            assert isinstance(rows, Columns)
            assert rows.shape == expected.shape
            assert torch.equal(rows[:], expected)
            assert torch.equal(rows[5:9], expected[5:9])
            assert torch.equal(rows[-1], expected[-1])
    assert torch.equal(sequential(ours.test)[3:5], sequential(corpus.test)[3:5])


def test_counts_are_those_of_the_text_in_memory(tmp_path, text_folder, characters, monkeypatch):
    monkeypatch.setattr("zaremba_port.text.mapped.BLOCK", 7)
    for folder in (text_folder, characters):
        ours = TextStatistics(mapped(str(folder), tmp_path))
        expected = TextStatistics(load_corpus(str(folder), log=quiet))
        assert ours.parts == expected.parts
        assert ours.shared == expected.shared
        assert ours.most_frequent("train", 5) == expected.most_frequent("train", 5)


@pytest.mark.parametrize("engine", ["fast", "graph"])
def test_training_is_the_same(tmp_path, text_folder, corpus, tiny, engine):
    results = []
    for name, text in (("memory", corpus), ("file", mapped(str(text_folder), tmp_path))):
        small = tiny.with_changes({"seq_length": 20, "max_max_epoch": 1})
        run = RunFolder.create(tmp_path / name, small, text.vocabulary, text.name)
        train(run, text, log=quiet, engine=engine)
        lines = [{k: v for k, v in line.items() if k != "wps"} for line in run.metrics()]
        results.append(lines)
    assert results[0] == results[1]
    assert results[0][-1]["split"] == "test"


def count_builds(monkeypatch) -> list[Path]:
    built: list[Path] = []
    encode_file = id_cache.encode_file

    def counting(path, *arguments):
        built.append(path)
        return encode_file(path, *arguments)

    monkeypatch.setattr(id_cache, "encode_file", counting)
    return built


def test_a_text_is_read_once_wherever_it_is(tmp_path, text_folder, corpus, monkeypatch):
    built = count_builds(monkeypatch)
    mapped(str(text_folder), tmp_path / "cache")
    assert len(built) == 3
    copy = write(
        tmp_path / "copy", *((text_folder / f"{split}.txt").read_bytes() for split in SPLITS)
    )
    for data in (str(text_folder), copy, copy):
        assert_same(mapped(data, tmp_path / "cache"), corpus)
    assert len(built) == 3


def test_a_text_that_changes_is_read_again(tmp_path, monkeypatch):
    """Also where its size, and so its stamp but for the time, stay the same."""
    data = write(tmp_path / "text", b"a b c\n")
    for name in SPLITS:
        os.utime(tmp_path / "text" / f"{name}.txt", (10**9, 10**9))
    assert mapped(data, tmp_path / "cache").vocabulary.words == ["a", "b", "c", "<eos>"]
    (tmp_path / "text" / "train.txt").write_bytes(b"a b d\n")
    assert mapped(data, tmp_path / "cache").vocabulary.words == ["a", "b", "d", "<eos>"]


@pytest.mark.parametrize("damage", ["cut", "gone", "words", "about"])
def test_a_damaged_cache_is_built_again(tmp_path, text_folder, corpus, damage):
    cache = tmp_path / "cache"
    mapped(str(text_folder), cache)
    (place,) = (about.parent for about in cache.glob("texts/*/about.json"))
    if damage == "cut":
        (place / "0.ids").write_bytes((place / "0.ids").read_bytes()[:-6])
    elif damage == "gone":
        (place / "1.ids").unlink()
    else:
        (place / {"words": "vocabulary.txt", "about": "about.json"}[damage]).write_text("the\n")
    assert_same(mapped(str(text_folder), cache), corpus)


def test_a_process_that_was_killed_leaves_nothing_for_long(tmp_path, text_folder):
    left = tmp_path / "texts" / "999999999.abc.part"
    left.mkdir(parents=True)
    mapped(str(text_folder), tmp_path)
    assert not left.exists()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, text_folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="could not be written"):
        mapped(str(text_folder), tmp_path / "file")


def test_words_beyond_the_network_are_refused(tmp_path, text_folder):
    with pytest.raises(UserError, match="set --vocab_size 15"):
        mapped(str(text_folder), tmp_path, vocab_size=5)
