"""Perplexity: `run_valid` reads a text in batches, `run_test` one word or character at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from .cells import Cell
from .engines import make_model, pick_device
from .errors import UserError
from .language_model import LanguageModel, TextState
from .model import create_network
from .runs import RunFolder, checked_cell
from .text import CHARACTERS, COURSE_FACTOR, bits, characters_per_word, perplexity

Run = RunFolder | str | Path


def run_valid(
    model: LanguageModel | Run,
    state: TextState,
    *,
    cell: Cell | str | None = None,
    on_read: Callable[[], None] = lambda: None,
) -> float:
    """Return the mean loss of a text in nats, read in batches with carried state.

    Source: `run_valid` of main.lua. As there, floor(length) sequences are read, and the sum of
    their losses is divided by the fractional length. The arguments are as in `run_test`. Several
    workers read their columns each; all get the mean.
    """
    model = _loaded(model, state, cell)
    length = (len(state.data) - 1) / model.settings.seq_length
    total = 0.0
    with evaluating(model, state), torch.no_grad():
        for _ in range(int(length)):
            on_read()
            total += model.fp(state)
    return model.workers.total([total / length * model.weight])[0]


def run_test(
    model: LanguageModel | Run,
    state: TextState,
    *,
    cell: Cell | str | None = None,
    on_read: Callable[[], None] = lambda: None,
) -> float:
    """Return the mean loss of a text in nats, read one word at a time with carried state.

    Source: `run_test` of main.lua.

    Args:
        model: a language model; or a run, of which the best parameters are loaded.
        state: the text, in the ids of the model's vocabulary.
        cell: the cell of a run that was trained with one of its own; see `load_model`.
        on_read: called again and again between two words; it may raise to end the reading.

    Raises:
        UserError: the run cannot be loaded, or `model` is no run and has its cell already.
    """
    model = _loaded(model, state, cell)
    total = torch.zeros((), dtype=torch.float64, device=state.data.device)
    with evaluating(model, state):
        for err, _ in model.read_words(state.data):
            on_read()
            total += err.sum(dtype=torch.float64)
    return total.item() / (len(state.data) - 1)


@contextlib.contextmanager
def evaluating(model: LanguageModel, state: TextState) -> Iterator[None]:
    """Return to the start of the text; turn dropout off inside the block."""
    model.reset_state(state)
    model.disable_dropout()
    try:
        yield
    finally:
        model.enable_dropout()


def load_model(
    run: Run,
    which: str = "best",
    *,
    device: str = "auto",
    cell: Cell | str | None = None,
    engine: str | None = None,
) -> LanguageModel:
    """Return the language model of a run.

    Args:
        run: the run folder or its path.
        which: the parameters, "best" or "last".
        device, engine: the values that `zaremba evaluate` takes.
        cell: the cell of a run that was trained with one of its own: the function of nodes, or its
            name, "package.module:function".

    Raises:
        UserError: there is no such run, it has no parameters, `cell` is not its cell, or there is
            no such device or engine.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    torch_device = pick_device(device)
    cell = checked_cell(run, cell)
    # Evaluation drops nothing, so the order in which a run draws its masks does not matter.
    settings = run.settings.with_changes({"reference": False})
    network = create_network(settings, cell=cell)
    run.load_parameters(network, which)
    return make_model(engine, network.to(torch_device), settings, cell)


def _loaded(model: LanguageModel | Run, state: TextState, cell: Cell | str | None) -> LanguageModel:
    if not isinstance(model, LanguageModel):
        return load_model(model, device=str(state.data.device), cell=cell)
    if cell is not None:
        raise UserError("a language model has its cell already, leave cell= out")
    return model


def report_lines(title: str, how: str, loss: float, characters: Sequence[str] = ()) -> list[str]:
    """Return lines that report a mean loss in nats as a perplexity.

    Args:
        title: what was measured, such as "Test set perplexity".
        how: how the text was read.
        loss: the mean loss, in nats per word or character.
        characters: the tokens, if the text is one of characters, to report bits and words too.
    """
    if not characters:
        return [f"{title} : {perplexity(loss):.3f}  ({how}, {loss:.6f} nats per word)"]
    return [
        f"{title} : {perplexity(loss, CHARACTERS):.3f}  ({how}, {loss:.6f} nats per character)",
        *character_lines(loss, characters),
    ]


def character_lines(loss: float, characters: Sequence[str]) -> list[str]:
    """Return lines that convert a loss in nats per character to bits, and to words."""
    length = characters_per_word(characters)
    return [
        f"  bits per character : {bits(loss):.4f}",
        f"  perplexity of words : {perplexity(loss * length):.3f}  (exp({length:.4f} * nats))",
    ]


def character_note(characters: Sequence[str]) -> str:
    """Return the sentence that explains the two perplexities of a text of characters."""
    return (
        f"The course counts exp({COURSE_FACTOR} * nats). A word of this text takes "
        f"{characters_per_word(characters):.4f} characters, its _ or <eos> included, not "
        f"{COURSE_FACTOR}."
    )
