"""The pairs of main.lua from `reset_state` on: training and evaluation."""

from __future__ import annotations

import pygraph_nn as nngraph

from ....evaluate import run_test, run_valid
from ....language_model import LanguageModel, TextState, has_diverged, shrink_factor
from ....runs import Training, report
from ....train import steps_to_event, test, train, train_epochs, train_steps, validate
from ....unrolled import Model
from .pair import Pair

TRAINING: tuple[Pair, ...] = (
    Pair(
        "main.lua",
        ("reset_state",),
        (LanguageModel.reset_state,),
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
        (LanguageModel.fp, TextState.ends_within, Model.forward, LanguageModel.mean_loss),
        (
            ("fp ( state )", "def fp ("),
            ("( model . s [ 0 ] , model . start_s )", "copy ( self . s [ 0 ]"),
            ("if state . pos +", "if state . ends_within"),
            ("reset_state ( state )", "self . reset_state ("),
            ("for i =", "for i , rnn in"),
            ("x =", "x , y ="),
            ("y =", "x , y ="),
            ("forward (", "rnn . forward ("),
            ("state . pos = state", "state . pos +="),
            ("model . start_s , model . s", "copy ( self . start_s"),
            ("return", "return self . err . mean"),
        ),
        (
            "`fp` is the same for both engines. The loop over time is `forward` of the graph "
            "engine, which gets the rows of the sequence and the one after them.",
            "Counting from 0 shifts the state by one: step i reads `s[i]` and writes `s[i + 1]`, "
            "where Lua reads `s[i - 1]` and writes `s[i]`. The `+ 1` in `ends_within` makes up for "
            "positions that begin at 0: both start the text anew at the same word.",
            "Both fill `s[0]` before they look whether the text is at its end, so the first "
            "sequence after the wrap still starts from the state that was reached. That is kept.",
            "`forward` of a clone records what autograd needs, in each clone for itself.",
            "The place in the text moves by a whole sequence, where Lua counts word by word.",
            "The mean is summed in double precision and becomes a plain number, which also waits "
            "for the GPU.",
        ),
    ),
    Pair(
        "main.lua",
        ("bp",),
        (
            LanguageModel.bp,
            Model.backward,
            Model._grad_output,
            Model.gradient_norm,
            nngraph.blocked_norm,
            has_diverged,
            shrink_factor,
            Model.update,
        ),
        (
            ("bp ( state )", "def bp ("),
            ("paramdx : zero", "paramdx . zero_"),
            ("reset_ds ( )", "self . reset_ds ("),
            ("for i =", "for i , rnn in"),
            ("state . pos = state . pos - 1", "start = state . pos -"),
            ("x =", "x , y ="),
            ("y =", "x , y ="),
            ("tmp =", "tmp ="),
            ("{ derr", "return [ self . _derr , self . ds ]"),
            ("( model . ds , tmp )", "copy ( self . ds"),
            ("norm_dw = paramdx", "self . norm_dw = self"),
            ("if model . norm_dw >", "if norm > max_grad_norm"),
            ("shrink_factor = params", "if norm > max_grad_norm"),
            ("paramdx : mul ( shrink_factor )", "paramdx . mul_ ( shrink )"),
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
            "Lua counts `state.pos` down and up again; here the rows of the sequence are a slice.",
            "The norm is summed in double precision, as Torch7 sums, and block by block, which "
            "saves a copy of all gradients.",
            "The gradient's length is limited, its direction kept; the rate is an argument, "
            "because the schedule changes it, where Lua changes `params.lr`.",
            "The rules `has_diverged` and `shrink_factor` take numbers, or tensors on a GPU that "
            "nobody waits for: every engine follows the same ones.",
            "A norm that is infinite or not a number ends the run before it spoils the parameters. "
            "Lua would go on.",
            "Nothing like `cutorch.synchronize` is needed: PyTorch keeps the order of what runs on "
            "the GPU, and waits when a number is read.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_valid",),
        (validate, run_valid),
        (
            ("run_valid ( )", "def run_valid ("),
            ('"Validation set perplexity : "', 'report_evaluation ( training , "valid"'),
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
            "The loss is returned in nats. `validate` prints its exponential, and keeps the "
            "parameters if no loss was lower before; Lua keeps none.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_test",),
        (test, run_test, Model.read_words),
        (
            ("run_test ( )", "def run_test ("),
            ('"Test set perplexity : "', 'report_evaluation ( training , "test"'),
            ("reset_state (", "reset_state ("),
            ("g_disable_dropout (", "disable_dropout ("),
            ("perp = 0", "total = torch"),
            ("( model . s [ 0 ] , model . start_s )", "state = self . zero_state"),
            ("for i =", "for i in"),
            ("x =", "err , state = self"),
            ("y =", "err , state = self"),
            ("forward (", "err , state = self"),
            ("perp = perp +", "total +="),
            ("( model . s [ 0 ] , model . s [ 1 ] )", "err , state = self"),
            ("g_enable_dropout (", "enable_dropout ("),
            ("perp / (", "return total"),
        ),
        (
            "Lua reads the text in as many equal columns as a batch has, because its buffers have "
            "that shape. Here it is one column, which gives the same result for less work.",
            "The network is the one that was unrolled, not its first clone; they share their "
            "parameters.",
            "`read_words` is a generator that each engine has; other programs read with it, too.",
            "`perp_tmp` is a global variable in Lua, as any that lacks `local`.",
            "The sum stays on the device until the end, in double precision.",
        ),
    ),
    Pair(
        "main.lua",
        ("main",),
        (train, train_epochs, train_steps, steps_to_event, Training.add_step, report),
        (
            ("main ( )", "def train ("),
            ("g_init_gpu (", "where = pick_device"),
            ("{ data = transfer_data ( ptb . traindataset", "= text_states"),
            ("{ data = transfer_data ( ptb . validdataset", "= text_states"),
            ("{ data = transfer_data ( ptb . testdataset", "= text_states"),
            ('"Network parameters:"', '"Network parameters:"'),
            ("print ( params )", "in vars ( run . settings )"),
            ("setup ( )", "model = setup"),
            ("step = 0", "training = Training ("),
            ("epoch = 0", "training = Training ("),
            ("beginning_time =", "training = Training ("),
            ("start_time =", "training = Training ("),
            ('"Starting training."', '"Starting training."'),
            ("words_per_step =", "words_per_step ="),
            ("epoch_size =", "epoch_size ="),
            ("while epoch <", "while progress . step <"),
            ("perp = fp", "perp = model . fp"),
            ("if perps == nil", "if self . progress . step == 0"),
            ("perps = torch", "perps . fill_"),
            ("perps [", "self . perps [ self"),
            ("step = step + 1", "progress . step += 1"),
            ("bp ( state_train )", "model . bp ("),
            ("epoch = step", "epoch = progress"),
            ("if step % torch", "% report_every == 10"),
            ("wps = torch", "wps = math"),
            ("'epoch = '", "train perp ."),
            ("', train perp. = '", "train perp ."),
            ("', wps = '", "train perp ."),
            ("', dw:norm() = '", "dw : norm ("),
            ("', lr = '", "dw : norm ("),
            ("since_beginning = g_d", "since beginning ="),
            ("', since beginning = '", "since beginning ="),
            ("if step % epoch_size ==", "if progress . step % epoch_size"),
            ("run_valid ( )", "validate ( training"),
            ("if epoch > params", "if epoch > settings"),
            ("params . lr = params", "progress . lr /="),
            ("run_test ( )", "test ( training"),
            ('"Training is over."', '"Training is over."'),
        ),
        (
            "The loop is the same, and so are its messages and the steps at which they appear. "
            "`train` prepares it, and ends it with the test; `train_epochs` is the loop.",
            "`Training` holds the variables of the loop, so that they can be saved and restored. "
            "A run that is resumed goes on bit for bit.",
            "One training step is `fp` and `bp`. A GPU computes several without being waited for, "
            "up to the next step at which something is read: then `train_steps` yields them all.",
            "`epoch` is `step / epoch_size`, a fraction, in both. The rate falls after whole "
            "epochs above `max_epoch`.",
            "A very short text has no reports: with less than five steps an epoch the divisor is "
            "0, which Lua's `%` turns into a NaN and Python's into an error.",
            "Beside Lua's loop there is saving after each epoch, Ctrl-C, and the error for a loss "
            "that is no number, each a function of the room `runs`.",
            "`collectgarbage` has no counterpart: Python frees a tensor when nobody holds it.",
            "Reading the texts and the options happens in the command line, before this function.",
        ),
    ),
)
