"""The pairs of main.lua up to `setup`: the settings, the network, its unrolling."""

from __future__ import annotations

from ....config import Settings
from ....language_model import LanguageModel
from ....model import create_network, lstm, parts
from ....train import setup
from ....unrolled import Model
from ..definition import Fields, Variable
from .pair import OUTSIDE, Pair

_SETTINGS = (
    "batch_size seq_length layers decay rnn_size dropout init_weight lr vocab_size max_epoch "
    "max_max_epoch max_grad_norm"
).split()

NETWORK: tuple[Pair, ...] = (
    Pair(
        "main.lua",
        ("lstm",),
        (lstm,),
        (
            ("lstm ( x", "def lstm ("),
            ("i2h =", "i2h ="),
            ("h2h =", "h2h ="),
            ("gates =", "gates ="),
            ("reshaped_gates =", "reshaped_gates ="),
            ("sliced_gates =", "sliced_gates ="),
            ("in_gate =", "in_gate ="),
            ("in_transform =", "in_transform ="),
            ("forget_gate =", "forget_gate ="),
            ("out_gate =", "out_gate ="),
            ("next_c =", "next_c ="),
            ("forget_gate , prev_c", "forget_gate , prev_c"),
            ("in_gate , in_transform", "in_gate , in_transform"),
            ("next_h =", "next_h ="),
            ("return next_c", "return next_c"),
        ),
        (
            "Python counts from 0: dimension 2 of `SplitTable` is 1 here, and the gates 1 to 4 of "
            "`SelectTable` are 0 to 3. `Reshape(4, rnn_size)` names sizes, not places, and stays.",
            "Calling a layer on a node adds a node to the graph in both. Nothing is computed yet.",
            "A Lua table in braces is a Python list in brackets, and its commas and calls need no "
            "other change.",
            "The sizes come in as arguments instead of from `params`: `input_size` may differ from "
            "`rnn_size` in the first layer, if the embedding has another width.",
            "`annotateNodes` names every node after its variable, for pictures and error messages.",
        ),
    ),
    Pair(
        "main.lua",
        ("create_network",),
        (create_network, parts),
        (
            ("create_network ( )", "def create_network ("),
            ("x = nn", "x = nn"),
            ("y = nn", "y = nn"),
            ("prev_s = nn", "prev_s = nn"),
            ("i =", "i = ["),
            ("next_s =", "next_s : list"),
            ("split =", "split ="),
            ("for layer_idx =", "for layer in"),
            ("prev_c =", "prev ="),
            ("prev_h =", "prev ="),
            ("nn . Dropout ( params . dropout ) ( i [ layer_idx", "dropout ) ( i [ layer ] )"),
            ("lstm ( dropped", "next = cell ("),
            ("insert ( next_s , next_c )", "next_s . extend"),
            ("insert ( next_s , next_h )", "next_s . extend"),
            ("i [ layer_idx ] =", "i . append"),
            ("h2y =", "h2y ="),
            ("( i [ params . layers ] )", "( i [ settings . layers ] )"),
            ("pred =", "pred = nn"),
            ("err =", "err ="),
            ("gModule (", "gModule ("),
            ("nn . Identity ( ) ( next_s )", "nest ( next_s )"),
            ("uniform (", "uniform_ ("),
            ("return", "return module"),
        ),
        (
            "The Lua table `i` has an entry 0 for the embedding, although tables begin at 1. In a "
            "Python list the first index is 0 anyway: `i[layer]` is the input of layer `layer`.",
            "c and h of layer n are the parts 2n-1 and 2n in Lua. Here, with n from 0, they are "
            "the slice from 2n. For a GRU, which has no c, the slice has one part.",
            "`nest` joins a table of nodes into one node. In both languages an `Identity` on the "
            "table does the same.",
            "Torch7's own generator draws the parameters in Torch7's order: the same seed produces "
            "the same network as in Lua, bit for bit.",
            "`predictions=True` adds the log-probabilities as a third output, which completing "
            "sentences needs. `cell=` replaces `lstm` by another recurrent cell. The original has "
            "neither.",
            "The names from `annotate` and `group` appear only in pictures and error messages.",
        ),
    ),
    Pair(
        "main.lua",
        ("setup",),
        (
            setup,
            LanguageModel.__init__,
            Model.__init__,
            Model._unroll,
            LanguageModel.zero_state,
        ),
        (
            ("setup ( )", "def setup ("),
            ('"Creating a RNN LSTM network."', "Creating a RNN"),
            ("core_network = create_network", "core_network = create_network"),
            ("paramx , paramdx =", "paramx , paramdx = core_network"),
            ("for j =", "self . zero_state ( batch ) for"),
            ("model . s [ j ] [ d ] =", "self . zero_state ( batch ) for"),
            ("model . start_s [ d ] =", "self . start_s ="),
            ("model . ds [ d ] =", "self . ds ="),
            ("model . core_network =", "self . core_network ="),
            ("model . rnns =", "self . rnns = nngraph"),
            ("model . norm_dw =", "self . norm_dw ="),
            ("model . err =", "self . err ="),
        ),
        (
            "`getParameters` returns two flat tensors, and every weight becomes a view of its "
            "part. A change in one appears in the other, without a copy, as in Torch7.",
            "In both languages `model.s` runs from 0 to `seq_length`: the state before the first "
            "step and the state after each step.",
            "`make_model` returns the `Model` shown here or, by default, a `FastModel`, which "
            "computes the same for many time steps at once. Both are a `LanguageModel`.",
            "The caller creates the network and passes it in, so that tests and experiments can "
            "use another.",
            "`_derr`, the gradient of the loss with respect to itself, is created once. The "
            "original creates its `derr` in every step.",
        ),
    ),
)

HEAD: tuple[Pair, ...] = (
    Pair(
        "main.lua",
        (OUTSIDE,),
        (Fields(Settings), Variable("zaremba_port.config", "PRESETS")),
        tuple((f"{name} =", f"{name} :") for name in _SETTINGS),
        (
            "The table `params` is a frozen dataclass. Its defaults are the original's small "
            "network. The large one, a comment in Lua, is the preset `large`.",
            "In Lua a misspelt name is `nil`, which fails much later or not at all. Here an "
            "unknown name or a value out of range raises an error at once.",
            "`params`, `model`, `paramx` and `paramdx` are visible in all of main.lua. Here they "
            "are attributes of a `Model`, so that there can be several models.",
            "The choice between fbcunn and cunn has no counterpart: PyTorch supports CPU and GPU.",
        ),
    ),
    Pair(
        "main.lua",
        ("transfer_data",),
        notes=(
            "`.to(device)` moves the network and the texts once, and `new_zeros` creates buffers "
            "on the device of the parameters.",
        ),
    ),
)
"""What main.lua begins with. The page shows it last, since a reader comes for the network."""
