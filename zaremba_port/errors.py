"""What the command line reports in one line, without a traceback."""


class UserError(Exception):
    """A user's mistake, or a failure outside the program (network, disk, a file's content).

    The message is one clear line: what is wrong, where, and what to do about it.
    `exit_code` is the status with which the process ends; 2 is what `argparse` uses.
    """

    exit_code: int = 2


class RunFailed(UserError):
    """A run that started well and then was interrupted, or failed."""

    exit_code = 1
