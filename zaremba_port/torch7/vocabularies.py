"""Vocabularies in Torch7's files, and the tokens that stand for char-rnn's characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from ..text import EOS, SPACE, WHITE_SPACE

_BYTE = "<0x{:02x}>"


def vocabulary_words(table: Any, place: str) -> list[str]:
    """Return the words of a Lua table by their ids, from 0.

    The table has words as keys and ids as values, which count from 1, or it is a list of words. A
    space becomes `_`, a newline `<eos>`, and a byte that is no character `<0xNN>`.

    Raises:
        UserError: it is no such table.
    """
    if isinstance(table, Mapping):
        by_id = {number: word for word, number in table.items()}
        if all(isinstance(key, int) for key in table):  # from ids to words
            by_id = dict(table)
        numbers = list(range(1, len(table) + 1))
        if sorted(by_id, key=str) != sorted(numbers, key=str):
            raise UserError(f"{place}: the ids of the vocabulary are not 1..{len(table)}")
        table = [by_id[number] for number in numbers]
    if not isinstance(table, list) or not all(isinstance(word, (str, bytes)) for word in table):
        raise UserError(f"{place} has no vocabulary: expecting a table of words and ids")
    # A literal _ or <eos> beside a space or a newline must not become the same token.
    literal = {"_"} if " " in table else set()
    literal |= {EOS} if "\n" in table else set()
    words = [bytes_token(word) if word in literal else token_of(word) for word in table]
    if len(set(words)) != len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise UserError(f"{place}: {twice!r} occurs twice in the vocabulary")
    return words


def token_of(word: str | bytes) -> str:
    """Return the token that stands for a word or a character of a Torch7 vocabulary.

    >>> [token_of(word) for word in ("cat", " ", "\\n", "\\t", b"\\xc3", "_")]
    ['cat', '_', '<eos>', '<0x09>', '<0xc3>', '_']
    """
    if word in ("\n", " "):
        return EOS if word == "\n" else SPACE
    is_text = isinstance(word, str) and word and not set(word) & set(WHITE_SPACE)
    return str(word) if is_text else bytes_token(word)


def bytes_token(word: str | bytes) -> str:
    """Return the token that lists the bytes of `word`."""
    return "".join(map(_BYTE.format, word if isinstance(word, bytes) else word.encode()))


def raw_of(token: str) -> bytes:
    """Return the character that a token stands for: undoes `token_of`."""
    if token in (EOS, SPACE):
        return b"\n" if token == EOS else b" "
    if token.startswith("<0x") and token.endswith(">") and len(token) % 6 == 0:
        return bytes.fromhex("".join(token[i + 3 : i + 5] for i in range(0, len(token), 6)))
    return token.encode()
