"""The application's errors. The command line reports each in one line, without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class UserError(Exception):
    """Report a mistake of the user, or a failure outside the program (network, disk, a file).

    The message is one line. It says what is wrong, where, and what to do about it.

    Attributes:
        exit_code: exit status of the process. 2 is the status that `argparse` uses.
    """

    exit_code: int = 2


class RunFailed(UserError):
    """Report that a run was interrupted, or failed after it had started."""

    exit_code = 1


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the closest of `choices`, or "" if none is close.

    >>> did_you_mean("--layer", ["--layers", "--seed"])
    "; did you mean '--layers'?"
    """
    # Leading dashes would make any two options alike.
    names = {choice.lstrip("-"): choice for choice in choices}
    matches = difflib.get_close_matches(word.lstrip("-"), names, n=1, cutoff=0.45)
    return f"; did you mean {names[matches[0]]!r}?" if matches else ""


def check_choice(what: str, name: str, choices: Collection[str]) -> None:
    """Check that `name` is one of `choices`; the message calls it a `what`.

    Raises:
        UserError: it is not. The message suggests the nearest, and lists all.
    """
    if name not in choices:
        hint = did_you_mean(name, choices)
        raise UserError(f"no {what} is called {name!r}{hint} (there are {', '.join(choices)})")
