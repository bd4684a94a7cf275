"""Fetching the Penn Treebank files, from a server of ours which has files of ours."""

import hashlib
import http.server
from pathlib import Path

import pytest
import torch
from helpers import PTB, Server, needs_ptb

from zaremba_port.errors import UserError
from zaremba_port.text import SPLITS, fetch, fetch_ptb, load_corpus, ptb

TEXTS = {
    "train": " the cat saw the dog \n the dog ran \n",
    "valid": " the bird saw the cat \n",
    "test": " a dog ran \n",
}


@needs_ptb
@pytest.mark.parametrize("split", ["valid", "test"])
def test_the_checksums_are_those_of_the_penn_treebank(split):
    content = (PTB / f"ptb.{split}.txt").read_bytes()
    assert hashlib.md5(content).hexdigest() == ptb.PTB_MD5[split]


class TextServer(Server):
    def __init__(self) -> None:
        self.mode = "ok"
        self.requests: list[str] = []
        super().__init__(Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    server: TextServer

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        split = self.path.split(".")[-2]
        content = TEXTS[split].encode()
        mode = self.server.mode if split == "valid" else "ok"
        if mode == "missing":
            return self.send_error(404)
        if mode == "slow":
            self.server.closing.wait()
            return None
        if mode == "changed":
            content = content.upper()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if mode == "cut" else content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    server = TextServer()
    monkeypatch.setenv("ZAREMBA_PTB_URL", f"{server.url}/data")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    md5 = {split: hashlib.md5(text.encode()).hexdigest() for split, text in TEXTS.items()}
    monkeypatch.setattr(ptb, "PTB_MD5", md5)
    yield server
    server.stop()


def refused_fetch(cache: Path) -> str:
    with pytest.raises(UserError) as error:
        fetch_ptb(cache)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(
        "; check the network, or put the three files into a folder and name it as the TEXT"
    )
    return text


def test_ptb_is_fetched_once(server, tmp_path, capsys, caplog):
    cache = tmp_path / "new" / "cache"
    corpus = load_corpus("ptb", cache=cache, log=lambda line: None)
    assert corpus.vocabulary.words == ["the", "cat", "saw", "dog", "<eos>", "ran", "bird", "a"]
    assert corpus.sources["valid"] == str(cache / "ptb.valid.txt")
    assert server.requests == [f"/data/ptb.{split}.txt" for split in SPLITS]
    server.stop()
    again = load_corpus("ptb", cache=cache, log=lambda line: None)
    assert torch.equal(again.test, corpus.test)
    assert sorted(path.name for path in cache.iterdir()) == [
        f"ptb.{split}.txt" for split in sorted(SPLITS)
    ]
    captured = capsys.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")


def test_the_cache_of_the_user_is_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch.pooch, "os_cache", lambda project: tmp_path / project)
    corpus = load_corpus("ptb", log=lambda line: None)
    assert corpus.sources["train"] == str(tmp_path / "zaremba_port" / "ptb.train.txt")


def test_a_damaged_cached_file_is_fetched_again(server, tmp_path):
    fetch_ptb(tmp_path)
    (tmp_path / "ptb.train.txt").write_text("half", encoding="utf-8")
    path = fetch_ptb(tmp_path)[0]
    assert path.read_bytes() == TEXTS["train"].encode()
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("changed", f"its MD5 checksum is not {hashlib.md5(TEXTS['valid'].encode()).hexdigest()}"),
        ("cut", "the connection was cut before the end of the file"),
        ("missing", "the server answered 404 Not Found"),
        ("slow", "the server did not answer in time"),
    ],
)
def test_a_failed_download_leaves_nothing_behind(server, tmp_path, monkeypatch, mode, says):
    server.mode = mode
    url = f"{server.url}/data/ptb.valid.txt"
    with monkeypatch.context() as patch:
        if mode == "slow":
            patch.setattr(fetch, "READ_TIMEOUT", 0.2)
        assert refused_fetch(tmp_path).startswith(f"cannot fetch {url}: {says};")
    assert [path.name for path in tmp_path.iterdir()] == ["ptb.train.txt"]
    server.mode = "ok"
    assert len(fetch_ptb(tmp_path)) == 3


def test_no_server(server, tmp_path):
    server.stop()
    assert "/data/ptb.train.txt: no connection to the server (ConnectionError);" in refused_fetch(
        tmp_path
    )
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ZAREMBA_PTB_URL", "nowhere")
    assert "cannot fetch nowhere/ptb.train.txt: " in refused_fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written(server, tmp_path):
    cache = tmp_path / "file"
    cache.write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError) as error:
        fetch_ptb(cache)
    assert str(error.value).startswith(f"cannot write to the cache folder {cache}: ")


@pytest.mark.parametrize(("progress", "terminal"), [(True, True), (True, False), (False, True)])
def test_a_progress_bar_on_a_terminal_only(
    server, tmp_path, monkeypatch, capsys, progress, terminal
):
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the captured stream for one
    fetch_ptb(tmp_path, progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    for split in SPLITS:
        size = len(TEXTS[split].encode())
        assert (f"ptb.{split}.txt" in captured.err) == (progress and terminal)
        assert (f"{size}/{size} bytes" in captured.err) == (progress and terminal)
    fetch_ptb(tmp_path, progress=progress)
    assert capsys.readouterr().err == ""
