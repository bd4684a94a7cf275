"""The text "pydoc", which needs no network: the prose in the sources of Python's library.

Sentences are kept which read as prose; what is left of code, tables, markup and addresses is
dropped with its sentence, since no rule turns such a line into English.
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

UNK = "<unk>"
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
    """The texts for training, validation and test, a sentence a line, from the folder `library`.

    They are kept in `cache`, since to build them takes seconds. Raises `UserError` if the folder
    holds no sources.
    """
    files = _source_files(library)
    saved = cache / f"pydoc-{_fingerprint(files)}.txt"
    texts = _read_saved(saved)
    if texts is None:
        passages = _choose(list(_passages(files)))
        if len(passages) < 20:
            raise UserError(
                f"no sources of Python's standard library in {library}: "
                "the text 'pydoc' is made from them; use --data ptb or --data DIR"
            )
        texts = _split(passages)
        _save(saved, texts)
    return texts


def _source_files(library: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(library):
        folders[:] = [name for name in folders if name not in _NOT_LIBRARY]
        files.extend(Path(root, name) for name in names if name.endswith(".py"))
    return sorted(files, key=lambda path: path.relative_to(library).as_posix())


def _fingerprint(files: list[Path]) -> str:
    """Names the library's state and this file's, so that an edit here needs no cleared cache."""
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    state = repr((sys.version, stats)).encode(errors="surrogateescape")
    return hashlib.sha256(state + Path(__file__).read_bytes()).hexdigest()[:16]


def _read_saved(path: Path) -> list[str] | None:
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if digest != hashlib.sha256(content).hexdigest().encode():
        return None
    return content.decode().split("\f")


def _save(path: Path, texts: list[str]) -> None:
    content = "\f".join(texts).encode()
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        part.replace(path)
    except OSError:  # without a cache everything works, only later
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _split(passages: list[list[str]]) -> list[str]:
    """The three texts: of 20 passages one is for validation and one for the test.

    Words seen once become `<unk>`, and so do the rarest where there are more than `VOCABULARY`
    different ones, `<unk>` and the end of a sentence counted.
    """
    counts = Counter(token for passage in passages for token in passage)
    repeated = [word for word in counts if counts[word] > 1]
    ranked = sorted(repeated, key=lambda word: (-counts[word], word))
    known = set(ranked[: VOCABULARY - 1])  # <unk> takes the last place
    train: list[str] = []
    valid: list[str] = []
    test: list[str] = []
    for number, passage in enumerate(passages):
        part = {9: valid, 19: test}.get(number % 20, train)
        part.extend(word if word in known else UNK for word in passage)
    return [" ".join(tokens) for tokens in (train, valid, test)]


def _choose(passages: list[tuple[bool, list[str]]]) -> list[list[str]]:
    """All docstrings, and the longest comments until there are `TOKENS`, in their order.

    So the text of every Python is equally long.
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
    """(is it a comment, tokens) for each passage of `files`; a text met before is left out."""
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
    """(is it a comment, text) for each docstring, help text and comment block of a module."""
    try:
        source = path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the library's own strings
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
    """The sentences of `text` that read as prose, each a list of words that ends with a newline."""
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
