"""Import: make a run folder of a language model that Torch7 trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from ..config import SETTING_NAMES, Settings
from ..engines import make_model, start_generators
from ..errors import UserError
from ..language_model import text_states
from ..runs import RunFolder, Training, check_free, save, tensors_of
from ..text import CHARACTERS, Corpus, Log, Vocabulary, load_corpus, unit_of
from .contents import Contents, load, read_contents
from .networks import same_network, settings_of
from .vocabularies import vocabulary_words

# Lua's names of settings, where they differ.
_NAMES = {"learning_rate": "lr", "grad_clip": None, "model": None, "num_layers": None}


def import_run(
    path: str | Path,
    run: str | Path,
    *,
    data: str | None = None,
    vocabulary: str | None = None,
    changes: Mapping[str, Any] | None = None,
    force: bool = False,
    log: Log = print,
) -> RunFolder:
    """Make the run folder `run` of the language model in the Torch7 file `path`.

    The run evaluates and completes sentences; with a text it can go on training.

    Args:
        path: a file with the network of main.lua, with main.lua's table `model`, or with a
            checkpoint of char-rnn.
        run: the folder to make.
        data: the text, as `zaremba train` takes it. Without a vocabulary, its words in the order
            of their first appearance are the ids, as in data.lua; the default is then "ptb".
        vocabulary: a file with the words: a .t7 file with a table, or one word a line. By default
            the vocabulary in `path`, if there is one.
        changes: settings of the training, by name.
        force: overwrite a run that is in the folder.
        log: receives the lines of the report.

    Raises:
        UserError: the file contains no such network, there are fewer words in the network than in
            the vocabulary, or the folder is not empty and `force` is not set.
    """
    check_free(Path(run), force=force)
    contents = read_contents(path)
    settings = _settings(contents, changes or {}, str(path))
    network = same_network(contents, settings, str(path))
    words = _read_vocabulary(vocabulary) if vocabulary else contents.words
    corpus = None
    if data is not None or words is None:
        known = None if words is None else Vocabulary(words)
        corpus = load_corpus(data or "ptb", vocabulary=known, log=log)
        words = _checked_words(words, corpus, settings)
    assert words is not None
    if len(words) > settings.vocab_size:
        raise UserError(
            f"{path}: the network has {settings.vocab_size} words, the vocabulary {len(words)}"
        )
    if corpus is not None:
        text_states(settings, corpus)  # raises before a folder is made
    source = _source(corpus)
    folder = RunFolder.create(run, settings, Vocabulary(words), source, force=force)
    folder.fixed_vocabulary = True
    folder.save_definition()
    folder.save_best(tensors_of(network))
    log(f"{path}: {_summary(contents, settings)}, {len(words)} {folder.unit}")
    if corpus is None:
        log(f"{run} evaluates and completes; to go on training, import it with --data TEXT")
    else:
        _save_last(folder, corpus, contents, network)
        log(f"Go on with zaremba train {folder.resume_options}")
    if contents.is_char_rnn and settings.dropout:
        log("Further training drops out embeddings as well, which char-rnn does not")
    return folder


def _settings(contents: Contents, changes: Mapping[str, Any], place: str) -> Settings:
    """Return the settings: of the file, of the network, and `changes`."""
    found: dict[str, Any] = {}
    for name, value in contents.settings.items():
        name = _NAMES.get(name, name) or ""
        if name in SETTING_NAMES and isinstance(value, (int, float)):
            found[name] = value
    found |= settings_of(contents, place)
    if contents.state:
        found["batch_size"] = len(contents.state[0])
    settings = Settings()
    for setting in fields(Settings):
        if setting.name in found:
            try:
                settings = settings.with_changes({setting.name: found[setting.name]})
            except UserError:  # Lua's programs do not check what they save
                if setting.name in settings_of(contents, place):
                    raise
    return settings.with_changes(changes)


def _checked_words(words: list[str] | None, corpus: Corpus, settings: Settings) -> list[str]:
    if words is None:
        if len(corpus.vocabulary) > settings.vocab_size:
            raise UserError(
                f"the text {corpus.name} has {len(corpus.vocabulary)} different words, more than "
                f"the network's {settings.vocab_size}: name the text that it was trained on, "
                "--data TEXT, or its words, --vocabulary FILE"
            )
        return corpus.vocabulary.words
    new = corpus.vocabulary.words[len(words) :]
    if new:
        way = "name the text that it was trained on, or leave --data out"
        known = Vocabulary(words)
        if unit_of(known) == CHARACTERS and unit_of(corpus.vocabulary) != CHARACTERS:
            way = "the network reads characters, zaremba data chars makes such a text of this one"
        raise UserError(
            f"the text {corpus.name} has {len(new)} words that the network's vocabulary lacks, "
            f"such as {new[0]!r}: {way}"
        )
    return words


def _source(corpus: Corpus | None) -> str:
    if corpus is None:
        return "ptb"
    return corpus.name if corpus.name in ("ptb", "pydoc") else str(Path(corpus.name).resolve())


def _summary(contents: Contents, settings: Settings) -> str:
    kind = "a char-rnn checkpoint" if contents.is_char_rnn else "the network of main.lua"
    count = f"{settings.layers} {settings.cell_title} layer{'s' * (settings.layers > 1)}"
    layers = f"{count} of {settings.rnn_size}"
    return f"{kind}, {layers}, {settings.dtype}"


def _save_last(
    folder: RunFolder, corpus: Corpus, contents: Contents, network: torch.nn.Module
) -> None:
    """Save what training needs to go on from the network, at step 0."""
    start_generators(folder.settings.seed)
    text = text_states(folder.settings, corpus)["train"]
    from ..model import create_network

    core = create_network(folder.settings)
    with torch.no_grad():
        for parameter, trained in zip(core.parameters(), network.parameters(), strict=True):
            parameter.copy_(trained)
    model = make_model(None, core, folder.settings)
    for start, saved in zip(model.start_s, contents.state or [], strict=False):
        if start.shape == saved.shape:
            start.copy_(saved)
    save(Training(folder, model, text, log=_nothing, announce=_nothing))


def _nothing(line: str) -> None:
    """Log nothing."""


def _read_vocabulary(path: str) -> list[str]:
    """Return the words in the file `path`: a .t7 file with a table, or one word a line.

    Raises:
        UserError: it cannot be read or is no vocabulary.
    """
    if Path(path).suffix == ".t7":
        return vocabulary_words(load(path), path)
    return Vocabulary.load(path).words
