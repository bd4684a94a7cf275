"""The files of an experiment's results, all made from its run folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..config import PRESETS
from ..errors import UserError
from ..text import Corpus, Log
from .experiment import Experiment
from .heat_maps import draw_heat_maps
from .members import AXES
from .pictures import draw_depths, draw_grid_curves, draw_reproduction
from .published import PTB_CHARACTERS, PTB_SIZES, Published
from .results import Result
from .tables import csv_table, grid_page, reproduction_page
from .texts import origin_of

PICTURE = "\n![{0}]({0}.svg)\n"


def write_grid_pages(experiment: Experiment, log: Log) -> None:
    """Write results.md, results.csv, curves and heat maps of a grid; log where they are."""
    results = experiment.results()
    settings = experiment.members[0].settings
    title = (
        f"{settings.cell.upper()}s of {settings.rnn_size} units, recipe {experiment.preset}, "
        f"on {_text_name(experiment.corpus)}"
    )
    about = f"{_about_text(experiment.corpus)} {_about_settings(experiment)}"
    page = grid_page(title, about, results, experiment.members)
    drawings: list[tuple[str, Callable[[Path], list[Path]]]] = [
        ("heatmap", lambda path: draw_heat_maps(title, results, path)),
        ("depths", lambda path: draw_depths(title, results, path)),
        ("curves", lambda path: draw_grid_curves(title, results, path)),
    ]
    _write(experiment.folder, page, results, drawings, log)


def write_reproduction_pages(experiment: Experiment, published: Published, log: Log) -> None:
    """Write results.md, results.csv and the picture of a reproduction; log where they are."""
    results = experiment.results()
    about = _about_text(experiment.corpus)
    if not is_treebank(experiment.corpus):
        about += " **This is not the Penn Treebank.**"
        if published.valid is not None:
            about += " Published numbers do not apply and are left out."
        published = replace(published, valid=None, test=None)
    page = reproduction_page(published, about, results, experiment.members)
    title = f"{published.title} (preset {published.preset}) on {_text_name(experiment.corpus)}"
    drawings: list[tuple[str, Callable[[Path], list[Path]]]] = [
        ("results", lambda path: draw_reproduction(published, title, results, path))
    ]
    _write(experiment.folder, page, results, drawings, log)


def is_treebank(corpus: Corpus) -> bool:
    """Return whether a corpus has the sizes of the whole Penn Treebank, in words or characters."""
    return corpus.sizes in (PTB_SIZES, PTB_CHARACTERS)


def _write(
    folder: Path,
    page: str,
    results: Sequence[Result],
    drawings: Sequence[tuple[str, Callable[[Path], list[Path]]]],
    log: Log,
) -> None:
    """Write the page, the CSV file and the pictures that can be drawn."""
    names = []
    for name, draw in drawings:
        if results:
            try:
                names += [path.name for path in draw(folder / name)]
                page += PICTURE.format(name)
            except UserError as error:
                log(f"No picture {name}: {error}")
    (folder / "results.md").write_text(page, encoding="utf-8")
    (folder / "results.csv").write_text(csv_table(results), encoding="utf-8")
    log(page)
    log(f"{folder} holds results.md, results.csv{''.join(f', {name}' for name in names)}.")


def _text_name(corpus: Corpus) -> str:
    """Return a short name of the text, for titles."""
    if is_treebank(corpus):
        return "the Penn Treebank"
    origin = origin_of(corpus)
    if origin is None:
        return Path(corpus.name).name
    data, max_words = origin
    return Path(data).name + (f", first {max_words:,} words" if max_words else "")


def _about_text(corpus: Corpus) -> str:
    """Return a sentence about the text."""
    unit = "characters" if corpus.sizes == PTB_CHARACTERS else "tokens"
    sizes = ", ".join(f"{size:,} {unit} in {split}" for split, size in corpus.sizes.items())
    return f"Text: {corpus.name} ({sizes}; {len(corpus.vocabulary):,} different)."


def _about_settings(experiment: Experiment) -> str:
    """Return a sentence about the settings, naming those that differ from the preset's."""
    usual = asdict(PRESETS[experiment.preset])
    own = asdict(experiment.members[0].settings)
    changes = [
        f"{name} {value}"
        for name, value in own.items()
        if name not in (*AXES, "vocab_size") and value != usual[name]
    ]
    return f"Settings: preset {experiment.preset}" + (
        f" with {', '.join(changes)}." if changes else "."
    )
