"""The pairs of base.lua: clones, dropout, random generators, small helpers."""

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
            "Lua visits every layer and sets the flag of those with Dropout in their class name. "
            "`evaluate` and `train` set it in all layers; only dropout uses it here.",
            "The network that was cloned is switched as well, since the test uses it.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_cloneManyTimes",),
        (nngraph.clone_many_times,),
        (
            ("g_cloneManyTimes (", "def clone_many_times"),
            ("params , gradParams =", "shared ="),
            ("for t =", "return"),
            ("clone = reader", "return"),
            ("cloneParams [ i ] : set (", "return"),
            ("clones [ t ] =", "return"),
        ),
        (
            "Lua serialises the network to memory, reads it back once for each clone, and then "
            "makes each clone's parameters use the original's storage. Here `deepcopy` treats the "
            "parameters as already copied, so they are never copied at all.",
            "A gradient belongs to its parameter, so the clones share it, too.",
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
            "A device has a name such as `cuda:0`, counted from 0 instead of 1. Without a GPU the "
            "program uses the CPU. There is no current device to set first.",
            "Lua seeds the generators here, too; `setup` calls `start_generators` for that.",
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
            "Both PyTorch's generators (dropout) and Torch7's (parameters) are seeded.",
            "The original draws one number after seeding. This function does the same; otherwise "
            "every parameter would come one draw too early.",
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
            "Values are copied into existing tensors; despite the Lua name, no tensor is replaced.",
            "Tables may be nested here, and an error names the place of a table that does not fit.",
        ),
    ),
    Pair(
        "base.lua",
        ("g_f3",),
        notes=('An f-string formats numbers: `f"{loss:.3f}"`.',),
    ),
    Pair(
        "base.lua",
        ("g_d",),
        notes=(
            "`math.floor(x + 0.5)` rounds halves up, as Torch7 does. Python's `round` rounds "
            "halves to even.",
        ),
    ),
)
