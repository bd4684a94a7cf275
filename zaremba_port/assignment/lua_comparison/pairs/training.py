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
            "Lua checks whether `model` is set up, since `main` resets the texts before `setup`. "
            "Here the buffers exist as soon as there is a `Model`.",
            "A PyTorch method whose name ends in `_` changes the tensor in place, as Torch7's "
            "methods do.",
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
        ("Python loops over the tensors themselves, Lua over their indices.",),
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
            "while Lua reads `s[i - 1]` and writes `s[i]`. The `+ 1` in the condition compensates "
            "for positions that begin at 0: both programs wrap around at the same word.",
            "Both programs fill `s[0]` before they check for the end of the text. So the first "
            "sequence after the wrap still starts from the last state. This port keeps that.",
            "`forward` records what autograd needs, separately in each clone.",
            "The mean is computed in double precision and becomes a Python number, which also "
            "waits for the GPU.",
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
            "In Torch7 each layer has its own `updateGradInput` and `accGradParameters`, and "
            "`backward` calls them in reverse order. Here autograd replays what `forward` recorded "
            "in reverse; no layer has its own backward pass.",
            "The clones share their parameters, so the gradients of all steps add up in `paramdx`. "
            "Therefore both programs first set it to zero.",
            "The gradient of the table `{x, y, s}` is a table, too. Its third part is `[3]` in Lua "
            "and `[2]` here. x and y are word ids and have no gradient.",
            "The norm is computed in double precision, as in Torch7, and block by block, which "
            "saves a copy of all gradients.",
            "The limit shortens the gradient and keeps its direction. The learning rate is an "
            "argument, since the schedule changes it; Lua changes `params.lr`.",
            "A norm that is infinite or NaN ends the run before it damages the parameters. Lua "
            "would continue.",
            "`cutorch.synchronize` needs no counterpart: PyTorch runs GPU operations in order and "
            "waits when a number is read.",
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
            "`len` is a fraction in both programs. The loop runs over whole sequences only, and "
            "the sum is divided by the fraction. The result is slightly too small, but comparable.",
            "`no_grad` saves the memory that a backward pass would need.",
            "The function returns the loss in nats; the caller prints its exponential.",
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
            "Lua reads the text in equal columns, one for each text of a batch, since its buffers "
            "have that shape. Here one column gives the same result with less computation.",
            "The test uses the network that was cloned, not its first clone; they share their "
            "parameters.",
            "`single_steps` is a generator, which other programs use to read a text word by word.",
            "`perp_tmp` is a global variable in Lua, like every variable without `local`.",
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
            "The loop is the same, and it prints the same messages at the same steps. In addition "
            "it does what a long run needs: it saves and resumes, and it stops on Ctrl-C or when "
            "the loss is not a number.",
            "`make_model` returns the `Model` shown on this page or, by default, a `FastModel`, "
            "which computes the same for many time steps at once.",
            "`train_step` calls `fp` and `bp`. The GPU engine can run ahead in it, and its results "
            "are read only when they are needed.",
            "`epoch` is the fraction `step / epoch_size` in both programs. The learning rate falls "
            "after each whole epoch above `max_epoch`.",
            "`reported` handles very short texts. With fewer than five steps per epoch the divisor "
            "is 0: Lua's `%` then returns NaN, and Python's raises an error.",
            "`collectgarbage` has no counterpart: Python frees a tensor when its last reference "
            "disappears.",
            "The command line reads the texts and the options before it calls this function.",
        ),
    ),
)
