"""Settings: everything that defines a network and its training, with the named presets.

The command line reads this file before it knows which command runs, so nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .cells import is_reference
from .errors import UserError, check_choice, did_you_mean

ENGINES = ("fast", "graph")
"""Names of the engines: "fast" runs all time steps at once, "graph" one after the other."""

PRECISIONS = ("float32", "tf32", "bfloat16")
"""Precisions in which the fast engine multiplies float32 matrices."""


LARGEST = 2**63 - 1
"""The largest integer that PyTorch takes."""

LARGEST_FLOAT32 = 3.4e38


def _setting(default: Any, help: str, **limits: Any) -> Any:
    """Declare a setting.

    `limits` are `choices`, or any of `at_least` and `at_most` (inclusive), `above` (exclusive, and
    finite) and `below` (exclusive). Integers are at most `LARGEST`. With `or_reference`, the form
    of one, the value may also be the name of a function.
    """
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class Settings:
    """Define a network and its training, under the names of the original's table `params`.

    The defaults are the preset "small". Settings are frozen: `with_changes` returns a changed copy.

    Raises:
        UserError: a value is out of range. The message names the setting, the value and the range.
    """

    layers: int = _setting(2, "number of recurrent layers", at_least=1, at_most=1000)
    rnn_size: int = _setting(200, "units per layer", at_least=1)
    embedding_size: int | None = _setting(
        None, "size of a word embedding; default rnn_size", at_least=1
    )
    cell: str = _setting(
        "lstm",
        "recurrent cell, or one of your own, package.module:function",
        choices=("lstm", "gru", "rnn"),
        or_reference="package.module:function",
    )
    vocab_size: int = _setting(10000, "maximum number of different words", at_least=2)
    dropout: float = _setting(0.0, "dropout probability", at_least=0, below=1)
    init_weight: float = _setting(
        0.1, "initial parameters are uniform in [-init_weight, init_weight]", above=0
    )
    batch_size: int = _setting(20, "sequences per batch", at_least=1)
    seq_length: int = _setting(20, "time steps of truncated backpropagation", at_least=1)
    lr: float = _setting(1.0, "initial learning rate", above=0)
    max_epoch: int = _setting(
        4,
        "epochs at the initial learning rate, less one: the first cut follows epoch max_epoch + 1",
        at_least=0,
    )
    max_max_epoch: int = _setting(13, "total number of epochs", at_least=1)
    decay: float = _setting(2.0, "divisor of the learning rate at each cut", above=0)
    max_grad_norm: float = _setting(5.0, "maximum norm of the gradient", above=0)
    seed: int = _setting(1, "seed of the random number generators", at_least=0)
    dtype: str = _setting("float32", "floating-point type", choices=("float32", "float64"))
    reference: bool = _setting(
        False, "draw dropout masks from Torch7's generator, to reproduce a run of the Lua program"
    )
    on_nan: str = _setting(
        "stop",
        "after a step whose loss or gradient is infinite or NaN: stop; or rollback to the start of "
        "the epoch, with half the learning rate",
        choices=("stop", "rollback"),
    )
    record_norms: bool = _setting(
        False, "write the gradient's norm in every layer to metrics.jsonl, with each report"
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                _check(setting.name, value, str(setting.type), setting.metadata)
        if self.dtype == "float32":
            # The initial parameters are drawn from an interval twice as wide as init_weight.
            for name, largest in (("lr", LARGEST_FLOAT32), ("init_weight", LARGEST_FLOAT32 / 2)):
                if (value := getattr(self, name)) > largest:
                    raise UserError(f"{name} is {value}, float32 takes at most {largest:g}")

    @property
    def input_size(self) -> int:
        """Return the size of a word embedding."""
        return self.embedding_size or self.rnn_size

    @property
    def has_own_cell(self) -> bool:
        """Return whether `cell` is not built in."""
        return is_reference(self.cell)

    @property
    def cell_title(self) -> str:
        """Return the cell as logs and pictures write it: "LSTM", or "package.module:function"."""
        return self.cell if self.has_own_cell else self.cell.upper()

    def with_changes(self, changes: Mapping[str, Any]) -> Settings:
        """Return a copy in which `changes` replace settings by name.

        Raises:
            UserError: a key is not a setting (the message names the nearest), or a value is out
                of range.
        """
        for name in changes:
            if name not in SETTING_NAMES:
                raise UserError(f"no setting is called {name!r}{did_you_mean(name, SETTING_NAMES)}")
        return replace(self, **changes)

    def save(self, path: Path) -> None:
        """Write the settings to `path` as JSON.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """Return the settings as JSON, a setting a line."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Read settings that `save` wrote.

        Raises:
            UserError: the file is missing, is not a JSON object, or holds an unknown setting or a
                value out of range.
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


def check_rate(lr: float, settings: Settings) -> None:
    """Raise UserError if a learning rate, cut by `decay`, has become too large to compute with.

    A decay below 1 raises it.
    """
    largest = LARGEST_FLOAT32 if settings.dtype == "float32" else 1e308
    if lr > largest:
        raise UserError(f"decay {settings.decay} has made the learning rate {lr:g}, too large")


def _check(name: str, value: Any, type_name: str, limits: Mapping[str, Any]) -> None:
    choices = limits.get("choices")
    if choices:
        other = limits.get("or_reference")
        if value not in choices and not (other and is_reference(value)):
            names = ", ".join(choices) + (f", or {other}" if other else "")
            raise UserError(f"{name} is {value!r}, it must be one of {names}")
    elif type_name != "bool":
        _check_number(name, value, type_name.startswith("int"), limits)


def _check_number(name: str, value: Any, is_integer: bool, limits: Mapping[str, Any]) -> None:
    number_types = int if is_integer else (int, float)
    is_nan = value != value
    if isinstance(value, bool) or not isinstance(value, number_types) or is_nan:
        raise UserError(
            f"{name} is {value!r}, it must be {'an integer' if is_integer else 'a number'}"
        )
    bounds = []
    if "at_least" in limits:
        bounds.append((value >= limits["at_least"], f"at least {limits['at_least']}"))
    if "at_most" in limits or is_integer:
        at_most = limits.get("at_most", LARGEST)
        bounds.append((value <= at_most, f"at most {at_most}"))
    if "above" in limits:
        bounds.append((limits["above"] < value < float("inf"), "positive and finite"))
    if "below" in limits:
        bounds.append((value < limits["below"], f"below {limits['below']}"))
    if not all(holds for holds, _ in bounds):
        # The largest integer is worth a word only to who has passed it.
        texts = [text for holds, text in bounds if not holds or str(LARGEST) not in text]
        raise UserError(f"{name} is {_shortened(value)}, it must be {' and '.join(texts)}")


def _shortened(value: float) -> str:
    """Return a number as text, without most of its digits if it has hundreds."""
    if isinstance(value, int) and abs(value) >= 10**100:
        return "an integer of over 100 digits"
    return str(value)


SETTING_NAMES = tuple(setting.name for setting in fields(Settings))

FIXED_ON_RESUME = (
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
"""Settings that a resumed run cannot change: the saved parameters or position depend on them."""

_SMALL = Settings()
_CHARS = replace(_SMALL, vocab_size=50, seq_length=50)
PRESETS: dict[str, Settings] = {
    # Zaremba et al. 2014, section 4.1
    "small": _SMALL,
    "medium": replace(
        _SMALL, rnn_size=650, dropout=0.5, init_weight=0.05, seq_length=35,
        max_epoch=6, max_max_epoch=39, decay=1.2,
    ),
    "large": replace(
        _SMALL, rnn_size=1500, dropout=0.65, init_weight=0.04, seq_length=35,
        max_epoch=14, max_max_epoch=55, decay=1.15, max_grad_norm=10.0,
    ),
    # The course report: 5 epochs at 0.9, so the first cut follows epoch 5 = max_epoch + 1.
    "ward": replace(
        _SMALL, embedding_size=400, dropout=0.5, lr=0.9, max_epoch=4, max_max_epoch=20,
    ),
    # A first success within minutes on a laptop
    "demo": replace(_SMALL, rnn_size=150, max_epoch=1, max_max_epoch=4),
    # Characters: a sequence of 50 is about nine words long.
    "char-small": _CHARS,
    "char-large": replace(_CHARS, layers=3, rnn_size=600, dropout=0.1, init_weight=0.05),
    "char-ward": replace(
        _CHARS, layers=3, embedding_size=20, dropout=0.5, lr=0.9, max_epoch=4, max_max_epoch=20,
    ),
}  # fmt: skip

PRESET_DESCRIPTIONS = {
    "small": "Zaremba et al. 2014, non-regularised; the original program's default",
    "medium": "Zaremba et al. 2014, medium regularised",
    "large": "Zaremba et al. 2014, large regularised",
    "ward": "the course report's recipe: dropout 0.5, learning rate 0.9 for 5 epochs, then halved "
    "after each; embeddings of 400; small has no dropout, rate 1, embeddings of 200, 13 epochs",
    "demo": "a network for a first try within minutes",
    "char-small": "characters: as small, in sequences of 50; the Treebank has 50 symbols",
    "char-large": "characters: 3 layers of 600, dropout 0.1, init_weight 0.05, else as char-small",
    "char-ward": "characters: the course report's recipe as in ward, with more layers (3) and "
    "smaller embeddings (20) than char-small (2 and 200)",
}


def preset(name: str) -> Settings:
    """Return the settings of the preset `name`.

    Raises:
        UserError: there is no such preset. The message names the nearest, and all.
    """
    check_choice("preset", name, PRESETS)
    return PRESETS[name]
