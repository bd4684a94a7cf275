"""Run the original programs in Lua, and compare their numbers with those that Torch7 printed.

    python tools/check_lua_originals.py lstm FOLDER [--steps 50]    main.lua and data/ptb.*.txt
    python tools/check_lua_originals.py char-rnn FOLDER             train.lua and in/input.txt

The golden data are those of $ZAREMBA_TEST_DATA/golden. docs/lua.md has the last results.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pygraph_nn import lua
from pygraph_nn.lua.watching import Watch

PROJECT = Path(__file__).resolve().parents[1]
GOLDEN = Path(os.environ.get("ZAREMBA_TEST_DATA") or PROJECT.parent / "shared") / "golden"

# Prints what an optimizer gets and returns; the program itself stays as it is.
WRAPPER = """
require 'optim'
local rmsprop = optim.rmsprop
optim.rmsprop = function(f, x, config, state)
  local norm
  local function watched(p)
    local loss, gradient = f(p)
    norm = gradient:norm()
    return loss, gradient
  end
  local result, losses = rmsprop(watched, x, config, state)
  table.insert(numbers, {losses[1], norm, x:norm()})
  return result, losses
end
numbers = {}
dofile('train.lua')
"""


def main() -> None:
    """Run one program, and print the largest relative differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=("lstm", "char-rnn"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--lua", choices=("luajit21", "lua51"))
    options = parser.parse_args()
    (lstm if options.program == "lstm" else char_rnn)(options)


def lstm(options: argparse.Namespace) -> None:
    """Compare main.lua on the Penn Treebank, in double precision."""
    theirs = json.loads((GOLDEN / "ptb_full" / "steps_double_seed1.json").read_text())["steps"]
    watch = Watch(options.steps)
    lua.run(options.folder / "main.lua", lua=options.lua, cuda="double", prepare=watch.attach)
    ours = [(step["loss"], step["norm"]) for step in watch.steps]
    golden = [(step["loss"], step["dw_norm"]) for step in theirs]
    for count in (10, 20, 30, 40, 50, 60):
        if count <= len(ours):
            print(f"{count} steps:", *differences(ours[:count], golden[:count]))


def char_rnn(options: argparse.Namespace) -> None:
    """Compare train.lua with the recorded runs of an LSTM and an RNN."""
    for model in ("lstm", "rnn"):
        run = json.loads((GOLDEN / "char_rnn" / f"{model}_iterations.json").read_text())
        with tempfile.TemporaryDirectory() as folder:
            wrapper = Path(folder) / "wrapper.lua"
            wrapper.write_text(WRAPPER)
            arguments = f"-checkpoint_dir {folder} -savefile {model} -model {model} -data_dir in"
            settings = (
                "-rnn_size 32 -num_layers 2 -seq_length 20 -batch_size 10 -seed 123 "
                "-max_epochs 1 -eval_val_every 40 -gpuid -1 -dropout 0"
            )
            program = lua.run(
                wrapper,
                f"{arguments} {settings}".split(),
                lua=options.lua,
                folder=options.folder,
                allow_io=True,
                out=folder,
            )
            ours = program["numbers"]
        keys = ("loss", "grad_norm", "param_norm_after")
        golden = [tuple(step[key] for key in keys) for step in run["iterations"]]
        print(f"{model}, {len(ours)} iterations:", *differences(ours, golden))


def differences(ours: Any, theirs: Any) -> list[str]:
    """Return the largest relative difference of each column."""
    columns = zip(*(zip(a, b, strict=True) for a, b in zip(ours, theirs, strict=True)), strict=True)
    return [f"{max(abs(a / b - 1) for a, b in column):.1e}" for column in columns]


if __name__ == "__main__":
    main()
