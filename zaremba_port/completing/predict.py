"""Predicting the next word with a saved network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..cells import Cell
from ..engines import pick_device
from ..language_model import LanguageModel
from ..model import create_network, zero_state
from ..runs import RunFolder, checked_cell, copy_tensors, tensors_of
from ..text import EOS, Vocabulary


class Predictor:
    """Predict the next word with the network of a run: batch size 1, dropout off.

    `run` is a run folder or its path. `which` selects the parameters, "best" or "last". A run that
    was trained with a cell of its own takes it as `cell`: the function of nodes, or its name,
    "package.module:function".

    Attributes:
        run: the run folder.
        vocabulary: the words of the run.
        device: of the network.
        network: the network for one time step, with predictions as its last output.
        state: the recurrent state after the words read so far: tensors (1, rnn_size).

    Raises:
        UserError: there is no such run, it has no parameters, `device` cannot be used, or `cell` is
            not the cell of the run.
    """

    def __init__(
        self,
        run: RunFolder | str | Path,
        which: str = "best",
        device: str = "cpu",
        cell: Cell | str | None = None,
    ) -> None:
        run = run if isinstance(run, RunFolder) else RunFolder.open(run)
        self._begin(run, pick_device(device), checked_cell(run, cell))
        run.load_parameters(self.network, which)
        self._ready()

    def _begin(self, run: RunFolder, device: torch.device, cell: Cell | str | None) -> None:
        """Make the network, with parameters still to be loaded."""
        self.run = run
        self.vocabulary: Vocabulary = run.vocabulary
        self.device = device
        self._cell = cell
        self.network = create_network(run.settings, predictions=True, cell=cell)

    def _ready(self) -> None:
        self.network.to(self.device).evaluate()
        self._parameter = next(self.network.parameters()).detach()
        self.reset()

    @classmethod
    def of_model(cls, model: LanguageModel, run: RunFolder) -> Predictor:
        """Return a predictor, on the CPU, with the present parameters of a model of `run`."""
        predictor = cls.__new__(cls)
        predictor._begin(run, torch.device("cpu"), model.cell)
        copy_tensors(predictor.network, tensors_of(model.core_network), run.path)
        predictor._ready()
        return predictor

    def reset(self) -> None:
        """Set the recurrent state to zeros, as before the first word."""
        self.state = zero_state(self.run.settings, 1, self._parameter, self._cell)

    def read(self, word: int) -> torch.Tensor:
        """Read the word with the id `word`, and predict the next.

        Returns:
            Log-probabilities in nats, (len(vocabulary),).
        """
        words = torch.tensor([word], device=self.device)  # (1,)
        log_p, self.state = self.step(words, self.state)
        return log_p[0]

    def read_all(self, words: Sequence[int]) -> torch.Tensor:
        """Reset the state, read `words`, at least one, and predict the next; see `read`."""
        self.reset()
        for word in words:
            log_p = self.read(word)
        return log_p

    def first(self) -> torch.Tensor:
        """Reset the state, and predict the first word of a sentence.

        The network reads `<eos>`. If its text had no newline, and so no `<eos>`, the prediction is
        the output for a state of zeros, before any word is read: the output layer's bias decides.

        Returns:
            Log-probabilities in nats, (len(vocabulary),).
        """
        if EOS in self.vocabulary:
            return self.read_all([self.vocabulary.index[EOS]])
        self.reset()
        bias = self.network.get_parameter("h2y.bias").detach()  # (vocab_size,)
        return torch.log_softmax(bias, 0)[: len(self.vocabulary)]

    def step(
        self, words: torch.Tensor, state: list[torch.Tensor]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Read one word in each of n texts, and predict the next; leave `self.state` unchanged.

        `words` are ids, (n,). `state` is a table of tensors (n, rnn_size).

        Returns:
            Log-probabilities in nats, (n, len(vocabulary)), and the state after the words.
        """
        with torch.inference_mode():
            _, state, pred = self.network.forward([words, words, state])
        # A network made for more words than its text had predicts some that do not exist.
        return pred[:, : len(self.vocabulary)], state


def likeliest(
    predictor: Predictor, words: Sequence[str], start: int, n: int = 5
) -> Iterator[list[tuple[str, float]]]:
    """Yield the `n` likeliest words at each place of `words` from `start` on.

    Each comes with its probability, the likeliest first. The network reads `words` from a state of
    zeros. If `start` is 0, it first predicts the beginning of a sentence; see `Predictor.first`.

    Raises:
        UserError: a word is not in the vocabulary.
    """
    vocabulary = predictor.vocabulary
    ids = vocabulary.encode(words).tolist()
    log_p = predictor.read_all(ids[:start]) if start else predictor.first()
    for word in ids[start:]:
        top = log_p.topk(min(n, len(log_p)))
        names = vocabulary.decode(top.indices)
        yield list(zip(names, top.values.exp().tolist(), strict=True))
        log_p = predictor.read(word)
