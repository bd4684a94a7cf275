"""The conversation that completes sentences, over streams."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import pygraph_nn as nngraph
from zaremba_port import (
    Corpus,
    Predictor,
    RunFolder,
    Sampling,
    Settings,
    UserError,
    Vocabulary,
    complete,
    create_network,
    load_corpus,
    train,
)
from zaremba_port.cli.main import main
from zaremba_port.completing import Queries, beam_search, likeliest
from zaremba_port.completing.query import PROMPT
from zaremba_port.runs import Progress, Saved


@pytest.fixture
def run(new_run: Callable[..., RunFolder], corpus: Corpus) -> RunFolder:
    made = new_run("run", max_max_epoch=1, vocab_size=15)
    train(made, corpus, log=lambda line: None)
    return made


@pytest.fixture
def predictor(run: RunFolder) -> Predictor:
    return Predictor(run)


def talk(queries: Queries, said: str) -> list[str]:
    out = io.StringIO()
    queries.converse(io.StringIO(said), out)
    return out.getvalue().splitlines()


def test_a_conversation(predictor: Predictor) -> None:
    lines = talk(Queries(predictor, seed=1), "3 the cat\n0 the\n2\n")
    assert lines[0] == lines[2] == lines[4] == lines[6] == PROMPT == "Query: len word1 word2 etc"
    assert lines[1].split()[:2] == ["the", "cat"]
    assert len(lines[1].split()) == 5
    assert lines[3] == "the"
    assert len(lines[5].split()) == 2
    assert len(lines) == 7


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("the cat", ["Start with a number"]),
        ("", ["Start with a number"]),
        ("3 the catt", ["Word not in vocabulary: catt", "Near it: cat"]),
        ("3 xyzzy xyzzy", ["Word not in vocabulary: xyzzy"]),
        ("2.5 the", ["2.5 is no whole number of words", "Failed, try again"]),
        ("-3 the", ["-3 is no length: it must be from 0 to 100000", "Failed, try again"]),
        ("1e9 the", ["1e9 is no length: it must be from 0 to 100000", "Failed, try again"]),
        ("inf the", ["inf is no whole number of words", "Failed, try again"]),
        ("nan", ["nan is no whole number of words", "Failed, try again"]),
    ],
)
def test_trouble_is_named_and_the_question_asked_again(
    predictor: Predictor, said: str, reply: list[str]
) -> None:
    assert talk(Queries(predictor), f"{said}\n0 the") == [PROMPT, *reply, PROMPT, "the", PROMPT]


def test_whatever_fails_is_printed(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(word: int) -> None:
        raise RuntimeError("the network is tired")

    monkeypatch.setattr(predictor, "read", fail)
    lines = talk(Queries(predictor), "1 the\n")
    assert lines == [PROMPT, "the network is tired", "Failed, try again", PROMPT]


def test_the_total_length(predictor: Predictor) -> None:
    lines = talk(Queries(predictor, total_length=True), "3 the cat\n1 the cat\n")
    assert len(lines[1].split()) == 3
    assert lines[3] == "the cat"


def test_unknown_words_are_mapped(new_run: Callable[..., RunFolder], corpus: Corpus) -> None:
    run = new_run("unk", max_max_epoch=1)
    run.vocabulary = Vocabulary([*corpus.vocabulary.words, "<unk>"])
    run.save_definition()
    train(run, corpus, max_steps=2, log=lambda line: None)
    queries = Queries(Predictor(run), map_unknown=True, sampling=Sampling(no_unk=True))
    reply = talk(queries, "30 the zebra\n")[1].split()
    assert reply[:2] == ["the", "<unk>"]
    assert "<unk>" not in reply[2:]


def test_a_seed_repeats_the_conversation_not_the_draw(predictor: Predictor) -> None:
    said = "20 the\n20 the\n"
    lines = talk(Queries(predictor, seed=3), said)
    assert lines == talk(Queries(predictor, seed=3), said)
    assert lines[1] != lines[3]
    assert lines[1] == " ".join(complete(predictor, ["the"], 20, seed=3))


def test_show_names_the_five_likeliest(predictor: Predictor) -> None:
    lines = talk(Queries(predictor, sampling=Sampling(argmax=True), show=True), "3 the cat\n")
    words = lines[1].split()
    ids = predictor.vocabulary.encode(words).tolist()
    for n, line in enumerate(lines[2:5], 2):
        chosen, shown = line.split("|")
        pairs = shown.split()
        assert (chosen.strip(), len(pairs)) == (words[n], 10)
        assert pairs[0] == words[n]
        predictor.reset()
        for word in ids[:n]:
            p = predictor.read(word).exp()
        top = p.topk(5)
        assert pairs[::2] == predictor.vocabulary.decode(top.indices)
        assert pairs[1::2] == [f"{value:.4f}" for value in top.values.tolist()]
    assert next(likeliest(predictor, ["the"], 0))[0][0] in predictor.vocabulary


def log_probability(predictor: Predictor, prompt: list[int], ids: Sequence[int]) -> float:
    predictor.reset()
    total = 0.0
    for word in prompt:
        log_p = predictor.read(word)
    for word in ids:
        total += log_p[word].item()
        log_p = predictor.read(word)
    return total


@pytest.fixture
def small_predictor(tmp_path: Path) -> Predictor:
    """Of four words, with parameters large enough that one step ahead is not all."""
    settings = Settings(
        rnn_size=4, vocab_size=4, init_weight=3.0, batch_size=2, seq_length=2, dtype="float64"
    )
    run = RunFolder.create(tmp_path / "four", settings, Vocabulary("a b <unk> d".split()), "none")
    nngraph.manualSeed(1)  # greedy search misses the best text after most prompts
    parameters = dict(create_network(settings).named_parameters())
    run.save_last(Saved(parameters, {}, Progress(0, 1.0)))
    return Predictor(run)


@pytest.mark.parametrize("banned", [None, 2])
@pytest.mark.parametrize("prompt", [[0], [1, 3, 2], [3, 3]])
def test_a_wide_beam_is_exhaustive_search(
    small_predictor: Predictor, prompt: list[int], banned: int | None
) -> None:
    # 64 keep every text of three words, so that none is lost before the fourth.
    texts = [t for t in itertools.product(range(4), repeat=4) if banned not in t]
    best = max(texts, key=lambda t: log_probability(small_predictor, prompt, t))
    assert beam_search(small_predictor, prompt, 4, 64, banned) == list(best)


def test_a_beam_of_one_is_greedy_and_a_wider_one_no_worse(small_predictor: Predictor) -> None:
    better = 0
    for prompt in ([0], [1], [2], [3], [0, 1], [1, 3, 2], [3, 3], [2, 0]):
        words = small_predictor.vocabulary.decode(prompt)
        greedy = complete(small_predictor, words, 6, sampling=Sampling(argmax=True))
        assert complete(small_predictor, words, 6, beam=1) == greedy
        scores = [
            log_probability(small_predictor, prompt, beam_search(small_predictor, prompt, 6, n))
            for n in (1, 4**5)
        ]
        better += scores[1] > scores[0] + 1e-9
        assert scores[1] >= scores[0] - 1e-9
    assert better, "the example shows nothing: greedy was best everywhere"


def test_beam_and_no_unk(small_predictor: Predictor) -> None:
    words = complete(small_predictor, ["a"], 8, beam=3, sampling=Sampling(no_unk=True))
    assert "<unk>" not in words
    assert complete(small_predictor, ["a"], 0, beam=3) == ["a"]
    with pytest.raises(UserError, match="beam is 0"):
        complete(small_predictor, ["a"], 1, beam=0)


@pytest.fixture
def one_line_run(tmp_path: Path) -> RunFolder:
    """A network trained on texts without a newline, in which some words are far more frequent."""
    words = ("the cat saw the dog the end <unk> " * 60).split()
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text(" ".join(words))
    corpus = load_corpus(str(tmp_path), log=lambda line: None)
    settings = Settings(rnn_size=4, vocab_size=8, batch_size=4, seq_length=5, max_max_epoch=2)
    run = RunFolder.create(tmp_path / "run", settings, corpus.vocabulary, corpus.name)
    train(run, corpus, log=lambda line: None)
    return run


@pytest.mark.parametrize("beam", [None, 1, 3])
def test_without_a_newline_a_completion_starts_from_the_likeliest_word(
    one_line_run: RunFolder, beam: int | None
) -> None:
    parameters = one_line_run.load_last().parameters
    words = one_line_run.vocabulary.words
    assert "<eos>" not in words
    bias = parameters["h2y.bias"][: len(words)]
    ranked = [words[i] for i in bias.argsort(descending=True).tolist()]
    log: list[str] = []
    predictor = Predictor(one_line_run, "last")
    completed = complete(predictor, [], 4, seed=1, beam=beam, log=log.append)
    assert len(completed) == 4
    assert completed[0] == ranked[0]
    # From there on as after a prompt of this word.
    assert completed == complete(predictor, [ranked[0]], 3, seed=1, beam=beam, log=log.append)
    assert len(log) == 1
    assert log[0].endswith(f"started from the likeliest first word, {ranked[0]!r}.")
    assert complete(predictor, [], 0, beam=beam, log=log.append) == []
    assert complete(predictor, [], 1, beam=beam, log=log.append) == ranked[:1]
    no_unk = Sampling(no_unk=True)
    (first,) = complete(predictor, [], 1, beam=beam, sampling=no_unk, log=log.append)
    assert first == next(word for word in ranked if word != "<unk>")
    shown = next(likeliest(predictor, completed, 0, n=2))
    assert [word for word, _ in shown] == ranked[:2]
    p = parameters["h2y.bias"].softmax(0)
    assert [value for _, value in shown] == pytest.approx(p.topk(2).values.tolist())


def test_a_start_without_a_newline_is_told(
    one_line_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = talk(Queries(Predictor(one_line_run), seed=1, show=True), "2\n1 the\n")
    assert lines[0] == lines[5] == PROMPT
    assert len(lines[1].split()) == 2
    assert "|" in lines[2]
    assert lines[4].endswith(f"started from the likeliest first word, {lines[1].split()[0]!r}.")
    assert not any("likeliest first word" in line for line in lines[6:])
    queries = tmp_path / "queries.txt"
    queries.write_text("1 the\n2\n")
    assert main(["complete", str(one_line_run.path), "--file", str(queries)]) == 0
    out, err = capsys.readouterr()
    assert [len(line.split()) for line in out.splitlines()] == [2, 2]  # answers beside queries
    (note,) = err.splitlines()
    assert note.startswith(f"{queries}, line 2: The text of {one_line_run.path} had no newline")


def test_queries_hint_at_lower_case_and_at_what_cannot_be_seen(predictor: Predictor) -> None:
    lines = talk(Queries(predictor), "1 The c\u200bat\n1 the\u00a0cat\n")
    assert lines == [
        PROMPT,
        "Word not in vocabulary: The",
        "Near it: the",
        "Write it in lower case, as the vocabulary is",
        "Word not in vocabulary: c\\u200bat",
        "Near it: cat",
        PROMPT,
        "Word not in vocabulary: the\\xa0cat",
        "Near it: the, cat",
        PROMPT,
    ]


def test_a_file_of_queries(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = tmp_path / "queries.txt"
    queries.write_text("2 the\n\n3 zebra\nthe\n1 a\n")
    assert main(["complete", str(run.path), "--file", str(queries), "--seed", "1"]) == 2
    out, err = capsys.readouterr()
    first, failed, also, last = out.splitlines()
    assert (len(first.split()), failed, also, len(last.split())) == (3, "", "", 2)
    assert err.splitlines() == [
        f"{queries}, line 3: Word not in vocabulary: zebra",
        f"{queries}, line 4: Start with a number",
        f"zaremba: {queries}: 2 of its queries failed",
    ]
    queries.write_text("2 the\n1 a\n")
    assert main(["complete", str(run.path), "--file", str(queries), "--show"]) == 0
    out, err = capsys.readouterr()
    assert [len(line.split()) for line in out.splitlines()] == [3, 2]
    assert [line.split(":")[0] for line in err.splitlines()] == [
        *[f"{queries}, line 1"] * 2,
        f"{queries}, line 2",
    ]


def test_from_the_command_line(
    run: RunFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("4 the dog\n"))
    options = ["--temperature", "0.5", "--top-k", "3", "--seed", "2", "--show", "--no-unk"]
    assert main(["complete", str(run.path), *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0], lines[-1], len(lines)) == (PROMPT, PROMPT, 7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--beam", "0"], "beam is 0, it must be at least 1"),
        (["--beam", "2", "--argmax"], "--beam draws nothing: leave --argmax out"),
        (["--beam", "2", "--seed", "1"], "--beam draws nothing: leave --seed out"),
        (["--temperature", "0"], "temperature is 0.0, it must be positive"),
        (["--temperature", "inf"], "temperature is inf, it must be positive"),
        (["--top-k", "0"], "top_k is 0, it must be at least 1"),
        (["--seed", "-1"], "--seed is -1, it must be at least 0"),
        (["--file", "nowhere.txt"], "cannot read nowhere.txt: No such file"),
        (["--tempreature", "1"], "did you mean '--temperature'?"),
    ],
)
def test_bad_options(
    run: RunFolder, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["complete", str(run.path), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zaremba: ")
    assert message in line
