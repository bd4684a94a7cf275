"""The text made from the standard library: its size, its quality, and its cache."""

import hashlib
import os
import platform
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from zaremba_port.errors import UserError
from zaremba_port.text import FROZEN_PYTHON, UNK, frozen_texts, load_corpus, pydoc_texts
from zaremba_port.text import pydoc as pydoc_text

ROOT = Path(__file__).resolve().parents[2]
STDLIB = Path(sysconfig.get_paths()["stdlib"])

PRINT_TEXTS = """
import sys
from pathlib import Path
from zaremba_port.text import pydoc_texts
sys.stdout.buffer.write("\\f".join(pydoc_texts(Path(sys.argv[1]), Path(sys.argv[2]))).encode())
"""


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> list[str]:
    return pydoc_texts(STDLIB, tmp_path_factory.mktemp("cache"))


def tokens(text: str) -> list[str]:
    return text.replace("\n", " <eos> ").split()


def test_the_text_has_its_size_its_split_and_its_vocabulary(texts):
    sizes = [len(tokens(text)) for text in texts]
    assert sum(sizes) == pytest.approx(370_000, rel=0.05)
    for size, share in zip(sizes, (0.90, 0.05, 0.05), strict=True):
        assert size / sum(sizes) == pytest.approx(share, abs=0.01)
    words = set(tokens("".join(texts)))
    assert len(words) <= 10_000
    assert {UNK, "N", "the"} <= words
    assert all(text.endswith("\n") for text in texts)


def test_the_text_is_lower_case_prose(texts):
    words = "".join(texts).split()
    for word in set(words):
        assert word in ("N", UNK, "e.g.", "i.e.") or (
            word.replace("'", "").isalpha() and word == word.lower()
        ), word
    counts = Counter(words)
    assert "the" in [word for word, _ in counts.most_common(3)]
    assert counts[UNK] / len(words) < 0.02
    for sentence in "".join(texts).splitlines():
        assert 4 <= len(sentence.split()) <= 60


def test_words_seen_once_are_unknown(texts):
    counts = Counter("".join(texts).split())
    assert min(counts.values()) >= 2


def test_the_text_is_the_same_whatever_the_hash_seed_and_the_locale(texts, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", PRINT_TEXTS, str(STDLIB), str(tmp_path / "cache")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert run.stdout.decode() == "\f".join(texts)


def test_a_folder_without_sources(tmp_path):
    with pytest.raises(UserError) as error:
        pydoc_texts(tmp_path, tmp_path / "cache")
    assert str(error.value) == (
        f"no sources of Python's standard library in {tmp_path}: "
        "the text 'pydoc-live' is made from them; use the text pydoc"
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
def library(tmp_path) -> Path:
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
    return folder


def test_sentences_are_kept_and_the_rest_is_dropped(library, tmp_path):
    texts = pydoc_texts(library, tmp_path / "cache")
    assert [line.strip() for line in texts[0].splitlines()[:6]] == [
        "return the value of counter aaa e.g. N or N of it",
        "the aaa counter doesn't change the value",
        "example of the counter aaa",
        "the counter of aaa is an item",
        "the value of the counter aaa",
        "<unk> the value or none <unk> <unk> is none",
    ]
    assert not {"installed", "http", "self", "table", "side"} & set("".join(texts).split())


def test_the_vocabulary_keeps_the_most_frequent_words(library, tmp_path, monkeypatch):
    counts = Counter(tokens("".join(pydoc_texts(library, tmp_path / "cache"))))
    monkeypatch.setattr(pydoc_text, "VOCABULARY", 12)
    fewer = Counter(tokens("".join(pydoc_texts(library, tmp_path / "none"))))
    assert len(fewer) == 12
    assert {UNK, "<eos>"} < set(fewer)
    assert fewer.total() == counts.total()
    kept = sorted(counts[word] for word in set(counts) & set(fewer) - {UNK})
    dropped = [counts[word] for word in set(counts) - set(fewer)]
    assert kept[0] >= max(dropped)


def test_the_corpus_of_this_name(library, tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(library)})
    lines: list[str] = []
    corpus = load_corpus("pydoc-live", cache=tmp_path / "cache", log=lines.append)
    train = tokens(pydoc_texts(library, tmp_path / "cache")[0])
    assert corpus.vocabulary.decode(corpus.train) == train
    assert corpus.name == "pydoc-live"
    assert corpus.sources["test"] == f"pydoc-live.test ({library})"
    assert lines[0] == f"Loading pydoc-live.train ({library}), size of data = {len(train)}"


def test_the_text_of_the_package_is_the_same_everywhere(tmp_path):
    texts = frozen_texts()
    digest = hashlib.sha256("\f".join(texts).encode()).hexdigest()
    assert digest == "bf2a81a4926b1fd7a1f7800f72826b17324f521d4b4df0551aa0461dd5edee44"
    lines: list[str] = []
    corpus = load_corpus("pydoc", cache=tmp_path / "cache", log=lines.append)
    assert corpus.vocabulary.decode(corpus.test) == tokens(texts[2])
    assert lines[0] == f"Loading pydoc.train (Python {FROZEN_PYTHON}), size of data = 332662"
    assert not (tmp_path / "cache").exists()  # it needs neither a network nor a cache


@pytest.mark.skipif(
    platform.python_version() != FROZEN_PYTHON, reason=f"the text is of Python {FROZEN_PYTHON}"
)
def test_the_text_of_the_package_is_made_from_the_library(texts):
    assert frozen_texts() == texts


def test_the_text_is_built_once_for_a_library(library, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    builds = []
    split = pydoc_text._split
    monkeypatch.setattr(pydoc_text, "_split", lambda found: builds.append(1) or split(found))
    texts = pydoc_texts(library, cache)
    assert pydoc_texts(library, cache) == texts
    assert len(builds) == 1
    (saved,) = cache.iterdir()
    saved.write_bytes(saved.read_bytes()[:-5])
    assert pydoc_texts(library, cache) == texts
    assert len(builds) == 2
    with (library / "module_aaa.py").open("a", encoding="utf-8") as file:
        file.write("# This is a new comment on the value of the counter.\n")
    assert pydoc_texts(library, cache) != texts
    assert len(builds) == 3


def test_no_cache_is_needed(library, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    assert len(pydoc_texts(library, in_the_way)) == 3
