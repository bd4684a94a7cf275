"""The pairs of main.lua from `reset_state` on: training and evaluation."""

from __future__ import annotations

import pygraph_nn as nngraph

from ....evaluate import evaluating, run_test, run_valid
from ....language_model import LanguageModel, TextState, has_diverged, shrink_factor
from ....runs import Training, report
from ....train import end_epoch, steps_to_event, test, train, train_epochs, train_steps, validate
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
            "while Lua reads `s[i - 1]` and writes `s[i]`. The `+ 1` in `ends_within` compensates "
            "for positions that begin at 0: both programs wrap around at the same word.",
            "Both programs fill `s[0]` before they check for the end of the text. So the first "
            "sequence after the wrap still starts from the last state. This port keeps that.",
            "`forward` records what autograd needs, separately in each clone.",
            "The position in the text moves by a whole sequence; Lua counts word by word.",
            "The mean is computed in double precision and becomes a Python number, which also "
            "waits for the GPU.",
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
            ("norm_dw = paramdx", "self . norm_dw = self . gradient_norm"),
            ("if model . norm_dw >", "if norm > max_grad_norm"),
            ("shrink_factor = params", "if norm > max_grad_norm"),
            ("paramdx : mul ( shrink_factor )", "paramdx . mul_ ( shrink )"),
            ("paramx : add", "paramx . add_"),
        ),
        (
            "In Torch7 each layer has its own `updateGradInput` and `accGradParameters`, and "
            "`backward` calls them in reverse order. Here autograd replays what `forward` "
            "recorded in reverse; no layer has its own backward pass.",
            "The clones share their parameters, so the gradients of all steps add up in "
            "`paramdx`. Therefore both programs first set it to zero.",
            "The gradient of the table `{x, y, s}` is a table, too. Its third part is `[3]` in "
            "Lua and `[2]` here. x and y are word ids and have no gradient.",
            "Lua counts `state.pos` down and up again; here the rows of the sequence are a slice.",
            "The norm is computed in double precision, as in Torch7, and block by block, which "
            "saves a copy of all gradients.",
            "The limit shortens the gradient and keeps its direction. The learning rate is an "
            "argument, since the schedule changes it; Lua changes `params.lr`.",
            "`has_diverged` and `shrink_factor` take numbers or, on a GPU, tensors, so that both "
            "engines follow the same rules.",
            "A norm that is infinite or NaN ends the run before it damages the parameters. Lua "
            "would continue.",
            "`cutorch.synchronize` needs no counterpart: PyTorch runs GPU operations in order and "
            "waits when a number is read.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_valid",),
        (validate, run_valid, evaluating),
        (
            ("run_valid ( )", "def run_valid ("),
            ('"Validation set perplexity : "', 'report_evaluation ( training , "valid"'),
            ("reset_state (", "model . reset_state ( state )"),
            ("g_disable_dropout (", "model . disable_dropout ( )"),
            ("len =", "length ="),
            ("for i =", "for _ in"),
            ("perp = perp +", "total += model"),
            ("g_enable_dropout (", "model . enable_dropout ( )"),
            ("perp / len", "return model . workers . total"),
        ),
        (
            "`len` is a fraction in both programs. The loop runs over whole sequences only, and "
            "the sum is divided by the fraction. The result is slightly too small, but "
            "comparable.",
            "`no_grad` saves the memory that a backward pass would need. `evaluating` turns "
            "dropout on again whatever happens inside the block.",
            "`on_read` lets a signal end the reading. Several processes that train together sum "
            "their shares in `workers.total`; one process has nothing to add.",
            "The function returns the loss in nats. `validate` prints its exponential, and keeps "
            "the parameters with the lowest loss so far; Lua keeps none.",
        ),
    ),
    Pair(
        "main.lua",
        ("run_test",),
        (test, run_test, evaluating, Model.read_words),
        (
            ("run_test ( )", "def run_test ("),
            ('"Test set perplexity : "', 'report_evaluation ( training , "test"'),
            ("reset_state (", "model . reset_state ( state )"),
            ("g_disable_dropout (", "model . disable_dropout ( )"),
            ("perp = 0", "total = torch"),
            ("( model . s [ 0 ] , model . start_s )", "state = self . zero_state"),
            ("for i =", "for i in"),
            ("x =", "err , state = self"),
            ("y =", "err , state = self"),
            ("forward (", "err , state = self"),
            ("perp = perp +", "total +="),
            ("( model . s [ 0 ] , model . s [ 1 ] )", "err , state = self"),
            ("g_enable_dropout (", "model . enable_dropout ( )"),
            ("perp / (", "return total"),
        ),
        (
            "Lua reads the text in equal columns, one for each text of a batch, since its buffers "
            "have that shape. Here one column gives the same result with less computation.",
            "The test uses the network that was cloned, not its first clone; they share their "
            "parameters.",
            "`read_words` is a generator that each engine has; other programs use it to read a "
            "text, too.",
            "`perp_tmp` is a global variable in Lua, like every variable without `local`.",
            "The sum stays on the device until the end, in double precision.",
        ),
    ),
    Pair(
        "main.lua",
        ("main",),
        (
            train,
            train_epochs,
            train_steps,
            steps_to_event,
            end_epoch,
            vars(Training)["epoch"].fget,
            Training.add_step,
            report,
        ),
        (
            ("main ( )", "def train ("),
            ("g_init_gpu (", "torch_device = pick_device"),
            ("{ data = transfer_data ( ptb . traindataset", "texts = text_states"),
            ("{ data = transfer_data ( ptb . validdataset", "texts = text_states"),
            ("{ data = transfer_data ( ptb . testdataset", "texts = text_states"),
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
            ("while epoch <", "if progress . step >="),
            ("perp = fp", "model . fp ("),
            ("if perps == nil", "if self . progress . step == 0"),
            ("perps = torch", "perps . fill_"),
            ("perps [", "self . perps [ self"),
            ("step = step + 1", "progress . step += 1"),
            ("bp ( state_train )", "model . bp ("),
            ("epoch = step", "return self . progress . step /"),
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
            ("run_valid ( )", "validate ( training , state_valid"),
            ("if epoch > params", "if training . epoch >"),
            ("params . lr = params", "progress . lr /="),
            ("run_test ( )", "test ( training"),
            ('"Training is over."', '"Training is over."'),
        ),
        (
            "The loop is the same, and it prints the same messages at the same steps. `train` "
            "prepares it and ends with the test; `train_epochs` is the loop.",
            "`Training` holds the variables of the loop, so that they can be saved and restored. "
            "A resumed run continues bit for bit.",
            "One training step is `fp` and `bp`. On a GPU, the program starts several steps, up to "
            "the next one whose result is needed, before it waits for them; `train_steps` then "
            "yields them all.",
            "`epoch` is the fraction `step / epoch_size` in both programs. The learning rate "
            "falls after each whole epoch above `max_epoch`.",
            "With fewer than 105 steps per epoch the original never reports; with fewer than five "
            "its divisor is 0, and Lua's `%` returns NaN. Here such a text has one report per "
            "epoch, at its end.",
            "In addition the loop saves at its start, every five minutes and after each epoch, and "
            "stops on a signal such as Ctrl-C or when the loss is not a number. Each is a function "
            "of the room `runs`. `end_epoch` comes first in the loop, so that a resumed training "
            "does what was still to be done after its last step.",
            "`collectgarbage` has no counterpart: Python frees a tensor when its last reference "
            "disappears.",
            "The command line reads the texts and the options before it calls this function.",
        ),
    ),
)
