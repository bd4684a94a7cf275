"""Predicting characters over streams: one token a line in, one line of log-probabilities out.

The protocol that the course's grader speaks: `OK GO` first, then an answer to every line.
"""

from __future__ import annotations

import math
from typing import TextIO

import torch

from ...completing import Predictor
from ...errors import UserError
from ...text import CHARACTERS

READY = "OK GO"


def serve(predictor: Predictor, lines: TextIO, out: TextIO, err: TextIO) -> None:
    """Answer every line of `lines` with the log-probabilities of the next character.

    They stand in the order of the vocabulary, separated by spaces, with all digits of their
    number type. The state is carried over the whole stream. A token outside the vocabulary is
    reported on `err` and not read: the answer is the one before it, uniform if there was none.

    Raises:
        UserError: the network was trained on words.
    """
    run, vocabulary = predictor.run, predictor.vocabulary
    if run.unit != CHARACTERS:
        raise UserError(f"{run.path} was trained on words: predict-chars takes one on characters")
    size = len(vocabulary)
    digits = 9 if run.settings.dtype == "float32" else 17
    row = " ".join([f"%.{digits}g"] * size) + "\n"
    # A network made for more symbols than its text had gives the others something, too.
    spare = run.settings.vocab_size > size
    answer = row % ((-math.log(size),) * size)
    predictor.reset()
    print(READY, file=out, flush=True)
    # Not `for line in lines`, which may read ahead of what is answered.
    while line := lines.readline():
        token = line.strip()
        id = vocabulary.index.get(token)
        if id is None:
            print(f"not in the vocabulary: {token!r}", file=err, flush=True)
        else:
            log_p = predictor.read(id)
            if spare:
                log_p = torch.log_softmax(log_p, 0)
            answer = row % tuple(log_p.tolist())
        out.write(answer)
        out.flush()
