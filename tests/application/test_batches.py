"""Batches, against the loop of data.lua."""

import numpy as np
import pytest
import torch
from helpers import one_line

from zaremba_port.errors import UserError
from zaremba_port.text import replicate, sequential


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
    assert one_line(error) == (
        "a text of 19 words cannot fill a batch of 20: "
        "give more text, or set a smaller --batch_size"
    )
