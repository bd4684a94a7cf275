"""The text that the members of an experiment read: a corpus as it is, cut, or as characters."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..config import Settings
from ..errors import RunFailed, UserError
from ..runs import RunFolder
from ..text import (
    CHARACTERS,
    KEYWORDS,
    SPLITS,
    WORDS,
    Corpus,
    Log,
    encode_text,
    join_tokens,
    load_corpus,
    same_ids,
    to_characters,
    unit_of,
)
from .members import run_folders

MARK = "made_from.json"


def prepare_text(
    data: str, unit: str, folder: Path, settings: Settings, max_words: int | None, log: Log
) -> Corpus:
    """Return the corpus that all members read; its `name` is what they take as ``--data``.

    A text of words that is neither cut nor read by characters is used where it is. Otherwise the
    text is written into ``folder/text`` once, and found there by later calls. `max_words` cuts the
    training and the validation text to that many words and the test text to a tenth, before they
    become characters.

    Raises:
        UserError: the text cannot be read, or ``folder/text`` was made from another one.
        RunFailed: ``folder/text`` cannot be written.
    """
    own = folder / "text"
    corpus = load_corpus(data, log=lambda line: None)
    is_characters = unit_of(corpus.vocabulary) == CHARACTERS
    if is_characters and (unit == WORDS or max_words is not None):
        reason = "--max-words cuts texts of words" if max_words is not None else "it takes words"
        raise UserError(f"{data} is a text of characters: {reason}")
    if is_characters or (unit == WORDS and max_words is None):
        _log_sizes(corpus, log)
        if data not in KEYWORDS:
            corpus = replace(corpus, name=str(Path(corpus.name).resolve()))
        return corpus
    source = {
        "data": data if data in KEYWORDS else str(Path(data).expanduser().resolve()),
        "sizes": corpus.sizes,
        "unit": unit,
        "max_words": max_words,
        "batch_size": settings.batch_size if max_words is not None else None,
        "seq_length": settings.seq_length if max_words is not None else None,
    }
    if not _was_made_from(own, source, is_in_use=any(run_folders(folder))):
        _write_text(own, _converted(corpus, unit, settings, max_words), source)
        log(f"The {unit} of {data} are in {own}.")
    made = load_corpus(str(own.resolve()), log=lambda line: None)
    _log_sizes(made, log)
    return made


def same_text(run: RunFolder, corpus: Corpus, log: Log) -> bool:
    """Return whether a run reads `corpus`, perhaps under another name.

    Where the text that the run names is not on this machine, only the vocabularies are compared,
    and the log says so.
    """
    if run.vocabulary.words != corpus.vocabulary.words:
        return False
    if run.data == corpus.name:
        return True
    try:
        other = load_corpus(run.data, log=lambda line: None)
    except UserError:
        log(f"{run.path}: its text {run.data} is not here; only its vocabulary was compared.")
        return True
    return all(same_ids(getattr(other, split), getattr(corpus, split)) for split in SPLITS)


def origin_of(corpus: Corpus) -> tuple[str, int | None] | None:
    """Return the text and the limit of words from which `prepare_text` made a corpus.

    For a text that was used where it is, return None.
    """
    mark = Path(corpus.name) / MARK
    if not mark.is_file():
        return None
    source = json.loads(mark.read_text(encoding="utf-8"))
    return source["data"], source["max_words"]


def whole_sequences(tokens: Sequence[str], settings: Settings) -> Sequence[str]:
    """Return the tokens of a validation text cut to whole sequences of `settings`, if it has any.

    Validation divides by the fractional number of sequences, as the original does. On a short text
    the loss would come out some per cent too small.
    """
    rows = len(tokens) // settings.batch_size
    sequences = (rows - 1) // settings.seq_length
    return tokens[: (sequences * settings.seq_length + 1) * settings.batch_size] or tokens


def _was_made_from(own: Path, source: Mapping[str, object], is_in_use: bool) -> bool:
    """Return whether the text in the folder `own` is there and was made from `source`.

    Raises:
        UserError: it was made from something else and runs have read it, or by somebody else.
    """
    if not own.exists():
        return False
    try:
        before = json.loads((own / MARK).read_text(encoding="utf-8"))
        changed = [name for name, value in source.items() if before.get(name) != value]
    except FileNotFoundError:
        raise UserError(f"{own} was not made by this command: name another folder") from None
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{own / MARK} cannot be read: {error}") from None
    if changed and is_in_use:
        name = changed[0]
        raise UserError(
            f"{own} was made with {name} {before.get(name)}, not {source[name]}: "
            "name another folder"
        )
    return not changed


def _write_text(
    own: Path, parts: Mapping[str, Sequence[str]], source: Mapping[str, object]
) -> None:
    """Write the tokens of each part, and what they were made from: all of it or nothing.

    Raises:
        RunFailed: the files cannot be written.
    """
    new = own.with_name(f"{own.name}.part")
    try:
        for old in (new, own):
            if old.exists():
                shutil.rmtree(old)
        new.mkdir(parents=True)
        for split, tokens in parts.items():
            (new / f"{split}.txt").write_bytes(encode_text(join_tokens(tokens)))
        (new / MARK).write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
        new.rename(own)
    except OSError as error:
        raise RunFailed(f"{own} could not be written: {error.strerror}") from None


def _converted(
    corpus: Corpus, unit: str, settings: Settings, max_words: int | None
) -> dict[str, Sequence[str]]:
    """Return the tokens of each part of the members' text."""
    decode = corpus.vocabulary.decode
    limits = {"train": max_words, "valid": max_words, "test": max_words and max(max_words // 10, 2)}
    parts: dict[str, Sequence[str]] = {}
    for split, limit in limits.items():
        parts[split] = decode(getattr(corpus, split)[:limit])
        if unit == CHARACTERS:
            parts[split] = list(to_characters(parts[split]))
    if max_words is not None:
        parts["valid"] = whole_sequences(parts["valid"], settings)
    return parts


def _log_sizes(corpus: Corpus, log: Log) -> None:
    sizes = ", ".join(f"{size:,} in {split}" for split, size in corpus.sizes.items())
    log(f"Text: {corpus.name}; tokens: {sizes}; {len(corpus.vocabulary):,} different.")
