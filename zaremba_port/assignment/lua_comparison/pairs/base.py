"""The pairs of base.lua: clones, dropout, the generators, small helpers."""

from __future__ import annotations

import pygraph_nn as nngraph
from pygraph_nn import nested

from ....engines import pick_device, start_generators
from ....language_model import LanguageModel
from .pair import Pair

BASE: tuple[Pair, ...] = (
    Pair(
        "base.lua",
        ("g_disable_dropout", "g_enable_dropout"),
        (LanguageModel.disable_dropout, LanguageModel.enable_dropout),
        (
            ("function g_disable_dropout", "def disable_dropout"),
            (". train = false", "rnn . evaluate ("),
            ("function g_enable_dropout", "def enable_dropout"),
            (". train = true", "rnn . train ("),
        ),
        (
            "Lua visits every layer, and sets the flag of those whose class is called something "
            "with Dropout. `evaluate` and `train` set it everywhere; only dropout heeds it here.",
            "The network that was cloned is switched as well, since the test runs on it.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_cloneManyTimes",),
        (nngraph.clone_many_times,),
        (
            ("g_cloneManyTimes (", "def clone_many_times"),
            ("params , gradParams =", "shared :"),
            ("for t =", "return"),
            ("clone = reader", "return"),
            ("cloneParams [ i ] : set (", "return"),
            ("clones [ t ] =", "return"),
        ),
        (
            "Lua writes the network to memory, reads it back once for every clone, and then makes "
            "each clone's parameters use the original's storage. Here `deepcopy` is told which "
            "objects count as copied already: the parameters. They are not copied at all.",
            "A gradient belongs to its parameter, so it is shared with it.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_init_gpu",),
        (pick_device,),
        (
            ("g_init_gpu (", "def pick_device"),
            ("cutorch . setDevice (", "device = torch"),
        ),
        (
            "A device is a name, such as `cuda:0`, counted from 0 where Lua counts from 1, and "
            "without a GPU the CPU serves. There is no current device that must be set first.",
            "Lua seeds the generators on the way; here `setup` does it by `start_generators`.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_make_deterministic",),
        (start_generators,),
        (
            ("g_make_deterministic (", "def start_generators"),
            ("cutorch . manualSeed (", "torch . manual_seed ("),
            ("torch . manualSeed (", "nngraph . manualSeed ("),
            ("torch . zeros", "torch7_random . uniform ("),
        ),
        (
            "PyTorch's generators (dropout) and Torch7's (parameters) are seeded side by side.",
            "The original draws one number after seeding. So does this, or every parameter would "
            "come one draw too early.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_replace_table",),
        (nested.copy, nested.pairs),
        (
            ("g_replace_table (", "def copy ("),
            ("assert (", "if len ( a ) != len ( b )"),
            ("for i =", "for a , b in"),
            (": copy (", "a . copy_ ("),
        ),
        (
            "Values are copied into tensors that stay where they are; no tensor is replaced, in "
            "spite of the Lua name.",
            "Tables may be nested here, and a table that does not fit is reported with its place.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_f3",),
        notes=('The format of an f-string does it, `f"{loss:.3f}"`.',),
    ),
    Pair(
        "base.lua",
        ("g_d",),
        notes=(
            "`math.floor(x + 0.5)` rounds as Torch7 does, halves up, where "
            "Python's `round` takes halves to the even number.",
        ),
    ),
)
