"""Reading a text file as tokens."""

from pathlib import Path

import pytest
from helpers import one_line

from zaremba_port.errors import UserError
from zaremba_port.text import EOS, read_tokens


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
