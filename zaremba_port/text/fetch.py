"""Fetching one file into a cache folder: whole and with the right checksum, or not at all."""

from __future__ import annotations

from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from ..errors import UserError

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds


def fetch_file(
    url: str, checksum: str, cache: Path, *, instead: str, progress: bool = True
) -> Path:
    """The file at `url`, under its name in `cache`; fetched if `cache` lacks an intact one.

    `checksum` is written "md5:..." or "sha256:...". `progress` shows a bar meanwhile, on a
    terminal only.

    Raises:
        UserError: the download failed, and left nothing of itself in the cache. It ends with what
            can be done `instead`.
    """
    pooch.get_logger().setLevel("WARNING")  # it announces every download on standard error
    name = url.rpartition("/")[2]
    show = progress and Console(stderr=True).is_terminal

    def download(url: str, output_file: str, owner: object) -> None:
        # Unpacked on the way, a file would have another length than the server announced.
        options = {
            "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
            "headers": {"Accept-Encoding": "identity"},
            "chunk_size": 1 << 16,
        }
        if show:
            bar = _Bar(name)
            with bar.progress:
                pooch.HTTPDownloader(progressbar=bar, **options)(url, output_file, owner)
        else:
            pooch.HTTPDownloader(**options)(url, output_file, owner)

    try:
        return Path(pooch.retrieve(url, checksum, fname=name, path=cache, downloader=download))
    except (OSError, ValueError) as error:
        # pooch downloads through requests, whose errors are OSErrors which carry a response.
        if isinstance(error, OSError) and not hasattr(error, "response"):
            reason = error.strerror or str(error).partition("\n")[0]
            raise UserError(f"cannot write to the cache folder {cache}: {reason}") from error
        raise UserError(
            f"cannot fetch {url}: {_failure(error, checksum)}; check the network, or {instead}"
        ) from error


class _Bar:
    """The progress bar which pooch asks for, drawn by rich."""

    def __init__(self, name: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        self.progress = Progress(*columns, console=Console(stderr=True))
        self.task = self.progress.add_task(name, total=None)

    @property
    def total(self) -> float | None:
        return self.progress.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self.progress.update(self.task, total=size or None)

    def update(self, size: int) -> None:
        self.progress.advance(self.task, size)

    def reset(self) -> None:
        self.progress.update(self.task, completed=0)

    def close(self) -> None:
        self.progress.refresh()


def _failure(error: OSError | ValueError, checksum: str) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    kind = type(error).__name__
    if kind == "ChunkedEncodingError":
        return "the connection was cut before the end of the file"
    if kind in ("ConnectTimeout", "ReadTimeout"):
        return "the server did not answer in time"
    if isinstance(error, OSError):
        return f"no connection to the server ({kind})"
    algorithm, _, digest = checksum.partition(":")
    return f"its {algorithm.upper()} checksum is not {digest}"
