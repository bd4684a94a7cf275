"""Downloading one file into the cache: whole and with the right checksum, or not at all."""

from __future__ import annotations

from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from ..errors import UserError

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds


def cache_folder() -> Path:
    """Return the folder in the user's cache for downloads and generated texts."""
    return Path(pooch.os_cache("zaremba_port"))


def fetch_file(
    url: str, checksum: str, cache: Path, *, instead: str, progress: bool = True
) -> Path:
    """Return the copy in `cache` of the file at `url`; fetch it if there is no intact one.

    `checksum` is written "md5:..." or "sha256:...". `progress` shows a bar while fetching, on a
    terminal only.

    Raises:
        UserError: the download failed. It leaves nothing of the file in the cache. The message
            ends with `instead`, which says what the user can do without a download.
    """
    pooch.get_logger().setLevel("WARNING")  # pooch announces every download on standard error
    name = url.rpartition("/")[2]
    show_bar = progress and Console(stderr=True).is_terminal

    def download(url: str, output_file: str, owner: object) -> None:
        options = {
            "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
            # A compressed file would not have the length that the server announces.
            "headers": {"Accept-Encoding": "identity"},
            "chunk_size": 1 << 16,
        }
        if show_bar:
            bar = _Bar(name)
            with bar.progress:
                pooch.HTTPDownloader(progressbar=bar, **options)(url, output_file, owner)
        else:
            pooch.HTTPDownloader(**options)(url, output_file, owner)

    try:
        return Path(pooch.retrieve(url, checksum, fname=name, path=cache, downloader=download))
    except (OSError, ValueError) as error:
        # pooch downloads with requests, whose errors are OSErrors that have a response.
        if isinstance(error, OSError) and not hasattr(error, "response"):
            reason = error.strerror or str(error).partition("\n")[0]
            raise UserError(f"cannot write to the cache folder {cache}: {reason}") from error
        raise UserError(
            f"cannot fetch {url}: {_reason(error, checksum)}; check the network, or {instead}"
        ) from error


class _Bar:
    """The progress bar that pooch updates, drawn by rich."""

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


def _reason(error: OSError | ValueError, checksum: str) -> str:
    """Say in a few words why a download failed."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    error_name = type(error).__name__
    if error_name == "ChunkedEncodingError":
        return "the connection was cut before the end of the file"
    if error_name in ("ConnectTimeout", "ReadTimeout"):
        return "the server did not answer in time"
    if isinstance(error, OSError):
        return f"no connection to the server ({error_name})"
    algorithm, _, digest = checksum.partition(":")
    return f"its {algorithm.upper()} checksum is not {digest}"
