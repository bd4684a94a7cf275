"""The text "pydoc-live", which needs no network: the prose in the sources of Python's library.

The text keeps the sentences that read as prose. A sentence with code, tables, markup or addresses
is dropped whole, since no rule turns it into English.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..errors import UserError
from .tokens import UNK

TOKENS = 370_000
VOCABULARY = 10_000

_NOT_LIBRARY = {
    *("test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo"),
    *("site-packages", "dist-packages", "ensurepip", "encodings"),
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_PASSAGE = 12  # sentences
_COMMENT_BLOCK = re.compile(r"(?:^[ \t]*#.*\n)+", re.MULTILINE)
_COMMENT_SIGN = re.compile(r"^[ \t]*#+[!:]? ?", re.MULTILINE)
_ITEM = r"(?:[-*+o]|\(?\w\d?[.)])[ \t]+"
_TERM = r"(?::\w+[^:\n]*:|\w+:|\S+ --?)[ \t]"
_PARAGRAPH_END = re.compile(rf"\n(?=[ \t]*(?:\n|{_ITEM}|{_TERM}))")
_HEAD = re.compile(rf"^\s*(?:{_ITEM})?(?:{_TERM})?")
_CODE_LINE = re.compile(r"^ *(?:>>>|\.\.|[$|+<@#=~^]|-{3})|\S {3,}\S|\t", re.MULTILINE)
_ADDRESS = re.compile(r"://|\w@\w|www\.|[Cc]opyright|[Ll]icen[sc]e")
_SENTENCE_END = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[`*]*[A-Z])")
_CODE_PIECE = re.compile(r"\S*[=_(){}\[\]<>|\\/%&]\S*")
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_WORD = re.compile(r"e\.g\.|i\.e\.|[^\W\d_]+(?:'[^\W\d_]+)?|\d[\w.]*")
_FREQUENT = set(
    "a an and are as be by can for from if in is it not of on or the this to with".split()
)


def pydoc_texts(library: Path, cache: Path) -> list[str]:
    """Build the training, validation and test text, a sentence a line, from the folder `library`.

    Building takes seconds, so `cache` keeps the texts.

    Raises:
        UserError: the folder holds no sources.
    """
    files = _source_files(library)
    cache_file = cache / f"pydoc-{_fingerprint(files)}.txt"
    texts = _read_cached(cache_file)
    if texts is None:
        passages = _choose(list(_passages(files)))
        if len(passages) < 20:
            raise UserError(
                f"no sources of Python's standard library in {library}: "
                "the text 'pydoc-live' is made from them; use the text pydoc"
            )
        texts = _split(passages)
        _write_cached(cache_file, texts)
    return texts


def _source_files(library: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(library):
        folders[:] = [name for name in folders if name not in _NOT_LIBRARY]
        files.extend(Path(root, name) for name in names if name.endswith(".py"))
    return sorted(files, key=lambda path: path.relative_to(library).as_posix())


def _fingerprint(files: list[Path]) -> str:
    """Hash the library's state and this module, so that a change of either rebuilds the texts."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    state = repr((sys.version, stats)).encode(errors="surrogateescape")
    return hashlib.sha256(state + Path(__file__).read_bytes()).hexdigest()[:16]


def _read_cached(path: Path) -> list[str] | None:
    """Read what `_write_cached` wrote; None if the file is missing or damaged."""
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != hashlib.sha256(content).hexdigest().encode():
        return None
    return content.decode().split("\f")


def _write_cached(path: Path, texts: list[str]) -> None:
    content = "\f".join(texts).encode()
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        part.replace(path)
    except OSError:  # without a cache the next run builds the texts again
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _split(passages: list[list[str]]) -> list[str]:
    """Divide the passages: of every 20, one for validation, one for the test, 18 for training.

    A word that occurs once becomes `<unk>`. So do the rarest words if there are more than
    `VOCABULARY` different ones, `<unk>` and the end of a sentence counted.
    """
    counts = Counter(token for passage in passages for token in passage)
    repeated = [word for word in counts if counts[word] > 1]
    ranked = sorted(repeated, key=lambda word: (-counts[word], word))
    vocabulary = set(ranked[: VOCABULARY - 1])  # <unk> takes the last place
    train: list[str] = []
    valid: list[str] = []
    test: list[str] = []
    for number, passage in enumerate(passages):
        part = {9: valid, 19: test}.get(number % 20, train)
        part.extend(word if word in vocabulary else UNK for word in passage)
    return [" ".join(tokens) for tokens in (train, valid, test)]


def _choose(passages: list[tuple[bool, list[str]]]) -> list[list[str]]:
    """Keep all docstrings and the longest comments, up to `TOKENS` tokens, in their order.

    Every Python version then gives a text of the same length.
    """
    room = TOKENS
    chosen = set()
    for i in sorted(range(len(passages)), key=lambda i: (passages[i][0], -len(passages[i][1]), i)):
        room -= len(passages[i][1])
        if room < 0:
            break
        chosen.add(i)
    return [passages[i][1] for i in sorted(chosen)]


def _passages(files: list[Path]) -> Iterator[tuple[bool, list[str]]]:
    """Yield (is it a comment, tokens) for each passage of `files`, without repeated texts."""
    seen = set()
    for path in files:
        for is_comment, text in _texts(path):
            sentences = _sentences(text)
            key = tuple(map(tuple, sentences))
            if key in seen:
                continue
            seen.add(key)
            for start in range(0, len(sentences), _PASSAGE):
                passage = sentences[start : start + _PASSAGE]
                yield is_comment, [token for sentence in passage for token in sentence]


def _texts(path: Path) -> Iterator[tuple[bool, str]]:
    """Yield (is it a comment, text) for each docstring, help text and comment block of a module."""
    try:
        source = path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the library's own strings
            module = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return
    is_help = path.name == "topics.py" and path.parent.name == "pydoc_data"
    for node in ast.walk(module):
        if isinstance(node, _DOCUMENTED):
            yield False, ast.get_docstring(node) or ""
        elif is_help and isinstance(node, ast.Dict):
            yield from ((False, text) for text in ast.literal_eval(node).values())
    for block in _COMMENT_BLOCK.findall(source):
        yield True, _COMMENT_SIGN.sub("", block)


def _sentences(text: str) -> list[list[str]]:
    """Split `text` into the sentences that read as prose: words, then a newline."""
    sentences = []
    for paragraph in _PARAGRAPH_END.split(text.replace("\u2019", "'")):
        if not _CODE_LINE.search(paragraph):
            for sentence in _SENTENCE_END.split(_HEAD.sub("", paragraph)):
                words = _words(sentence)
                if _is_prose(sentence, words):
                    sentences.append([*words, "\n"])
    return sentences


def _words(sentence: str) -> list[str]:
    words = _WORD.findall(_CAPITALS.sub(" ", sentence).lower())
    return ["N" if word[0].isdigit() else word for word in words]


def _is_prose(sentence: str, words: list[str]) -> bool:
    code = len(_CODE_PIECE.findall(sentence))
    symbols = sum(len(word) == 1 for word in words)
    return (
        4 <= len(words) <= 60
        and 4 * code <= len(sentence.split())
        and 3 * symbols <= len(words)
        and not _FREQUENT.isdisjoint(words)
        and not _ADDRESS.search(sentence)
    )
