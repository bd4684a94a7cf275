"""Names of Torch7, Lua and nngraph with their counterparts, and constructs without any."""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """A name in Lua, its counterpart in Python, and what differs, in Markdown."""

    lua: str
    python: str
    note: str = ""


class Construct(NamedTuple):
    """A Lua construct without a counterpart, and the reason."""

    lua: str
    note: str


NAMES: tuple[Name, ...] = (
    Name("nn.gModule", "nngraph.gModule", "also `nn.gModule`; lists instead of tables"),
    Name("nn.Identity", "nn.Identity"),
    Name("nn.Linear", "nn.Linear"),
    Name("nn.LookupTable", "nn.LookupTable", "word ids start at 0"),
    Name("nn.CAddTable", "nn.CAddTable"),
    Name("nn.CMulTable", "nn.CMulTable"),
    Name("nn.Reshape", "nn.Reshape"),
    Name("nn.SplitTable", "nn.SplitTable", "dimensions start at 0"),
    Name("nn.SelectTable", "nn.SelectTable", "indices start at 0"),
    Name("nn.Sigmoid", "nn.Sigmoid"),
    Name("nn.Tanh", "nn.Tanh"),
    Name("nn.Dropout", "nn.Dropout", "masks come from PyTorch's generator, or from Torch7's"),
    Name("nn.LogSoftMax", "nn.LogSoftMax"),
    Name("nn.ClassNLLCriterion", "nn.ClassNLLCriterion", "classes start at 0"),
    Name(":split", "nngraph.Node.split", "returns nodes for the parts of a node's table"),
    Name(":forward", "nn.Module.forward", "records the operations for `backward`"),
    Name(":backward", "nn.Module.backward", "uses autograd; same arguments"),
    Name(
        ":getParameters",
        "nn.Module.getParameters",
        "two flat tensors; weights are views of them",
    ),
    Name(":parameters", "nn.Module.parameters", "as in PyTorch: an iterator, without gradients"),
    Name(":apply", "nn.Module.apply", "as in PyTorch: children first"),
    Name("node.train =", "nn.Module.train", "a method, as in PyTorch; `evaluate` is the opposite"),
    Name(".__typename", "type", "the class itself"),
    Name(":cuda", "torch.Tensor.to", "`.to(device)`, for CPU and GPU"),
    Name(":size", "torch.Tensor.shape", "dimensions start at 0; `len(x)` is the first"),
    Name(":zero", "torch.Tensor.zero_", "in place, hence the `_`"),
    Name(":copy", "torch.Tensor.copy_", "in place, hence the `_`"),
    Name(":add", "torch.Tensor.add_", "in place; `add` without `_` returns a new tensor"),
    Name(":mul", "torch.Tensor.mul_", "in place; `mul` without `_` returns a new tensor"),
    Name(":uniform", "torch7_random.uniform_", "Torch7's generator; PyTorch's draws other numbers"),
    Name(":norm", "torch.linalg.vector_norm", "computed in the tensor's own precision"),
    Name(":mean", "torch.Tensor.mean", "returns a tensor; `.item()` converts it to a number"),
    Name(":sub", "torch.Tensor.narrow", "or a slice `x[a:b]`, which excludes b"),
    Name(":set", "torch.Tensor.set_", "not needed for clones here"),
    Name(":resize", "torch.Tensor.unsqueeze", "for adding a dimension, its only use here"),
    Name(":expand", "torch.Tensor.expand", "a view in both"),
    Name("torch.zeros", "torch.zeros", "single precision by default; double in Torch7"),
    Name("torch.ones", "torch.ones", "single precision by default; double in Torch7"),
    Name("torch.floor", "math.floor", "for numbers; `//` divides and rounds down"),
    Name("torch.round", "math.floor", "`math.floor(x + 0.5)`, since `round` rounds halves to even"),
    Name("torch.exp", "math.exp", "for numbers"),
    Name("torch.tic", "time.monotonic", "in seconds; a difference replaces `toc`"),
    Name("torch.manualSeed", "nngraph.manualSeed", "Torch7's generator, with the same numbers"),
    Name("cutorch.manualSeed", "torch.manual_seed", "PyTorch's generators on CPU and GPU"),
    Name("cutorch.setDevice", "torch.device", "devices are objects, numbered from 0"),
    Name("table.insert", "list.append"),
    Name("unpack", "tuple", "`a, b = values` unpacks a list"),
    Name("string.format", "format", 'usually an f-string, `f"{x:.3f}"`'),
    Name("stringx.replace", "str.replace"),
    Name("stringx.split", "str.split"),
    Name("file.read", "pathlib.Path.read_bytes", "decoded as UTF-8; Lua reads bytes"),
    Name("g_cloneManyTimes", "nngraph.clone_many_times"),
    Name("g_replace_table", "nested.copy"),
)

CONSTRUCTS: tuple[Construct, ...] = (
    Construct("pcall", "tries fbcunn, then cunn; PyTorch supports CPU and GPU by itself"),
    Construct("os.exit", "a function raises an error, which the command line reports"),
    Construct("deviceParams", "queries the properties of the GPU and is used nowhere"),
    Construct("torch.MemoryFile", "`copy.deepcopy` copies a network without serialising it"),
    Construct("collectgarbage", "Python frees a tensor when its last reference disappears"),
    Construct("cutorch.synchronize", "PyTorch waits when a number is read from the GPU"),
    Construct("string.match", "layers are recognised by class, not by name"),
    Construct("perp_tmp", "a global variable by oversight; Python variables are local by default"),
)
