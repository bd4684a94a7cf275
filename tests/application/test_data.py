"""The data: vocabulary, corpora, batches, and what a user is told when they cannot be had."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import PTB, needs_ptb

from zaremba_port.errors import RunFailed, UserError
from zaremba_port.text import corpus as data
from zaremba_port.text.corpus import (
    EOS,
    SPLITS,
    UNK,
    Corpus,
    Vocabulary,
    load_corpus,
    read_tokens,
    replicate,
    sequential,
)

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


def message(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_exit_codes():
    assert UserError("x").exit_code == 2
    assert isinstance(RunFailed("x"), UserError)
    assert RunFailed("x").exit_code == 1


# Vocabulary


def test_ids_are_given_in_order_of_first_appearance():
    vocabulary = Vocabulary()
    ids = vocabulary.encode(["b", "a", "b", "c"], grow=True)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [0, 1, 0, 2]
    assert vocabulary.encode(["c", "d"], grow=True).tolist() == [2, 3]
    assert vocabulary.words == ["b", "a", "c", "d"]
    assert vocabulary.index == {"b": 0, "a": 1, "c": 2, "d": 3}
    assert len(vocabulary) == 4
    assert "a" in vocabulary
    assert "z" not in vocabulary
    assert vocabulary.decode(ids) == ["b", "a", "b", "c"]
    assert vocabulary.decode([3, 0]) == ["d", "b"]
    assert vocabulary.encode([]).dtype == torch.int64


@pytest.mark.parametrize("number", [-1, 2])
def test_decoding_an_id_without_a_word(number):
    with pytest.raises(UserError) as error:
        Vocabulary(["a", "b"]).decode([0, number])
    assert message(error) == f"no word has the id {number}: the ids are 0..1"


def test_an_unknown_word_is_named_with_its_place_and_its_neighbours():
    vocabulary = Vocabulary(["the", "house", "horse", EOS])
    with pytest.raises(UserError) as error:
        vocabulary.encode(["the", "house", EOS, "the", "hourse"])
    assert message(error) == (
        "unknown word 'hourse' (word 5, line 2): not among the 4 words of the vocabulary; "
        "near it: house, horse"
    )
    assert len(vocabulary) == 4
    with pytest.raises(UserError) as error:
        Vocabulary(["the", UNK]).encode(["xylophone"])
    assert message(error) == (
        "unknown word 'xylophone' (word 1, line 1): not among the 2 words of the vocabulary; "
        "or write <unk> in its place"
    )


def test_a_vocabulary_is_saved_one_word_a_line_and_loaded_again(tmp_path):
    words = ["the", "na\u00efve", EOS, UNK, "\u65e5\u672c"]
    path = tmp_path / "words.txt"
    Vocabulary(words).save(path)
    assert path.read_bytes() == "".join(word + "\n" for word in words).encode("utf-8")
    assert Vocabulary.load(path).words == words
    path.write_bytes(b"one\r\ntwo\r\n")
    assert Vocabulary.load(path).words == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a\nb c\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"a\n\nb\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"", "words.txt is not a vocabulary: line 1 is not one word"),
        (b"a\nb\na\n", "words.txt is not a vocabulary: 'a' stands on line 1 and on line 3"),
        (b"a\n\xff\n", "words.txt is not UTF-8 text: bad byte 0xff at offset 2"),
    ],
)
def test_loading_what_is_no_vocabulary(tmp_path, content, says):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        Vocabulary.load(path)
    assert message(error).endswith(says)


def test_a_vocabulary_that_is_missing_or_cannot_be_written(tmp_path):
    with pytest.raises(UserError) as error:
        Vocabulary.load(tmp_path / "none.txt")
    assert message(error) == f"no such file: {tmp_path / 'none.txt'}"
    with pytest.raises(UserError) as error:
        Vocabulary(["a"]).save(tmp_path / "no" / "folder.txt")
    assert message(error).startswith(f"cannot write {tmp_path / 'no' / 'folder.txt'}: ")


# Reading a text


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b" a b \n c \n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc\n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc", ["a", "b", EOS, "c"]),
        (b"a\r\n\r\nb\t c\r\n", ["a", EOS, EOS, "b", "c", EOS]),
        (b"\xef\xbb\xbfa \xc3\xa9\n", ["a", "\u00e9", EOS]),
    ],
)
def test_only_a_newline_ends_a_sentence(tmp_path, content, tokens):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert read_tokens(path) == tokens


def test_texts_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"

    def read() -> str:
        with pytest.raises(UserError) as error:
            read_tokens(path)
        return message(error)

    assert read() == f"no such file: {path}"
    for empty in (b"", b" \n\n"):
        path.write_bytes(empty)
        assert read() == f"{path} is empty: it holds no words"
    path.write_bytes(b"caf\xe9 ol\xe9\n")
    assert read() == f"{path} is not UTF-8 text: bad byte 0xe9 at offset 3"

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    # Not chmod: an administrator, as who tests often run, may read everything.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert read() == f"no permission to read {path}"

    def fail(self):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert read() == f"cannot read {path}: Input/output error"
    path.unlink()
    path.mkdir()
    assert read() == f"{path} is a folder, not a text file"


# Batches


def lua_replicate(x: np.ndarray, batch_size: int) -> np.ndarray:
    """data.lua, line by line, with its indices from 1 and its double arithmetic."""
    s = len(x)
    out = np.zeros((int(np.floor(s / batch_size)), batch_size), dtype=x.dtype)
    for i in range(1, batch_size + 1):
        start = int(np.floor((i - 1) * s / batch_size + 0.5)) + 1
        finish = start + len(out) - 1
        assert finish <= s
        out[:, i - 1] = x[start - 1 : finish]
    return out


@pytest.mark.parametrize(
    ("n", "batch_size"),
    [(1, 1), (7, 1), (20, 20), (21, 20), (10, 4), (30, 20), (39, 20), (11, 3), (929_589, 20)],
)
def test_replicate_is_the_lua_formula(n, batch_size):
    ids = torch.arange(n)
    batches = replicate(ids, batch_size)
    np.testing.assert_array_equal(batches.numpy(), lua_replicate(ids.numpy(), batch_size))
    assert batches.dtype == torch.int64
    assert batches.is_contiguous()


def test_replicate_over_many_sizes():
    for n in range(1, 60):
        for batch_size in range(1, n + 1):
            expected = lua_replicate(np.arange(n), batch_size)
            np.testing.assert_array_equal(replicate(torch.arange(n), batch_size), expected)


def test_sequential_is_one_column():
    ids = torch.tensor([3, 1, 2])
    assert sequential(ids).tolist() == [[3], [1], [2]]


def test_a_text_shorter_than_the_batch():
    with pytest.raises(UserError) as error:
        replicate(torch.arange(19), 20)
    assert message(error) == (
        "a text of 19 words cannot fill a batch of 20: "
        "give more text, or set a smaller --batch_size"
    )


# A folder


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
    assert message(error).endswith(f"the nearest is {str(tmp_path / 'texts')!r}")


def test_a_folder_called_like_a_keyword(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"no data 'ptb/': .*; the nearest is 'ptb'"):
        load_corpus("ptb/", log=silent)
    for name in ("ptb", "pydoc"):
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
    assert message(error) == (
        f"{tmp_path} lacks valid.txt: looked for ptb.train.txt, ptb.valid.txt, ptb.test.txt "
        "or train.txt, valid.txt, test.txt; the folder holds test.txt, train.txt"
    )


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="the folder holds nothing"):
        load_corpus(str(tmp_path), log=silent)


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.os, "listdir", refuse)
    with pytest.raises(UserError) as error:
        load_corpus(str(tmp_path), log=silent)
    assert message(error) == f"cannot list the folder {tmp_path}: Permission denied"


def test_a_broken_text_in_a_folder(tmp_path):
    (write_folder(tmp_path) / "test.txt").write_bytes(b"")
    with pytest.raises(UserError, match=r"test\.txt is empty"):
        load_corpus(str(tmp_path), log=silent)


def test_more_words_than_the_network_has(tmp_path):
    folder = str(write_folder(tmp_path))
    assert isinstance(load_corpus(folder, vocab_size=8, log=silent), Corpus)
    with pytest.raises(UserError) as error:
        load_corpus(folder, vocab_size=7, log=silent)
    assert message(error) == (
        f"{folder} has 8 different words, more than the network's 7: set --vocab_size 8"
    )


def test_data_that_is_neither_a_keyword_nor_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "mytexts")

    def refused(name: str) -> str:
        with pytest.raises(UserError) as error:
            load_corpus(name, log=silent)
        return message(error)

    choices = "the choices are ptb, pydoc, or an existing folder"
    assert refused("ptbb") == f"no data 'ptbb': {choices}; the nearest is 'ptb'"
    assert refused("PyDocs") == f"no data 'PyDocs': {choices}; the nearest is 'pydoc'"
    assert refused("mytext") == f"no data 'mytext': {choices}; the nearest is 'mytexts'"
    path = Path("mytexts", "train.txt")
    assert refused(str(path)) == f"{path} is a file: --data takes the folder that holds it"


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
