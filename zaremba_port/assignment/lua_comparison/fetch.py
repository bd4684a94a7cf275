"""Download of the original Lua program."""

from __future__ import annotations

import os
from pathlib import Path

from ...text import PTB_URL, fetch_file

LUA_URL = PTB_URL.removesuffix("data/")
LUA_SHA256 = {
    "main.lua": "e6f961a68df14ca03d63cd5b9ad02c192ce384106670b1cf72d723586eb8affb",
    "base.lua": "83edcfc1dbbaa2633117a34e9427abb22409138ebcdcb9faa83f9e72b08e8254",
    "data.lua": "b5574c606651c9411d0aab7da0645061f1282b26ee53ee9c99b466c7ecab5a74",
}
ORIGINAL_COMMIT = LUA_URL.rstrip("/").rpartition("/")[2]


def fetch_lua(cache: Path) -> Path:
    """Fetch main.lua, base.lua and data.lua into `cache`, unless intact copies are there.

    The files come from `LUA_URL`, or from the address in the environment variable ZAREMBA_LUA_URL.

    Returns:
        The folder of the files.

    Raises:
        UserError: a download fails. It leaves no partial file in the cache.
    """
    base = (os.environ.get("ZAREMBA_LUA_URL") or LUA_URL).rstrip("/")
    folder = cache / "lua"
    for name, digest in LUA_SHA256.items():
        fetch_file(
            f"{base}/{name}",
            f"sha256:{digest}",
            folder,
            instead="give the folder of a copy of your own",
        )
    return folder
