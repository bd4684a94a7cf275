"""Vocabularies: ids, unknown words, and files."""

import pytest
import torch
from helpers import one_line

from zaremba_port.errors import UserError
from zaremba_port.text import EOS, UNK, Vocabulary


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
    assert one_line(error) == f"no word has the id {number}: the ids are 0..1"


def test_an_unknown_word_is_named_with_its_place_and_its_neighbours():
    vocabulary = Vocabulary(["the", "house", "horse", EOS])
    with pytest.raises(UserError) as error:
        vocabulary.encode(["the", "house", EOS, "the", "hourse"])
    assert one_line(error) == (
        "unknown word 'hourse' (word 5, line 2): not among the 4 words of the vocabulary; "
        "near it: house, horse"
    )
    assert len(vocabulary) == 4
    with pytest.raises(UserError) as error:
        Vocabulary(["the", UNK]).encode(["xylophone"])
    assert one_line(error) == (
        "unknown word 'xylophone' (word 1, line 1): not among the 2 words of the vocabulary; "
        "or write <unk> in its place"
    )


def hint_of(words: list[str], unknown: str) -> str:
    with pytest.raises(UserError) as error:
        Vocabulary(words).encode([unknown])
    return one_line(error).partition("of the vocabulary")[2]


def test_lower_case_is_advised_where_all_words_are():
    lower = "; write it in lower case, as the vocabulary is"
    words = ["the", "ibm", "\u00e9cole", "N", EOS, UNK]  # N is any number, as in the Treebank
    unk = "; or write <unk> in its place"
    assert hint_of(words, "The") == "; near it: the" + lower + unk
    assert hint_of(words, "IBM") == "; near it: ibm" + lower + unk
    assert hint_of(words, "\u00c9COLE") == "; near it: \u00e9cole" + lower + unk
    assert hint_of(words, "XYZZY") == lower + unk
    assert hint_of(words, "xyzzy") == unk
    assert hint_of(["the", "Paris"], "The") == "; near it: the"
    assert hint_of(["the", "Paris"], "XYZZY") == ""


def test_what_cannot_be_seen_shows_in_messages(tmp_path):
    with pytest.raises(UserError) as error:
        Vocabulary(["the", "c\u200bat"]).encode(["the\u00a0", "cat"])
    assert one_line(error).startswith("unknown word 'the\\xa0' (word 1, line 1)")
    assert hint_of(["the", "c\u200bat"], "cat") == "; near it: c\\u200bat"
    (tmp_path / "words.txt").write_bytes("a\n\ufe0f\n\ufe0f\n".encode())
    with pytest.raises(UserError, match=r"'\\ufe0f' is on line 2 and on line 3"):
        Vocabulary.load(tmp_path / "words.txt")


def test_words_with_other_white_space_are_saved_and_loaded_again(tmp_path):
    words = ["\ufeffthe", "a\u00a0b", "\x85", "\u2028", "\x1c", "\u3000c", "\u200b"]
    for first in range(len(words)):
        rotated = words[first:] + words[:first]
        Vocabulary(rotated).save(tmp_path / "words.txt")
        assert Vocabulary.load(tmp_path / "words.txt").words == rotated


def test_a_vocabulary_is_saved_one_word_a_line_and_loaded_again(tmp_path):
    words = ["the", "na\u00efve", EOS, UNK, "\u65e5\u672c"]
    path = tmp_path / "words.txt"
    Vocabulary(words).save(path)
    assert path.read_bytes() == "".join(word + "\n" for word in words).encode("utf-8")
    assert Vocabulary.load(path).words == words
    for content in (b"one\r\ntwo\r\n", b"one\rtwo\r"):
        path.write_bytes(content)
        assert Vocabulary.load(path).words == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a\nb c\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"a\n\nb\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"", "words.txt is not a vocabulary: line 1 is not one word"),
        (b"a\nb\na\n", "words.txt is not a vocabulary: 'a' is on line 1 and on line 3"),
        (b"a\n\xff\n", "words.txt is not UTF-8 text: bad byte 0xff at offset 2"),
    ],
)
def test_loading_what_is_no_vocabulary(tmp_path, content, says):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        Vocabulary.load(path)
    assert one_line(error).endswith(says)


def test_a_vocabulary_that_is_missing_or_cannot_be_written(tmp_path):
    with pytest.raises(UserError) as error:
        Vocabulary.load(tmp_path / "none.txt")
    assert one_line(error) == f"no such file: {tmp_path / 'none.txt'}"
    with pytest.raises(UserError) as error:
        Vocabulary(["a"]).save(tmp_path / "no" / "folder.txt")
    assert one_line(error).startswith(f"cannot write {tmp_path / 'no' / 'folder.txt'}: ")
