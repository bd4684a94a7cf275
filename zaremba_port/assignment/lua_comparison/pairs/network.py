"""The pairs of main.lua up to `setup`: the settings, the network, its unrolling."""

from __future__ import annotations

from ....config import Settings
from ....language_model import LanguageModel
from ....model import create_network, lstm, parts
from ....train import setup
from ....unrolled import Model
from .pair import OUTSIDE, Pair

_SETTINGS = (
    "batch_size seq_length layers decay rnn_size dropout init_weight lr vocab_size max_epoch "
    "max_max_epoch max_grad_norm"
).split()

NETWORK: tuple[Pair, ...] = (
    Pair(
        "main.lua",
        (OUTSIDE,),
        (Settings,),
        tuple((f"{name} =", f"{name} :") for name in _SETTINGS),
        (
            "The table `params` is a frozen dataclass. Its defaults are the small network of the "
            "original; the large one, which stands there in a comment, is the preset `large`.",
            "In Lua a misspelt name gives `nil`, which fails much later or not at all. Here an "
            "unknown name and a value out of range are refused at once.",
            "`params`, `model`, `paramx` and `paramdx` are variables that all of main.lua sees. "
            "Here they are attributes of a `Model`, so that several can live side by side.",
            "Choosing between fbcunn and cunn has no counterpart: one PyTorch serves CPU and GPU.",
        ),
    ),
    Pair(
        "main.lua",
        ("transfer_data",),
        notes=(
            "`.to(device)` moves the network and the texts, once, and "
            "`new_zeros` makes buffers where the parameters already are.",
        ),
    ),
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
            "The Lua table `i` has a place 0 for the embedding, although tables begin at 1. In a "
            "list that place is the first anyway: `i[layer]` is the input of layer `layer`.",
            "c and h of layer n are the parts 2n-1 and 2n in Lua, and the slice from 2n here, "
            "n from 0. The slice holds one part instead for a GRU, which has no c.",
            "`nest` makes one node of a table of nodes. An `Identity` over the table does the same "
            "in both.",
            "The parameters are drawn by Torch7's own generator, in Torch7's order: the same seed "
            "gives the same network as in Lua, bit for bit.",
            "`predictions=True` gives the log-probabilities as a third output, which completing "
            "sentences needs; `cell=` takes another recurrent cell in the place of `lstm`. The "
            "original has neither.",
            "Names given with `annotate` and `group` show in pictures and error messages only.",
        ),
    ),
    Pair(
        "main.lua",
        ("setup",),
        (setup, LanguageModel.__init__, Model.__init__, LanguageModel.zero_state),
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
            "`getParameters` gives two flat tensors, and every weight becomes a view of its part: "
            "what changes in one changes in the other, without a copy. So it is in Torch7.",
            "`model.s` runs from 0 to `seq_length` in both: the state before the first step, and "
            "the one after each.",
            "`make_model` makes the `Model` shown here or, by default, a `FastModel`, which "
            "computes the same for many time steps at once. Both are a `LanguageModel`.",
            "A `Model` takes any network, so that tests and experiments can bring another.",
            "`_derr`, the gradient of the loss with respect to itself, is made once; the original "
            "makes its `derr` anew in every step.",
        ),
    ),
)
