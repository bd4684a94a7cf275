"""Encoding long text files in one pass: blocks of bytes in, 32-bit ids out.

The tokens and ids are those of `read_tokens` and `Vocabulary.encode`, which read whole files.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import UserError
from .mapped import ID_TYPE
from .tokens import EOS

BLOCK = 1 << 20  # bytes
_BOM = "\ufeff".encode()
_EOS = EOS.encode()
_MAX_IDS = np.iinfo(ID_TYPE).max


class GrowingIndex(dict[bytes, int]):
    """Give every word, in UTF-8, its id, in order of first appearance."""

    def __missing__(self, word: bytes) -> int:
        number = self[word] = len(self)
        return number

    def words(self) -> list[str]:
        """Return the words in the order of their ids.

        Raises:
            UnicodeDecodeError: a word is no UTF-8.
        """
        return [word.decode() for word in self]


def encode_file(
    path: Path, index: GrowingIndex, out: IO[bytes], on_bytes: Callable[[int], object]
) -> tuple[int, str]:
    """Write the ids of the words of a file to `out`; add unknown words to `index`.

    Args:
        path: a UTF-8 text.
        on_bytes: receives the number of bytes of each block that has been read.

    Returns:
        The number of ids, and the SHA-256 of the file.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, or holds no words.
    """
    digest, count, has_words, offset = hashlib.sha256(), 0, False, 0
    for raw, block in _blocks(path, digest.update):
        known = len(index)
        # As in `tokenize`, every kind of newline is the token <eos>.
        lines = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        tokens = lines.replace(b"\n", b" " + _EOS + b" ").split()
        ids = np.fromiter(map(index.__getitem__, tokens), ID_TYPE, len(tokens))
        _check_utf8(path, index, known, block, offset + raw - len(block))
        if len(index) > _MAX_IDS:
            raise UserError(f"{path} has more different words than ids of 32 bits")
        has_words = has_words or bool((ids != index.get(_EOS, -1)).any())
        out.write(ids.data)
        count += len(ids)
        offset += raw
        on_bytes(raw)
    if not has_words:
        raise UserError(f"{path} is empty: it holds no words")
    return count, digest.hexdigest()


def _blocks(path: Path, update: Callable[[bytes], object]) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of a file that end between words, and the number of bytes of each in the file.

    The byte order mark is dropped.
    """
    try:
        with path.open("rb") as file:
            rest, is_first = b"", True
            while True:
                read = file.read(BLOCK)
                update(read)
                block = rest + read
                # After a CR, an LF may follow that belongs to it.
                end = max(block.rfind(b" "), block.rfind(b"\n")) + 1 if read else len(block)
                block, rest = block[:end], block[end:]
                size = len(block)
                if is_first and block:
                    block, is_first = block.removeprefix(_BOM), False
                if block or not read:
                    yield size, block
                if not read:
                    return
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except PermissionError as error:
        raise UserError(f"no permission to read {path}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _check_utf8(path: Path, index: GrowingIndex, known: int, block: bytes, offset: int) -> None:
    """Check the words that a block has added to `index`: between words, all bytes are ASCII."""
    if len(index) == known:
        return
    new = itertools.islice(reversed(index), len(index) - known)
    try:
        b" ".join(new).decode()
    except UnicodeDecodeError:
        try:
            block.decode()
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path} is not UTF-8 text: bad byte 0x{block[error.start]:02x} "
                f"at offset {offset + error.start}"
            ) from None
        raise
