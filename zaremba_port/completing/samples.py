"""Sentences that a network completes while it is trained, to see what it has learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..language_model import LanguageModel
from ..model import fork_generators
from ..runs import RunFolder
from ..text import CHARACTERS, EOS, UNK, Ids, visible
from .completion import complete
from .predict import Predictor
from .sampling import Sampling

SEED = 1
_SEARCHED = 5000  # tokens of the text in which beginnings are looked for


def prompts_from(ids: Ids, run: RunFolder, number: int) -> list[list[str]]:
    """Return the beginnings to complete: none, for a new sentence, and those of a text's sentences.

    A beginning has three words, or twelve characters, and no ``<unk>``.

    Args:
        ids: the text, in the ids of the run.
        run: names the words.
        number: how many to return; fewer if the text has not so many.
    """
    if number < 1:
        return []
    length = 12 if run.unit == CHARACTERS else 3
    prompts: list[list[str]] = [[]]
    sentence: list[str] = []
    for word in run.vocabulary.decode(ids[:_SEARCHED]):
        if word != EOS:
            sentence.append(word)
            continue
        prompt = sentence[:length]
        if len(sentence) > length and UNK not in prompt and prompt not in prompts:
            prompts.append(prompt)
        sentence = []
        if len(prompts) >= number:
            break
    return prompts[:number]


def draw_samples(
    model: LanguageModel, run: RunFolder, prompts: Sequence[Sequence[str]]
) -> list[dict[str, str]]:
    """Return what the network makes of each beginning: ``{"prompt": ..., "text": ...}``.

    The draws start from a fixed seed, and end with the sentence or after 20 words, or 80
    characters. Model and random generators are left as they are.
    """
    with fork_generators(), torch.no_grad():
        predictor = Predictor.of_model(model, run)
        return [_completed(predictor, prompt, SEED + i) for i, prompt in enumerate(prompts)]


def _completed(predictor: Predictor, prompt: Sequence[str], seed: int) -> dict[str, str]:
    length = 80 if predictor.run.unit == CHARACTERS else 20
    words = complete(
        predictor, prompt, length, sampling=Sampling(), seed=seed, log=lambda line: None
    )[len(prompt) :]
    if EOS in words:
        words = words[: words.index(EOS) + 1]
    return {"prompt": _shown(prompt, predictor.run), "text": _shown(words, predictor.run)}


def _shown(words: Sequence[str], run: RunFolder) -> str:
    if run.unit == CHARACTERS:
        return visible("".join(" " if word == "_" else word for word in words))
    return visible(" ".join(words))
