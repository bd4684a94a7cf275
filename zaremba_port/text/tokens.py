"""Text files as tokens: the words between white space, and `<eos>` for every newline."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UserError

EOS = "<eos>"
"""Token for the end of a line, and so of a sentence."""

UNK = "<unk>"
"""Token for a word outside the vocabulary."""


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
    """Split `text` at white space, with `<eos>` in the place of every newline.

    data.lua puts no spaces around `<eos>`. A line without spaces at both ends, which the Penn
    Treebank's lines have, would there lose its last word to the next line's first.

    >>> tokenize("the cat\\nsat")
    ['the', 'cat', '<eos>', 'sat']
    """
    return text.replace("\n", f" {EOS} ").split()


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a UTF-8 file, without its byte order mark.

    Raises:
        UserError: the file is missing, unreadable, or not UTF-8.
    """
    if Path(path).is_dir():  # reading it would say "permission denied" on Windows
        raise UserError(f"{path} is a folder, not a text file")
    try:
        return Path(path).read_bytes().decode().removeprefix("\ufeff")
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
