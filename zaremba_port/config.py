"""Settings: everything that defines a network and its training, with the named presets."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import UserError


def nearest(word: str, known: Any) -> str:
    """``; did you mean 'lr'?`` for the closest of `known`, or nothing when none is close."""
    # Without their dashes, which would make any two options alike.
    names = {name.lstrip("-"): name for name in known}
    found = difflib.get_close_matches(word.lstrip("-"), names, n=1, cutoff=0.45)
    return f"; did you mean {names[found[0]]!r}?" if found else ""


def _check(name: str, value: Any, kind: Any, limits: Mapping[str, Any]) -> None:
    choices = limits.get("choices")
    if choices and value not in choices:
        raise UserError(f"{name} is {value!r}, it must be one of {', '.join(choices)}")
    if choices or str(kind) == "bool":
        return
    number = int if str(kind).startswith("int") else (int, float)
    if isinstance(value, bool) or not isinstance(value, number) or value != value:
        raise UserError(
            f"{name} is {value!r}, it must be {'an integer' if number is int else 'a number'}"
        )
    bounds = []
    if "least" in limits:
        bounds.append((value >= limits["least"], f"at least {limits['least']}"))
    if "above" in limits:
        bounds.append((limits["above"] < value < float("inf"), "positive and finite"))
    if "below" in limits:
        bounds.append((value < limits["below"], f"below {limits['below']}"))
    if not all(holds for holds, _ in bounds):
        raise UserError(f"{name} is {value}, it must be {' and '.join(text for _, text in bounds)}")


def _setting(default: Any, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Settings:
    """What the original keeps in its table `params`, under the same names, and a little more.

    Frozen: `with_changes` gives a changed copy. The defaults are the preset ``small``.

    Raises:
        UserError: a value is out of its range; it names the setting, the value and the range.
    """

    layers: int = _setting(2, "recurrent layers", least=1)
    rnn_size: int = _setting(200, "units of a layer", least=1)
    embedding_size: int | None = _setting(
        None, "values of a word's embedding; rnn_size if not given", least=1
    )
    cell: str = _setting("lstm", "recurrent cell", choices=("lstm", "gru"))
    vocab_size: int = _setting(10000, "words that the network can tell apart", least=2)
    dropout: float = _setting(0.0, "probability that a value is dropped", least=0, below=1)
    init_weight: float = _setting(
        0.1, "parameters start uniform in [-init_weight, init_weight]", above=0
    )
    batch_size: int = _setting(20, "texts read side by side", least=1)
    seq_length: int = _setting(20, "words that backpropagation reaches back", least=1)
    lr: float = _setting(1.0, "learning rate at the start", above=0)
    max_epoch: int = _setting(4, "the learning rate falls after later epochs", least=0)
    max_max_epoch: int = _setting(13, "epochs in all", least=1)
    decay: float = _setting(2.0, "what the learning rate is divided by", above=0)
    max_grad_norm: float = _setting(5.0, "norm that gradients are scaled down to", above=0)
    seed: int = _setting(1, "seed of all random numbers", least=0)
    dtype: str = _setting("float32", "number type", choices=("float32", "float64"))
    reference: bool = _setting(
        False, "draw dropout masks as Torch7 does, to repeat a run of the Lua program"
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                _check(setting.name, value, setting.type, setting.metadata)

    @property
    def input_size(self) -> int:
        """Values of a word's embedding."""
        return self.embedding_size or self.rnn_size

    def with_changes(self, changes: Mapping[str, Any]) -> Settings:
        """These settings with some changed.

        Raises:
            UserError: a key is no setting (it names the nearest), or a value is out of range.
        """
        for key in changes:
            if key not in NAMES:
                raise UserError(f"no setting is called {key!r}{nearest(key, NAMES)}")
        return replace(self, **changes)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Settings that `save` wrote.

        Raises:
            UserError: the file is missing, is not what `save` writes, or holds an unknown setting.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(f"{path} does not exist") from None
        except (OSError, ValueError) as error:
            raise UserError(f"{path} holds no settings: {error}") from None
        if not isinstance(values, dict):
            raise UserError(f"{path} holds no settings: expected a JSON object")
        return cls().with_changes(values)


NAMES = tuple(setting.name for setting in fields(Settings))

# What a saved network's parameters, and the place in its text, depend on.
FIXED = (
    "layers",
    "rnn_size",
    "embedding_size",
    "cell",
    "vocab_size",
    "batch_size",
    "seq_length",
    "seed",
    "dtype",
    "reference",
)

_SMALL = Settings()
_CHARS = replace(_SMALL, vocab_size=50, seq_length=50)
PRESETS: dict[str, Settings] = {
    # The first three are those of Zaremba et al. 2014, section 4.1.
    "small": _SMALL,
    "medium": replace(
        _SMALL, rnn_size=650, dropout=0.5, init_weight=0.05, seq_length=35,
        max_epoch=6, max_max_epoch=39, decay=1.2,
    ),
    "large": replace(
        _SMALL, rnn_size=1500, dropout=0.65, init_weight=0.04, seq_length=35,
        max_epoch=14, max_max_epoch=55, decay=1.15, max_grad_norm=10.0,
    ),
    "ward": replace(
        _SMALL, embedding_size=400, dropout=0.5, lr=0.9, max_epoch=5, max_max_epoch=20,
    ),
    # A first success within minutes on a laptop.
    "demo": replace(_SMALL, rnn_size=150, max_epoch=1, max_max_epoch=4),
    # Characters: a sequence of 50 is some nine words long.
    "char-small": _CHARS,
    "char-large": replace(_CHARS, layers=3, rnn_size=600, dropout=0.1, init_weight=0.05),
    "char-ward": replace(
        _CHARS, embedding_size=20, dropout=0.5, lr=0.9, max_epoch=5, max_max_epoch=20,
    ),
}  # fmt: skip

DESCRIPTIONS = {
    "small": "Zaremba et al. 2014, non-regularised; the original program's default",
    "medium": "Zaremba et al. 2014, medium regularised",
    "large": "Zaremba et al. 2014, large regularised",
    "ward": "word embeddings larger than the state, half of everything dropped",
    "demo": "a network for a first try within minutes",
    "char-small": "characters: as small, in sequences of 50; the Treebank has 50 symbols",
    "char-large": "characters: 3 layers of 600, dropout 0.1, init_weight 0.05, else as char-small",
    "char-ward": "characters: embeddings of 20, fewer than symbols; dropout and training as ward",
}


def preset(name: str) -> Settings:
    """The settings of a preset.

    Raises:
        UserError: there is no such preset; it names the nearest and all.
    """
    if name not in PRESETS:
        raise UserError(
            f"no preset is called {name!r}{nearest(name, PRESETS)} (there are {', '.join(PRESETS)})"
        )
    return PRESETS[name]
