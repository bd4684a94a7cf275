"""Corpora: a folder of texts, the Penn Treebank, and data that cannot be had."""

from pathlib import Path

import pytest
from helpers import PTB, needs_ptb, one_line

from zaremba_port.errors import UserError
from zaremba_port.text import EOS, SPLITS, Corpus, Vocabulary, load_corpus, load_split, read_tokens
from zaremba_port.text import corpus as corpus_module

TEXTS = {
    "train": " the cat saw the dog \n the dog ran \n",
    "valid": " the bird saw the cat \n",
    "test": " a dog ran \n",
}


def silent(line: str) -> None:
    pass


def write_folder(folder: Path, prefix: str = "", texts: dict[str, str] = TEXTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in texts.items():
        (folder / f"{prefix}{split}.txt").write_text(text, encoding="utf-8", newline="")
    return folder


@pytest.mark.parametrize("prefix", ["", "ptb."])
def test_a_folder_shares_one_vocabulary_over_its_texts(tmp_path, prefix):
    folder = write_folder(tmp_path / "texts", prefix)
    lines: list[str] = []
    corpus = load_corpus(str(folder), log=lines.append)
    assert corpus.name == str(folder)
    assert corpus.vocabulary.words == ["the", "cat", "saw", "dog", EOS, "ran", "bird", "a"]
    assert corpus.train.tolist() == [0, 1, 2, 0, 3, 4, 0, 3, 5, 4]
    assert corpus.valid.tolist() == [0, 6, 2, 0, 1, 4]
    assert corpus.test.tolist() == [7, 3, 5, 4]
    assert corpus.sizes == {"train": 10, "valid": 6, "test": 4}
    files = {split: str(folder / f"{prefix}{split}.txt") for split in SPLITS}
    assert corpus.sources == files
    assert lines == [
        f"Loading {files[split]}, size of data = {corpus.sizes[split]}" for split in SPLITS
    ]


def test_a_folder_is_found_with_a_slash_behind_and_a_home_in_front(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    write_folder(tmp_path / "texts")
    for typed in (f"{tmp_path}/texts/", "~/texts", "~/texts/"):
        corpus = load_corpus(typed, log=silent)
        assert Path(corpus.name) == tmp_path / "texts"
        assert corpus.sources["test"] == str(tmp_path / "texts" / "test.txt")
    with pytest.raises(UserError) as error:
        load_corpus("~/text/", log=silent)
    assert one_line(error).endswith(f"the nearest is {str(tmp_path / 'texts')!r}")


def test_a_folder_called_like_a_keyword(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no TEXT is called 'ptb/': .*; the nearest is 'ptb'"):
        load_corpus("ptb/", log=silent)
    for name in ("ptb", "pydoc", "pydoc-live"):
        write_folder(tmp_path / name)
        for typed in (f"./{name}", f"{name}/"):
            corpus = load_corpus(typed, log=silent)
            assert corpus.sizes == {"train": 10, "valid": 6, "test": 4}
            assert corpus.name == typed  # not the keyword


def test_the_original_prints_each_file(tmp_path, capsys):
    folder = write_folder(tmp_path)
    load_corpus(str(folder))
    assert capsys.readouterr().out.splitlines()[2] == (
        f"Loading {folder / 'test.txt'}, size of data = 4"
    )


def test_a_folder_that_lacks_a_text(tmp_path):
    (write_folder(tmp_path) / "valid.txt").unlink()
    with pytest.raises(UserError) as error:
        load_corpus(str(tmp_path), log=silent)
    assert one_line(error) == (
        f"{tmp_path} lacks valid.txt: looked for ptb.train.txt, ptb.valid.txt, ptb.test.txt "
        "or train.txt, valid.txt, test.txt; the folder holds test.txt, train.txt"
    )


@pytest.mark.parametrize("prefix", ["", "ptb."])
@pytest.mark.parametrize("split", SPLITS)
def test_one_part_needs_only_its_file(tmp_path, prefix, split):
    folder = write_folder(tmp_path, prefix, {split: TEXTS[split]})
    lines: list[str] = []
    tokens = TEXTS[split].replace("\n", f" {EOS} ").split()
    assert load_split(str(folder), split, log=lines.append) == tokens
    file = folder / f"{prefix}{split}.txt"
    assert lines == [f"Loading {file}, size of data = {len(tokens)}"]
    for other in set(SPLITS) - {split}:
        (folder / f"{prefix}{other}.txt").write_bytes(b"\xff")  # would be refused
    assert load_split(str(folder), split, log=silent) == tokens
    file.unlink()
    with pytest.raises(UserError) as error:
        load_split(str(folder), split, log=silent)
    assert f"lacks ptb.{split}.txt: looked for ptb.{split}.txt or {split}.txt;" in one_line(error)


def test_one_part_comes_from_the_set_that_training_reads(tmp_path):
    write_folder(tmp_path, "ptb.", {"test": "stray"})
    write_folder(tmp_path)
    assert load_split(str(tmp_path), "test", log=silent) == ["a", "dog", "ran", EOS]
    write_folder(tmp_path, "ptb.", dict.fromkeys(SPLITS, "whole"))
    assert load_split(str(tmp_path), "test", log=silent) == ["whole"]
    corpus = load_corpus(str(tmp_path), log=silent)
    assert corpus.vocabulary.decode(corpus.test) == ["whole"]


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="the folder holds nothing"):
        load_corpus(str(tmp_path), log=silent)


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(corpus_module.os, "listdir", refuse)
    with pytest.raises(UserError) as error:
        load_corpus(str(tmp_path), log=silent)
    assert one_line(error) == f"cannot list the folder {tmp_path}: Permission denied"


def test_a_broken_text_in_a_folder(tmp_path):
    (write_folder(tmp_path) / "test.txt").write_bytes(b"")
    with pytest.raises(UserError, match=r"test\.txt is empty"):
        load_corpus(str(tmp_path), log=silent)


def test_more_words_than_the_network_has(tmp_path):
    folder = str(write_folder(tmp_path))
    assert isinstance(load_corpus(folder, vocab_size=8, log=silent), Corpus)
    with pytest.raises(UserError) as error:
        load_corpus(folder, vocab_size=7, log=silent)
    assert one_line(error) == (
        f"{folder} has 8 different words, more than the network's 7: set --vocab_size 8"
    )


def test_data_that_is_neither_a_keyword_nor_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "mytexts")

    def refused(name: str) -> str:
        with pytest.raises(UserError) as error:
            load_corpus(name, log=silent)
        return one_line(error)

    choices = "the choices are ptb, pydoc, pydoc-live, or a folder"
    assert refused("ptbb") == f"no TEXT is called 'ptbb': {choices}; the nearest is 'ptb'"
    assert refused("PyDocs") == f"no TEXT is called 'PyDocs': {choices}; the nearest is 'pydoc'"
    assert refused("mytext") == f"no TEXT is called 'mytext': {choices}; the nearest is 'mytexts'"
    path = Path("mytexts", "train.txt")
    assert refused(str(path)) == f"{path} is a file: a TEXT is the folder that holds it"


# Penn Treebank


@needs_ptb
def test_penn_treebank_is_read_as_data_lua_reads_it():
    valid, test = read_tokens(PTB / "ptb.valid.txt"), read_tokens(PTB / "ptb.test.txt")
    assert (len(valid), len(test)) == (73_760, 82_430)
    vocabulary = Vocabulary()
    ids = vocabulary.encode(valid, grow=True).tolist()
    first_seen = sorted(set(valid), key=valid.index)
    assert vocabulary.words == first_seen
    assert [first_seen[i] for i in ids[:1000]] == valid[:1000]
    # data.lua itself, which replaces newlines without spaces, finds the same words in PTB.
    raw = (PTB / "ptb.valid.txt").read_text(encoding="utf-8")
    assert raw.replace("\n", EOS).split() == valid
