"""Text files as tokens: the words between ASCII white space, and `<eos>` for every newline."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import UserError

EOS = "<eos>"
"""Token for the end of a line, and so of a sentence."""

UNK = "<unk>"
"""Token for a word outside the vocabulary."""

WHITE_SPACE = " \t\n\r\v\f"
"""The characters that separate words: ASCII only, as in Lua. A no-break space is part of a word."""

_WORD = re.compile(f"[^{WHITE_SPACE}]+")
_BOM = "\ufeff"
# Characters of Unicode's Default_Ignorable_Code_Point, and the blank Braille pattern. Python counts
# many of them as printable.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """Read the tokens of a UTF-8 text file.

    A last line without a newline gets no `<eos>`. Source: data.lua, `load_data`.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, or holds no words.
    """
    tokens = tokenize(read_text(path))
    if all(token == EOS for token in tokens):
        raise UserError(f"{path} is empty: it holds no words")
    return tokens


def tokenize(text: str) -> list[str]:
    """Split `text` at ASCII white space, with `<eos>` in the place of every newline.

    A newline is a line feed, a carriage return, or both in this order.

    data.lua puts no spaces around `<eos>`. A line without spaces at both ends, which the Penn
    Treebank's lines have, would there lose its last word to the next line's first.

    >>> tokenize("the cat\\nsat")
    ['the', 'cat', '<eos>', 'sat']
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return split_words(text.replace("\n", f" {EOS} "))


def join_tokens(tokens: Iterable[str]) -> str:
    """Return a text that `tokenize` splits into `tokens`: a newline for `<eos>`.

    >>> join_tokens(["the", "cat", "<eos>", "sat"])
    'the cat \\nsat '
    """
    return "".join("\n" if token == EOS else f"{token} " for token in tokens)


def split_words(text: str) -> list[str]:
    """Split `text` at ASCII white space alone, unlike `str.split`.

    Source: data.lua, `stringx.split`, which knows no other white space.
    """
    return _WORD.findall(text)


def visible(text: str) -> str:
    """Return `text` with an escape in the place of every character that cannot be seen.

    These are control characters, white space other than the space, and characters of no width.

    >>> print(visible("zero\\u200bwidth"))
    zero\\u200bwidth
    """
    escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return _INVISIBLE.sub(lambda c: c[0].encode("unicode_escape").decode(), "".join(escaped))


def quoted(text: str) -> str:
    """Return `text` as `repr` quotes it, with an escape for every character that cannot be seen."""
    return visible(repr(text))


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 file, without its byte order mark.

    Raises:
        UserError: the file is missing, unreadable, or not UTF-8.
    """
    if Path(path).is_dir():  # reading it would say "permission denied" on Windows
        raise UserError(f"{path} is a folder, not a text file")
    try:
        return Path(path).read_bytes().decode().removeprefix(_BOM)
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except PermissionError as error:
        raise UserError(f"no permission to read {path}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text: bad byte 0x{error.object[error.start]:02x} "
            f"at offset {error.start}"
        ) from error


def encode_text(text: str) -> bytes:
    """Encode a text in UTF-8 so that `read_text` reads it back.

    `read_text` drops a byte order mark at the beginning; one that belongs to the text is doubled.
    """
    return (f"{_BOM}{text}" if text.startswith(_BOM) else text).encode()
