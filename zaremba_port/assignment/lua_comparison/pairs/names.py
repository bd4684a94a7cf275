"""Names of Torch7, Lua and nngraph beside ours; constructs of the program that nothing matches."""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """A name of theirs, ours, and what differs; code in `note` stands between backticks."""

    lua: str
    python: str
    note: str = ""


class Construct(NamedTuple):
    """A piece of Lua code that has no counterpart, and why."""

    lua: str
    note: str


NAMES: tuple[Name, ...] = (
    Name("nn.gModule", "nngraph.gModule", "also `nn.gModule`; lists in the place of tables"),
    Name("nn.Identity", "nn.Identity"),
    Name("nn.Linear", "nn.Linear"),
    Name("nn.LookupTable", "nn.LookupTable", "words are counted from 0"),
    Name("nn.CAddTable", "nn.CAddTable"),
    Name("nn.CMulTable", "nn.CMulTable"),
    Name("nn.Reshape", "nn.Reshape"),
    Name("nn.SplitTable", "nn.SplitTable", "dimensions are counted from 0"),
    Name("nn.SelectTable", "nn.SelectTable", "places are counted from 0"),
    Name("nn.Sigmoid", "nn.Sigmoid"),
    Name("nn.Tanh", "nn.Tanh"),
    Name("nn.Dropout", "nn.Dropout", "masks come from PyTorch's generator, or from Torch7's"),
    Name("nn.LogSoftMax", "nn.LogSoftMax"),
    Name("nn.ClassNLLCriterion", "nn.ClassNLLCriterion", "classes are counted from 0"),
    Name(":split", "nngraph.Node.split", "of a node: the parts of its table"),
    Name(":forward", "nn.Module.forward", "records for `backward`"),
    Name(":backward", "nn.Module.backward", "runs autograd; the arguments are the same"),
    Name(":getParameters", "nn.Module.getParameters", "two flat tensors which the weights view"),
    Name(":parameters", "nn.Module.parameters", "as in PyTorch: a generator, without gradients"),
    Name(":apply", "nn.Module.apply", "as in PyTorch: the children come first"),
    Name("node.train =", "nn.Module.train", "a method, as in PyTorch; `evaluate` is its opposite"),
    Name(".__typename", "type", "the class itself"),
    Name(":cuda", "torch.Tensor.to", "`.to(device)`, on a CPU as well"),
    Name(":size", "torch.Tensor.shape", "dimensions from 0; `len(x)` for the first"),
    Name(":zero", "torch.Tensor.zero_", "in place, hence the `_`"),
    Name(":copy", "torch.Tensor.copy_", "in place, hence the `_`"),
    Name(":add", "torch.Tensor.add_", "in place; `add` without `_` gives a new tensor"),
    Name(":mul", "torch.Tensor.mul_", "in place; `mul` without `_` gives a new tensor"),
    Name(":uniform", "torch7_random.uniform_", "Torch7's generator; PyTorch's draws other numbers"),
    Name(":norm", "torch.linalg.vector_norm", "sums in the tensor's own precision"),
    Name(":mean", "torch.Tensor.mean", "gives a tensor; `.item()` makes it a number"),
    Name(":sub", "torch.Tensor.narrow", "or a slice, `x[a:b]`, whose end is excluded"),
    Name(":set", "torch.Tensor.set_", "not needed for clones here"),
    Name(":resize", "torch.Tensor.unsqueeze", "here, where it adds a dimension"),
    Name(":expand", "torch.Tensor.expand", "a view in both"),
    Name("torch.zeros", "torch.zeros", "single precision unless told; Torch7 has doubles"),
    Name("torch.ones", "torch.ones", "likewise"),
    Name("torch.floor", "math.floor", "of a number; `//` divides and rounds down"),
    Name("torch.round", "math.floor", "`math.floor(x + 0.5)`: `round` takes halves to even"),
    Name("torch.exp", "math.exp", "of a number"),
    Name("torch.tic", "time.monotonic", "in seconds; a difference takes the place of `toc`"),
    Name("torch.manualSeed", "nngraph.manualSeed", "Torch7's generator, the same numbers"),
    Name("cutorch.manualSeed", "torch.manual_seed", "PyTorch's generators, CPU and GPU"),
    Name("cutorch.setDevice", "torch.device", "devices are values, counted from 0"),
    Name("table.insert", "list.append"),
    Name("unpack", "tuple", "`a, b = values` takes a list apart"),
    Name("string.format", "format", 'mostly an f-string, `f"{x:.3f}"`'),
    Name("stringx.replace", "str.replace"),
    Name("stringx.split", "str.split"),
    Name("file.read", "pathlib.Path.read_bytes", "decoded as UTF-8; bytes in Lua"),
    Name("g_cloneManyTimes", "nngraph.clone_many_times"),
    Name("g_replace_table", "nested.copy"),
)

CONSTRUCTS: tuple[Construct, ...] = (
    Construct("pcall", "tries fbcunn, then cunn: one PyTorch serves CPU and GPU"),
    Construct("os.exit", "the program ends with an error, which the command line reports"),
    Construct("deviceParams", "asks what the GPU can do, and is used nowhere"),
    Construct("torch.MemoryFile", "a network is copied with `copy.deepcopy`, not written and read"),
    Construct("collectgarbage", "Python frees a tensor when nobody holds it any more"),
    Construct("cutorch.synchronize", "PyTorch waits by itself when a number is read from the GPU"),
    Construct("string.match", "a layer is recognised by its class, not by its name"),
    Construct("perp_tmp", "a global variable by oversight; Python's are local unless declared"),
)
