"""The protocol of the course's grader: predicting characters over streams.

The program first prints `OK GO`. Then it reads one token a line, and answers each with one line:
the log-probabilities of the next token.
"""

from __future__ import annotations

import math
from typing import TextIO

import torch

from ...completing import Predictor
from ...errors import UserError
from ...text import CHARACTERS, WHITE_SPACE, quoted

READY = "OK GO"
DIGITS = {"float32": 9, "float64": 17}
"""Significant digits that identify every number of a type."""


def serve(predictor: Predictor, lines: TextIO, out: TextIO, err: TextIO) -> None:
    """Answer every line of `lines` with the log-probabilities of the next character.

    An answer holds one number, in nats, for each symbol in the order of the vocabulary, separated
    by spaces and with all digits. The recurrent state is carried over the whole stream. A token
    outside the vocabulary is reported on `err` and not read: it gets the previous answer again, or
    the uniform distribution if there is none.

    Raises:
        UserError: the network was trained on words.
    """
    run, vocabulary = predictor.run, predictor.vocabulary
    if run.unit != CHARACTERS:
        raise UserError(f"{run.path} was trained on words: predict-chars takes one on characters")
    size = len(vocabulary)
    row = " ".join([f"%.{DIGITS[run.settings.dtype]}g"] * size) + "\n"
    # A network made for more symbols than its text had gives the others a probability, too.
    has_spare_outputs = run.settings.vocab_size > size
    answer = row % ((-math.log(size),) * size)
    predictor.reset()
    print(READY, file=out, flush=True)
    # `for line in lines` might read more lines before it hands out the first.
    while line := lines.readline():
        token = line.strip(WHITE_SPACE)
        token_id = vocabulary.index.get(token)
        if token_id is None:
            print(f"not in the vocabulary: {quoted(token)}", file=err, flush=True)
        else:
            log_p = predictor.read(token_id)  # (size,)
            if has_spare_outputs:
                log_p = torch.log_softmax(log_p, 0)
            answer = row % tuple(log_p.tolist())
        out.write(answer)
        out.flush()
