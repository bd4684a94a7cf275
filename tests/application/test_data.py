"""The data: vocabulary, corpora, batches, and what a user is told when they cannot be had."""

import hashlib
import http.server
import json
import subprocess
import sys
import sysconfig
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from zaremba_port import data
from zaremba_port.data import (
    EOS,
    SPLITS,
    UNK,
    Corpus,
    Vocabulary,
    fetch_ptb,
    load_corpus,
    read_tokens,
    replicate,
    sequential,
)
from zaremba_port.errors import RunFailed, UserError

ROOT = Path(__file__).resolve().parents[2]
PTB = ROOT.parent / "shared" / "data" / "ptb"
TEXTS = {
    "train": " the cat saw the dog \n the dog ran \n",
    "valid": " the bird saw the cat \n",
    "test": " a dog ran \n",
}


def silent(line: str) -> None:
    pass


def write_folder(folder: Path, prefix: str = "", texts: dict[str, str] = TEXTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, text in texts.items():
        (folder / f"{prefix}{split}.txt").write_text(text, encoding="utf-8", newline="")
    return folder


def message(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_exit_codes():
    assert UserError("x").exit_code == 2
    assert isinstance(RunFailed("x"), UserError)
    assert RunFailed("x").exit_code == 1


# Vocabulary


def test_ids_are_given_in_order_of_first_appearance():
    vocabulary = Vocabulary()
    ids = vocabulary.encode(["b", "a", "b", "c"], grow=True)
    assert ids.dtype == torch.int64
    assert ids.tolist() == [0, 1, 0, 2]
    assert vocabulary.encode(["c", "d"], grow=True).tolist() == [2, 3]
    assert vocabulary.words == ["b", "a", "c", "d"]
    assert vocabulary.index == {"b": 0, "a": 1, "c": 2, "d": 3}
    assert len(vocabulary) == 4
    assert "a" in vocabulary
    assert "z" not in vocabulary
    assert vocabulary.decode(ids) == ["b", "a", "b", "c"]
    assert vocabulary.decode([3, 0]) == ["d", "b"]
    assert vocabulary.encode([]).dtype == torch.int64


@pytest.mark.parametrize("number", [-1, 2])
def test_decoding_an_id_without_a_word(number):
    with pytest.raises(UserError) as error:
        Vocabulary(["a", "b"]).decode([0, number])
    assert message(error) == f"no word has the id {number}: the ids are 0..1"


def test_an_unknown_word_is_named_with_its_place_and_its_neighbours():
    vocabulary = Vocabulary(["the", "house", "horse", EOS])
    with pytest.raises(UserError) as error:
        vocabulary.encode(["the", "house", EOS, "the", "hourse"])
    assert message(error) == (
        "unknown word 'hourse' (word 5, line 2): not among the 4 words of the vocabulary; "
        "near it: house, horse"
    )
    assert len(vocabulary) == 4
    with pytest.raises(UserError) as error:
        Vocabulary(["the", UNK]).encode(["xylophone"])
    assert message(error) == (
        "unknown word 'xylophone' (word 1, line 1): not among the 2 words of the vocabulary; "
        "or write <unk> in its place"
    )


def test_a_vocabulary_is_saved_one_word_a_line_and_loaded_again(tmp_path):
    words = ["the", "na\u00efve", EOS, UNK, "\u65e5\u672c"]
    path = tmp_path / "words.txt"
    Vocabulary(words).save(path)
    assert path.read_bytes() == "".join(word + "\n" for word in words).encode("utf-8")
    assert Vocabulary.load(path).words == words
    path.write_bytes(b"one\r\ntwo\r\n")
    assert Vocabulary.load(path).words == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a\nb c\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"a\n\nb\n", "words.txt is not a vocabulary: line 2 is not one word"),
        (b"", "words.txt is not a vocabulary: line 1 is not one word"),
        (b"a\nb\na\n", "words.txt is not a vocabulary: 'a' stands on line 1 and on line 3"),
        (b"a\n\xff\n", "words.txt is not UTF-8 text: bad byte 0xff at offset 2"),
    ],
)
def test_loading_what_is_no_vocabulary(tmp_path, content, says):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        Vocabulary.load(path)
    assert message(error).endswith(says)


def test_a_vocabulary_that_is_missing_or_cannot_be_written(tmp_path):
    with pytest.raises(UserError) as error:
        Vocabulary.load(tmp_path / "none.txt")
    assert message(error) == f"no such file: {tmp_path / 'none.txt'}"
    with pytest.raises(UserError) as error:
        Vocabulary(["a"]).save(tmp_path / "no" / "folder.txt")
    assert message(error).startswith(f"cannot write {tmp_path / 'no' / 'folder.txt'}: ")


# Reading a text


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        (b" a b \n c \n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc\n", ["a", "b", EOS, "c", EOS]),
        (b"a b\nc", ["a", "b", EOS, "c"]),
        (b"a\r\n\r\nb\t c\r\n", ["a", EOS, EOS, "b", "c", EOS]),
        (b"\xef\xbb\xbfa \xc3\xa9\n", ["a", "\u00e9", EOS]),
    ],
)
def test_only_a_newline_ends_a_sentence(tmp_path, content, tokens):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    assert read_tokens(path) == tokens


def test_texts_that_cannot_be_read(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"

    def read() -> str:
        with pytest.raises(UserError) as error:
            read_tokens(path)
        return message(error)

    assert read() == f"no such file: {path}"
    for empty in (b"", b" \n\n"):
        path.write_bytes(empty)
        assert read() == f"{path} is empty: it holds no words"
    path.write_bytes(b"caf\xe9 ol\xe9\n")
    assert read() == f"{path} is not UTF-8 text: bad byte 0xe9 at offset 3"

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    # Not chmod: an administrator, as who tests often run, may read everything.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert read() == f"no permission to read {path}"

    def fail(self):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert read() == f"cannot read {path}: Input/output error"
    path.unlink()
    path.mkdir()
    assert read() == f"{path} is a folder, not a text file"


# Batches


def lua_replicate(x: np.ndarray, batch_size: int) -> np.ndarray:
    """data.lua, line by line, with its indices from 1 and its double arithmetic."""
    s = len(x)
    out = np.zeros((int(np.floor(s / batch_size)), batch_size), dtype=x.dtype)
    for i in range(1, batch_size + 1):
        start = int(np.floor((i - 1) * s / batch_size + 0.5)) + 1
        finish = start + len(out) - 1
        assert finish <= s
        out[:, i - 1] = x[start - 1 : finish]
    return out


@pytest.mark.parametrize(
    ("n", "batch_size"),
    [(1, 1), (7, 1), (20, 20), (21, 20), (10, 4), (30, 20), (39, 20), (11, 3), (929_589, 20)],
)
def test_replicate_is_the_lua_formula(n, batch_size):
    ids = torch.arange(n)
    batches = replicate(ids, batch_size)
    np.testing.assert_array_equal(batches.numpy(), lua_replicate(ids.numpy(), batch_size))
    assert batches.dtype == torch.int64
    assert batches.is_contiguous()


def test_replicate_over_many_sizes():
    for n in range(1, 60):
        for batch_size in range(1, n + 1):
            expected = lua_replicate(np.arange(n), batch_size)
            np.testing.assert_array_equal(replicate(torch.arange(n), batch_size), expected)


def test_sequential_is_one_column():
    ids = torch.tensor([3, 1, 2])
    assert sequential(ids).tolist() == [[3], [1], [2]]


def test_a_text_shorter_than_the_batch():
    with pytest.raises(UserError) as error:
        replicate(torch.arange(19), 20)
    assert message(error) == (
        "a text of 19 words cannot fill a batch of 20: "
        "give more text, or set a smaller --batch_size"
    )


# A folder


@pytest.mark.parametrize("prefix", ["", "ptb."])
def test_a_folder_shares_one_vocabulary_over_its_texts(tmp_path, prefix):
    folder = write_folder(tmp_path / "texts", prefix)
    lines: list[str] = []
    corpus = load_corpus(str(folder), log=lines.append)
    assert corpus.name == str(folder)
    assert corpus.vocabulary.words == ["the", "cat", "saw", "dog", EOS, "ran", "bird", "a"]
    assert corpus.train.tolist() == [0, 1, 2, 0, 3, 4, 0, 3, 5, 4]
    assert corpus.valid.tolist() == [0, 6, 2, 0, 1, 4]
    assert corpus.test.tolist() == [7, 3, 5, 4]
    assert corpus.sizes == {"train": 10, "valid": 6, "test": 4}
    files = {split: str(folder / f"{prefix}{split}.txt") for split in SPLITS}
    assert corpus.sources == files
    assert lines == [
        f"Loading {files[split]}, size of data = {corpus.sizes[split]}" for split in SPLITS
    ]


def test_the_original_prints_each_file(tmp_path, capsys):
    folder = write_folder(tmp_path)
    load_corpus(str(folder))
    assert capsys.readouterr().out.splitlines()[2] == (
        f"Loading {folder / 'test.txt'}, size of data = 4"
    )


def test_a_folder_that_lacks_a_text(tmp_path):
    (write_folder(tmp_path) / "valid.txt").unlink()
    with pytest.raises(UserError) as error:
        load_corpus(str(tmp_path), log=silent)
    assert message(error) == (
        f"{tmp_path} lacks valid.txt: looked for ptb.train.txt, ptb.valid.txt, ptb.test.txt "
        "or train.txt, valid.txt, test.txt; the folder holds test.txt, train.txt"
    )


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="the folder holds nothing"):
        load_corpus(str(tmp_path), log=silent)


def test_a_folder_that_may_not_be_listed(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.os, "listdir", refuse)
    with pytest.raises(UserError) as error:
        load_corpus(str(tmp_path), log=silent)
    assert message(error) == f"cannot list the folder {tmp_path}: Permission denied"


def test_a_broken_text_in_a_folder(tmp_path):
    (write_folder(tmp_path) / "test.txt").write_bytes(b"")
    with pytest.raises(UserError, match=r"test\.txt is empty"):
        load_corpus(str(tmp_path), log=silent)


def test_more_words_than_the_network_has(tmp_path):
    folder = str(write_folder(tmp_path))
    assert isinstance(load_corpus(folder, vocab_size=8, log=silent), Corpus)
    with pytest.raises(UserError) as error:
        load_corpus(folder, vocab_size=7, log=silent)
    assert message(error) == (
        f"{folder} has 8 different words, more than the network's 7: set --vocab_size 8"
    )


def test_data_that_is_neither_a_keyword_nor_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "mytexts")

    def refused(name: str) -> str:
        with pytest.raises(UserError) as error:
            load_corpus(name, log=silent)
        return message(error)

    choices = "the choices are ptb, pydoc, or an existing folder"
    assert refused("ptbb") == f"no data 'ptbb': {choices}; the nearest is 'ptb'"
    assert refused("PyDocs") == f"no data 'PyDocs': {choices}; the nearest is 'pydoc'"
    assert refused("mytext") == f"no data 'mytext': {choices}; the nearest is 'mytexts'"
    path = Path("mytexts", "train.txt")
    assert refused(str(path)) == f"{path} is a file: --data takes the folder that holds it"


# Penn Treebank: the files themselves


@pytest.mark.skipif(not PTB.is_dir(), reason="no Penn Treebank in ../shared/data/ptb")
def test_penn_treebank_is_read_as_data_lua_reads_it():
    valid, test = read_tokens(PTB / "ptb.valid.txt"), read_tokens(PTB / "ptb.test.txt")
    assert (len(valid), len(test)) == (73_760, 82_430)
    vocabulary = Vocabulary()
    ids = vocabulary.encode(valid, grow=True).tolist()
    first_seen = sorted(set(valid), key=valid.index)
    assert vocabulary.words == first_seen
    assert [first_seen[i] for i in ids[:1000]] == valid[:1000]
    # data.lua itself, which replaces newlines without spaces, finds the same words in PTB.
    raw = (PTB / "ptb.valid.txt").read_text(encoding="utf-8")
    assert raw.replace("\n", EOS).split() == valid
    for split in ("valid", "test"):
        content = (PTB / f"ptb.{split}.txt").read_bytes()
        assert hashlib.md5(content).hexdigest() == data.PTB_MD5[split]


# Penn Treebank: the download, from a server of ours with files of ours


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    mode = "ok"
    requests: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        split = self.path.split(".")[-2]
        content = TEXTS[split].encode()
        mode = self.server.mode if split == "valid" else "ok"
        if mode == "missing":
            return self.send_error(404)
        if mode == "slow":
            time.sleep(1)
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
    server = Server(("127.0.0.1", 0), Handler)
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("ZAREMBA_PTB_URL", f"http://127.0.0.1:{server.server_port}/data")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    md5 = {split: hashlib.md5(text.encode()).hexdigest() for split, text in TEXTS.items()}
    monkeypatch.setattr(data, "PTB_MD5", md5)
    yield server
    if thread.is_alive():
        server.shutdown()
    server.server_close()


def stop(server: Server) -> None:
    server.shutdown()
    server.server_close()


def refused_fetch(cache: Path) -> str:
    with pytest.raises(UserError) as error:
        fetch_ptb(cache=cache)
    text = message(error)
    assert text.endswith(
        "; check the network, or put the three files into a folder and use --data DIR"
    )
    return text


def test_ptb_is_fetched_once(server, tmp_path, capsys, caplog):
    cache = tmp_path / "new" / "cache"
    corpus = load_corpus("ptb", cache=cache, log=silent)
    assert corpus.vocabulary.words == ["the", "cat", "saw", "dog", EOS, "ran", "bird", "a"]
    assert corpus.sources["valid"] == str(cache / "ptb.valid.txt")
    assert server.requests == [f"/data/ptb.{split}.txt" for split in SPLITS]
    stop(server)
    again = load_corpus("ptb", cache=cache, log=silent)
    assert torch.equal(again.test, corpus.test)
    assert sorted(path.name for path in cache.iterdir()) == [
        f"ptb.{split}.txt" for split in sorted(SPLITS)
    ]
    captured = capsys.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")


def test_the_cache_of_the_user_is_the_default(server, tmp_path, monkeypatch):
    monkeypatch.setattr(data.pooch, "os_cache", lambda project: tmp_path / project)
    assert fetch_ptb()[0] == tmp_path / "zaremba_port" / "ptb.train.txt"


def test_a_damaged_cached_file_is_fetched_again(server, tmp_path):
    fetch_ptb(cache=tmp_path)
    (tmp_path / "ptb.train.txt").write_text("half", encoding="utf-8")
    path = fetch_ptb(cache=tmp_path)[0]
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
    monkeypatch.setattr(data, "READ_TIMEOUT", 0.2)
    server.mode = mode
    url = f"http://127.0.0.1:{server.server_port}/data/ptb.valid.txt"
    assert refused_fetch(tmp_path).startswith(f"cannot fetch {url}: {says};")
    assert [path.name for path in tmp_path.iterdir()] == ["ptb.train.txt"]
    server.mode = "ok"
    assert len(fetch_ptb(cache=tmp_path)) == 3


def test_no_server(server, tmp_path):
    stop(server)
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
        fetch_ptb(cache=cache)
    assert message(error).startswith(f"cannot write to the cache folder {cache}: ")


@pytest.mark.parametrize(("progress", "terminal"), [(True, True), (True, False), (False, True)])
def test_a_progress_bar_on_a_terminal_only(
    server, tmp_path, monkeypatch, capsys, progress, terminal
):
    for name in ("TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the captured stream for one
    fetch_ptb(cache=tmp_path, progress=progress)
    captured = capsys.readouterr()
    assert captured.out == ""
    for split in SPLITS:
        size = len(TEXTS[split].encode())
        assert (f"ptb.{split}.txt" in captured.err) == (progress and terminal)
        assert (f"{size}/{size} bytes" in captured.err) == (progress and terminal)
    fetch_ptb(cache=tmp_path, progress=progress)
    assert capsys.readouterr().err == ""


# The text made from the standard library

DIGEST = """
import hashlib, json, sys
from pathlib import Path
from zaremba_port.data import load_corpus
corpus = load_corpus("pydoc", cache=Path(sys.argv[1]), log=lambda line: None)
text = repr([corpus.vocabulary.words, *(getattr(corpus, s).tolist() for s in corpus.sizes)])
print(json.dumps([hashlib.sha256(text.encode()).hexdigest(), corpus.sizes]))
"""


@pytest.fixture(scope="module")
def pydoc(tmp_path_factory) -> Corpus:
    return load_corpus("pydoc", cache=tmp_path_factory.mktemp("cache"), log=silent)


def pydoc_tokens(corpus: Corpus) -> list[str]:
    return corpus.vocabulary.decode(torch.cat([corpus.train, corpus.valid, corpus.test]))


def test_pydoc_has_its_size_its_split_and_its_vocabulary(pydoc):
    total = sum(pydoc.sizes.values())
    assert total == pytest.approx(370_000, rel=0.05)
    for split, share in (("train", 0.90), ("valid", 0.05), ("test", 0.05)):
        assert pydoc.sizes[split] / total == pytest.approx(share, abs=0.01)
        assert getattr(pydoc, split)[-1] == pydoc.vocabulary.index[EOS]
    assert len(pydoc.vocabulary) <= 10_000
    assert {EOS, UNK, "N", "the"} <= set(pydoc.vocabulary.words)


def test_pydoc_is_lower_case_prose(pydoc):
    for word in pydoc.vocabulary.words:
        assert word in ("N", EOS, UNK, "e.g.", "i.e.") or (
            word.replace("'", "").isalpha() and word == word.lower()
        ), word
    tokens = pydoc_tokens(pydoc)
    text = " ".join(tokens)
    assert "the" in [word for word, _ in Counter(tokens).most_common(3)]
    assert text.count(UNK) / len(tokens) < 0.02
    longest = max(len(sentence.split()) for sentence in text.split(EOS))
    assert longest <= 60


def test_pydoc_is_the_same_whatever_the_hash_seed(pydoc, tmp_path):
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST, str(tmp_path / seed)],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "LC_ALL": locale},
            stdout=subprocess.PIPE,
        )
        for seed, locale in (("1", "C"), ("2", "C.UTF-8"))
    ]
    (first, sizes), (second, _) = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert first == second
    assert sizes == pydoc.sizes


def test_pydoc_without_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(UserError) as error:
        load_corpus("pydoc", cache=tmp_path / "cache", log=silent)
    assert message(error) == (
        f"no sources of Python's standard library in {tmp_path}: "
        "the text 'pydoc' is made from them; use --data ptb or --data DIR"
    )


LIBRARY = '''
# Returns the value, or None if there is none.
value = 1  # A comment on the side of the code is not a part of the text.

def function_{i}():
    """Return the value of counter {word}, e.g. 12 or 3.5 of it.

    The {word}Counter doesn't change the value. See the <http://example.org> of the counter.

    Example of the counter {word}:

    >>> function_{i}()  # the value of the counter
    12

    self.counter = the[value] + of.the({word}) == 12

        +-----+ the value of the table +-----+

    - the counter of {word} is an item
    :param value: the value of the counter {word}
    """
'''


@pytest.fixture
def library(tmp_path, monkeypatch) -> Path:
    """A standard library of 20 modules, among things which are not of it."""
    folder = tmp_path / "library"
    for other in ("site-packages", "test"):
        (folder / other).mkdir(parents=True)
        (folder / other / "other.py").write_text(
            '"""This is the docstring of an installed package or a test."""', encoding="utf-8"
        )
    (folder / "broken.py").write_text("def (:\n", encoding="utf-8")
    for i in range(20):
        word = chr(ord("a") + i) * 3
        path = folder / f"module_{word}.py"
        path.write_text(LIBRARY.format(i=i, word=word), encoding="utf-8")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(folder)})
    return folder


def test_pydoc_keeps_sentences_and_drops_the_rest(library, tmp_path):
    lines: list[str] = []
    corpus = load_corpus("pydoc", cache=tmp_path / "cache", log=lines.append)
    sentences = " ".join(pydoc_tokens(corpus)).split(f" {EOS}")
    assert [sentence.strip() for sentence in sentences[:6]] == [
        "return the value of counter aaa e.g. N or N of it",
        "the aaa counter doesn't change the value",
        "example of the counter aaa",
        "the counter of aaa is an item",
        "the value of the counter aaa",
        "<unk> the value or none <unk> <unk> is none",
    ]
    assert not {"installed", "http", "self", "table", "side"} & set(corpus.vocabulary.words)
    assert lines[0] == (f"Loading pydoc.train ({library}), size of data = {corpus.sizes['train']}")


def test_pydoc_is_built_once_for_a_library(library, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    builds = []
    build = data._build_pydoc
    monkeypatch.setattr(data, "_build_pydoc", lambda *args: builds.append(1) or build(*args))

    def load() -> list[str]:
        return pydoc_tokens(load_corpus("pydoc", cache=cache, log=silent))

    tokens = load()
    assert load() == tokens
    assert len(builds) == 1
    (saved,) = cache.iterdir()
    saved.write_bytes(saved.read_bytes()[:-5])
    assert load() == tokens
    assert len(builds) == 2
    with (library / "module_aaa.py").open("a", encoding="utf-8") as file:
        file.write("# This is a new comment on the value of the counter.\n")
    assert load() != tokens
    assert len(builds) == 3


def test_pydoc_needs_no_cache(library, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    assert len(load_corpus("pydoc", cache=in_the_way, log=silent).vocabulary) > 20
