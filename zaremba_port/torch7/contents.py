"""What a Torch7 file of a language model contains: its network, vocabulary, settings and state."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import pygraph_nn as nngraph

from ..errors import UserError
from .vocabularies import vocabulary_words

Step = Callable[[torch.Tensor, list[torch.Tensor]], tuple[torch.Tensor, list[torch.Tensor]]]
"""``step(x, state)`` returns log-probabilities, (batch, vocabulary), and the next state."""

_VOCABULARIES = ("vocab_map", "vocab", "vocabulary", "word_to_id", "char_to_id")
_SETTINGS = ("params", "opt", "settings")


@dataclass
class Contents:
    """A language model as it was found in a file.

    Attributes:
        network: the network for one time step.
        is_char_rnn: whether it has the inputs and outputs of char-rnn's networks: x and the states,
            and the states and log-probabilities. Else they are those of main.lua: x, y and the
            table of states, and err and the table of states.
        words: the words by id, from 0; None if the file has no vocabulary.
        settings: what the file says about settings, by Lua's names.
        state: the state from which training goes on, a table as in `zero_state`; or None.
    """

    network: nngraph.gModule
    is_char_rnn: bool
    words: list[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    state: list[torch.Tensor] | None = None


def read_contents(path: str | Path) -> Contents:
    """Return the language model in the file `path`.

    It is a network, a table with one as `core_network` (main.lua's `model`), or a checkpoint of
    char-rnn, with the network as `protos.rnn`.

    Raises:
        UserError: the file cannot be read, or it contains no such network.
    """
    value = load(path)
    if isinstance(value, nngraph.gModule):
        return Contents(value, _is_char_rnn(value))
    if not isinstance(value, dict):
        raise UserError(
            f"{path} contains {_kind(value)}, no network of a language model; "
            f"zaremba t7 show {path}"
        )
    networks = list(_networks(value))
    if not networks:
        raise UserError(
            f"{path} contains no network of a language model: looked for a gModule, the field "
            f"core_network and the field protos.rnn; zaremba t7 show {path} lists what is there"
        )
    network = networks[0]
    vocabulary = next((value[name] for name in _VOCABULARIES if name in value), None)
    words = None if vocabulary is None else vocabulary_words(vocabulary, str(path))
    settings: dict[str, Any] = next(
        (value[name] for name in _SETTINGS if isinstance(value.get(name), dict)), {}
    )
    return Contents(network, _is_char_rnn(network), words, settings, _start_state(value))


def load(path: str | Path) -> Any:
    """Return the value in the file `path`; tables by name are dicts.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with warnings.catch_warnings():
            # Own classes elsewhere in the file do not matter; an unknown layer fails below.
            warnings.simplefilter("ignore", UserWarning)
            return nngraph.load_t7(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except nngraph.t7.T7Error as error:
        raise UserError(" ".join(str(error).split())) from None


def _kind(value: object) -> str:
    return str(value) if isinstance(value, nngraph.Placeholder) else type(value).__name__


def _networks(table: Mapping[Any, Any]) -> Iterator[nngraph.gModule]:
    """Yield the networks of a table, the likeliest first."""
    candidates = [table.get("core_network")]
    protos = table.get("protos")
    candidates += [protos.get("rnn") if isinstance(protos, dict) else None]
    for value in table.values():
        inner = value.values() if isinstance(value, dict) else value
        candidates += [value, *(inner if isinstance(inner, (list, type({}.values()))) else ())]
    for candidate in candidates:
        if isinstance(candidate, dict):
            candidate = candidate.get("core_network")
        if isinstance(candidate, nngraph.gModule):
            yield candidate


def _is_char_rnn(network: nngraph.gModule) -> bool:
    """Return whether the first input is encoded by a one-hot layer, as in char-rnn."""
    return any(isinstance(module, nngraph.nn.OneHot) for module in network.modules())


def _start_state(table: Mapping[Any, Any]) -> list[torch.Tensor] | None:
    state = table.get("start_s")
    if isinstance(state, torch.Tensor):
        state = [state]
    if isinstance(state, list) and all(isinstance(part, torch.Tensor) for part in state):
        return state or None
    return None
