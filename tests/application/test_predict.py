"""Predictions and completions, against the network evaluated by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from zaremba_port import Corpus, Predictor, RunFolder, Sampling, UserError, complete, train


@pytest.fixture
def run(new_run: Callable[..., RunFolder], corpus: Corpus) -> RunFolder:
    made = new_run("run", lr=0.5, max_max_epoch=1, embedding_size=6)
    train(made, corpus, log=lambda line: None)
    return made


def by_hand(run: RunFolder, ids: list[int]) -> torch.Tensor:
    """Log-probabilities after `ids` by the paper's equations, from the saved parameters."""
    saved = run.load_last().parameters
    linear = {name: (saved[f"{name}.weight"], saved[f"{name}.bias"]) for name in
              ("lstm_1_i2h", "lstm_1_h2h", "lstm_2_i2h", "lstm_2_h2h", "h2y")}  # fmt: skip
    layers = [(*linear[f"lstm_{n}_i2h"], *linear[f"lstm_{n}_h2h"]) for n in (1, 2)]
    state = [(torch.zeros(8), torch.zeros(8)) for _ in layers]
    for word in ids:
        x = saved["embedding.weight"][word]
        for depth, (w_x, b_x, w_h, b_h) in enumerate(layers):
            c, h = state[depth]
            i, g, f, o = (w_x @ x + b_x + w_h @ h + b_h).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            state[depth], x = (c, h), h
    return F.log_softmax(linear["h2y"][0] @ x + linear["h2y"][1], 0)


def test_predictions_are_the_papers_equations(run: RunFolder) -> None:
    predictor = Predictor(run, "last")
    ids = [3, 1, 4, 1, 5]
    for word in ids:
        log_p = predictor.read(word)
    expected = by_hand(run, ids)[: len(run.vocabulary)]
    assert torch.allclose(log_p, expected, atol=1e-5)
    predictor.reset()
    assert torch.allclose(predictor.read(3), by_hand(run, [3])[: len(run.vocabulary)], atol=1e-5)


def test_completing(run: RunFolder) -> None:
    words = complete(run, ["the", "cat"], 10, seed=4)
    assert words[:2] == ["the", "cat"]
    assert len(words) == 12
    assert words == complete(run.path, ["the", "cat"], 10, seed=4)
    assert words != complete(run, ["the", "cat"], 10, seed=5)
    assert complete(run, ["the"], 0) == ["the"]
    assert len(complete(run, [], 5, seed=1)) == 5


def test_argmax_takes_the_likeliest(run: RunFolder) -> None:
    words = complete(run, ["the"], 4, sampling=Sampling(argmax=True))
    ids = run.vocabulary.encode(words).tolist()
    for n in range(1, 5):
        known = by_hand(run, ids[:n])[: len(run.vocabulary)]
        # best and last are the same parameters after one epoch
        assert ids[n] == int(known.argmax())


def test_sampling_follows_the_distribution(run: RunFolder) -> None:
    predictor = Predictor(run)
    p = predictor.read(0).exp()
    drawn = [run.vocabulary.index[complete(predictor, [run.vocabulary.words[0]], 1, seed=s)[1]]
             for s in range(2000)]  # fmt: skip
    frequency = torch.bincount(torch.tensor(drawn), minlength=len(p)) / 2000
    # Four standard deviations of a frequency of 2000 draws.
    assert (frequency - p / p.sum()).abs().max() < 4 * 0.5 / 2000**0.5


def test_top_k_and_temperature(run: RunFolder) -> None:
    log_p = Predictor(run).read(0)
    best = set(log_p.topk(2).indices.tolist())
    first = run.vocabulary.words[0]
    drawn = {complete(run, [first], 1, sampling=Sampling(top_k=2), seed=s)[1] for s in range(20)}
    assert {run.vocabulary.index[word] for word in drawn} <= best
    cold = {complete(run, [first], 1, sampling=Sampling(temperature=1e-3), seed=s)[1]
            for s in range(5)}  # fmt: skip
    assert cold == {run.vocabulary.words[int(log_p.argmax())]}


def test_refusals(run: RunFolder) -> None:
    with pytest.raises(UserError, match="zebra"):
        complete(run, ["zebra"], 1)
    with pytest.raises(UserError, match="temperature"):
        Sampling(temperature=0)
    with pytest.raises(UserError, match="top_k"):
        Sampling(top_k=0)
    with pytest.raises(UserError, match="-1 words"):
        complete(run, ["the"], -1)
