"""Reading a text file as tokens."""

import unicodedata
from pathlib import Path

import pytest
from helpers import one_line
from hypothesis import given
from hypothesis import strategies as st

from zaremba_port.errors import UserError
from zaremba_port.text import (
    EOS,
    WHITE_SPACE,
    quoted,
    read_tokens,
    split_words,
    tokenize,
    visible,
)


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b" a b \n c \n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc\n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc", ["a", "b", EOS, "c"]),
        (b"a\r\n\r\nb\t c\r\n", ["a", EOS, EOS, "b", "c", EOS]),
        (b"a\rb c\r", ["a", EOS, "b", "c", EOS]),
        (b"a\r\nb\rc\nd\r\r", ["a", EOS, "b", EOS, "c", EOS, "d", EOS, EOS]),
        (b"\xef\xbb\xbfa \xc3\xa9\n", ["a", "\u00e9", EOS]),
    ],
)
def test_a_newline_of_any_system_ends_a_sentence(tmp_path, content, tokens):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert read_tokens(path) == tokens


def by_lua(text: str) -> list[str]:
    """Split as Penlight's `stringx.split`: bytes, in the C locale of Lua."""
    pieces, word = [], b""
    for byte in text.encode():
        if byte in (9, 10, 11, 12, 13, 32):
            pieces.append(word)
            word = b""
        else:
            word += bytes([byte])
    return [piece.decode() for piece in [*pieces, word] if piece]


# What Python's `str.split` also takes for white space, and characters of no width.
NOT_ASCII = [chr(i) for i in range(0x110000) if chr(i).isspace() and chr(i) not in WHITE_SPACE]
NO_WIDTH = list("\u00ad\u034f\u115f\u200b\u200d\u2060\u2800\u3164\ufe0f\ufeff\uffa0\U000e0041")


def test_only_ascii_white_space_separates_words(tmp_path):
    assert {"\x1c", "\x85", "\u00a0", "\u2028", "\u3000"} < set(NOT_ASCII)
    for c in [*NOT_ASCII, *NO_WIDTH, "\x00", "\x1b"]:
        text = f"a{c}b\t{c} c\v{c}{c}\fd\n"
        (tmp_path / "text.txt").write_bytes(text.encode())
        assert split_words(text) == by_lua(text)
        assert read_tokens(tmp_path / "text.txt") == [*by_lua(text), EOS]


@given(st.text(st.characters(codec="utf-8")))
def test_words_are_split_as_in_lua(text):
    assert split_words(text) == by_lua(text)
    for newline in ("\r", "\r\n"):
        typed = text.replace("\r", "").replace("\n", newline)
        assert tokenize(typed) == tokenize(text.replace("\r", ""))


def test_what_cannot_be_seen_is_escaped():
    # The classes of characters that are not printed, by Unicode.
    for i in range(0x110000):
        c = chr(i)
        if unicodedata.category(c) in ("Cc", "Cf", "Zs", "Zl", "Zp") and c != " ":
            assert visible(f"a{c}b") == f"a{c.encode('unicode_escape').decode()}b"
    for c in NO_WIDTH:
        assert visible(c) == c.encode("unicode_escape").decode()
    for seen in ("the cat", "na\u00efve", "\u65e5\u672c", "e\u0301", 'N <unk> it\'s "a" \\'):
        assert visible(seen) == seen
        assert quoted(seen) == repr(seen)
    assert quoted("a\ufe0f\u200b\t") == "'a\\ufe0f\\u200b\\t'"


def test_texts_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"

    def read() -> str:
        with pytest.raises(UserError) as error:
            read_tokens(path)
        return one_line(error)

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
