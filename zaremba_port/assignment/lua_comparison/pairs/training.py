"""The pairs of main.lua from `reset_state` on: training and evaluation."""

from __future__ import annotations

from ....evaluate import run_test, run_valid, single_steps
from ....train import train
from ....unrolled import Model, Steps, norm
from .pair import Pair

TRAINING: tuple[Pair, ...] = (
    Pair(
        "main.lua",
        ("reset_state",),
        (Model.reset_state,),
        (
            ("reset_state ( state )", "def reset_state ("),
            ("state . pos =", "state . pos ="),
            ("for d =", "for start in"),
            (": zero ( )", "zero_ ( )"),
        ),
        (
            "The first row is 1 in Lua and 0 here.",
            "Lua asks whether `model` is filled yet, since `main` resets the texts before `setup`. "
            "Here the buffers exist as soon as there is a `Model`.",
            "A method of PyTorch that ends in `_` works in place, as every method of a Torch7 "
            "tensor does.",
        ),
    ),
    Pair(
        "main.lua",
        ("reset_ds",),
        (Model.reset_ds,),
        (
            ("reset_ds ( )", "def reset_ds ("),
            ("for d =", "for d in"),
            (": zero ( )", "zero_ ( )"),
        ),
        ("A loop over the tensors themselves, where Lua loops over their numbers.",),
    ),
    Pair(
        "main.lua",
        ("fp",),
        (Model.fp,),
        (
            ("fp ( state )", "def fp ("),
            ("( model . s [ 0 ] , model . start_s )", "copy ( self . s [ 0 ]"),
            ("if state . pos +", "if state . pos +"),
            ("reset_state ( state )", "self . reset_state ("),
            ("for i =", "for i , rnn in"),
            ("x =", "x , y ="),
            ("y =", "x , y ="),
            ("forward (", "forward ("),
            ("state . pos = state", "state . pos += 1"),
            ("model . start_s , model . s", "copy ( self . start_s"),
            ("return", "return"),
        ),
        (
            "Counting from 0 shifts the state by one: step i reads `s[i]` and writes `s[i + 1]`, "
            "where Lua reads `s[i - 1]` and writes `s[i]`. The `+ 1` in the condition makes up for "
            "positions that begin at 0: both start the text anew at the same word.",
            "Both fill `s[0]` before they look whether the text is at its end, so the first "
            "sequence after the wrap still starts from the state that was reached. That is kept.",
            "`forward` records what autograd needs, in each clone for itself.",
            "The mean is summed in double precision and becomes a plain number, which also waits "
            "for the GPU.",
        ),
    ),
    Pair(
        "main.lua",
        ("bp",),
        (Model.bp, Model._grad_output, norm),
        (
            ("bp ( state )", "def bp ("),
            ("paramdx : zero", "paramdx . zero_"),
            ("reset_ds ( )", "self . reset_ds ("),
            ("for i =", "for i , rnn in"),
            ("state . pos = state . pos - 1", "state . pos -="),
            ("x =", "x , y ="),
            ("y =", "x , y ="),
            ("tmp =", "tmp ="),
            ("{ derr", "return [ self . _derr , self . ds ]"),
            ("( model . ds , tmp )", "copy ( self . ds"),
            ("state . pos + params", "state . pos += self"),
            ("norm_dw = paramdx", "self . norm_dw = norm"),
            ("if model . norm_dw >", "if self . norm_dw >"),
            ("paramdx : mul ( shrink_factor )", "paramdx . mul_ ( self"),
            ("paramx : add", "paramx . add_"),
        ),
        (
            "In Torch7 each layer brings its own `updateGradInput` and `accGradParameters`, and "
            "`backward` calls them in reverse order. Here autograd goes back through what "
            "`forward` recorded; no layer has a backward pass of its own.",
            "Gradients add up in `paramdx` over all steps, since the parameters of all clones are "
            "the same ones. Hence the zeroing in the first line, in both.",
            "The gradient of the table `{x, y, s}` is a table likewise: its third part is `[3]` in "
            "Lua and `[2]` here. x and y are word numbers and have none.",
            "The norm is summed in double precision, as Torch7 sums, and block by block, which "
            "saves a copy of all gradients.",
            "The gradient's length is limited, its direction kept; the rate is an argument, "
            "because the schedule changes it, where Lua changes `params.lr`.",
            "A norm that is infinite or not a number ends the run before it spoils the parameters. "
            "Lua would go on.",
            "Nothing like `cutorch.synchronize` is needed: PyTorch keeps the order of what runs on "
            "the GPU, and waits when a number is read.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_valid",),
        (run_valid,),
        (
            ("run_valid ( )", "def run_valid ("),
            ("reset_state (", "reset_state ("),
            ("g_disable_dropout (", "disable_dropout ("),
            ("len =", "length ="),
            ("for i =", "sum ("),
            ("perp = perp +", "sum ("),
            ("g_enable_dropout (", "enable_dropout ("),
            ("perp / len", "return total"),
        ),
        (
            "`len` is a fraction in both: the loop runs over whole sequences only, and the sum is "
            "divided by the fraction. The result is a little too small, and comparable.",
            "`no_grad` spares the memory for a backward pass that will not come.",
            "The loss is returned in nats; printing its exponential is left to the caller.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_test",),
        (run_test, single_steps),
        (
            ("run_test ( )", "def run_test ("),
            ("reset_state (", "reset_state ("),
            ("g_disable_dropout (", "disable_dropout ("),
            ("perp = 0", "total = torch"),
            ("( model . s [ 0 ] , model . start_s )", "state = model . zero_state"),
            ("for i =", "for i in"),
            ("x =", "err , state = model"),
            ("y =", "err , state = model"),
            ("forward (", "err , state = model"),
            ("perp = perp +", "total +="),
            ("g_enable_dropout (", "enable_dropout ("),
            ("perp / (", "return total"),
        ),
        (
            "Lua reads the text in as many equal columns as a batch has, because its buffers have "
            "that shape. Here it is one column, which gives the same result for less work.",
            "The network is the one that was unrolled, not its first clone; they share their "
            "parameters.",
            "`single_steps` is a generator: other programs go through a text word by word with it.",
            "`perp_tmp` is a global variable in Lua, as any that lacks `local`.",
            "The sum stays on the device until the end, in double precision.",
        ),
    ),
    Pair(
        "main.lua",
        ("main",),
        (train, Steps.train_step),
        (
            ("main ( )", "def train ("),
            ('"Network parameters:"', '"Network parameters:"'),
            ("print ( params )", "in vars ( settings )"),
            ("setup ( )", "model ="),
            ("g_init_gpu (", "where = pick_device"),
            ("{ data = transfer_data ( ptb . traindataset", "texts = text_states"),
            ("{ data = transfer_data ( ptb . validdataset", "texts = text_states"),
            ("{ data = transfer_data ( ptb . testdataset", "texts = text_states"),
            ("step = 0", "progress = Progress ("),
            ("beginning_time =", "started = time"),
            ('"Starting training."', '"Starting training."'),
            ("words_per_step =", "words_per_step ="),
            ("epoch_size =", "epoch_size ="),
            ("while epoch <", "while progress . step <"),
            ("perp = fp", "loss = self . fp"),
            ("perps = torch", "perps . fill_"),
            ("perps [", "perps [ progress"),
            ("step = step + 1", "progress . step += 1"),
            ("bp ( state_train )", "self . bp ("),
            ("epoch = step", "epoch = progress"),
            ("if step % torch", "if reported :"),
            ("wps = torch", "wps = math"),
            ("'epoch = '", "train perp ."),
            ("', train perp. = '", "train perp ."),
            ("', wps = '", "train perp ."),
            ("', dw:norm() = '", "dw : norm ("),
            ("', lr = '", "dw : norm ("),
            ("', since beginning = '", "since beginning"),
            ("if step % epoch_size ==", "if progress . step % epoch_size"),
            ("run_valid ( )", "run_valid ("),
            ("if epoch > params", "if epoch > settings"),
            ("params . lr = params", "progress . lr /="),
            ("run_test ( )", "run_test ("),
            ('"Training is over."', '"Training is over."'),
        ),
        (
            "The loop is the same, and so are its messages and the steps at which they appear. "
            "Around it stands what a long run needs: it saves, resumes, and stops on Ctrl-C or on "
            "a loss that is no number.",
            "`make_model` gives the `Model` shown on this page or, by default, a `FastModel`: it "
            "computes the same with many time steps in one go.",
            "`train_step` stands for `fp` and `bp`, since a GPU does both without being waited "
            "for: what a step found is asked for when it is needed.",
            "`epoch` is `step / epoch_size`, a fraction, in both. The rate falls after whole "
            "epochs above `max_epoch`.",
            "`reported` guards a very short text: with less than five steps an epoch the divisor "
            "is 0, which Lua's `%` turns into a NaN and Python's into an error.",
            "`collectgarbage` has no counterpart: Python frees a tensor when nobody holds it.",
            "Reading the texts and the options happens in the command line, before this function.",
        ),
    ),
)
