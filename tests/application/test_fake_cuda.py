"""The CUDA path on tensors without values: PyTorch's fake tensors, with "cuda" as their device.

No CUDA device is needed. A fake tensor knows its shape, dtype and device only, so an operation on
tensors of two devices fails, and so does whoever asks for a value. What this does not test are the
numbers, the kernels and the capture of a CUDA graph.
"""

from __future__ import annotations

import copy
import ctypes
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import pygraph_nn as nngraph
from pygraph_nn import nested
from zaremba_port import Settings, create_network
from zaremba_port.engines.device_queue import DeviceQueue
from zaremba_port.engines.fast import FastModel
from zaremba_port.language_model import TextState
from zaremba_port.runs import Training, checkpoint, save
from zaremba_port.runs.checkpoint import copy_tensors

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")

CUDA, META = 1, 14  # c10::DeviceType


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """Create fake tensors in the test, and let PyTorch take "cuda" for a device."""
    name = "_ZN3c104impl26device_guard_impl_registryE"
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    try:
        guards = (ctypes.c_void_p * 21).in_dll(library, name)
    except ValueError:
        pytest.skip("this build of PyTorch does not export its device guards")
    before = guards[CUDA]
    if not torch.cuda.is_available():
        guards[CUDA] = guards[META]  # switching between devices does nothing there
    # The engine of autograd asks the driver for the streams of a device.
    monkeypatch.setattr(torch.autograd, "backward", backward_by_hand)
    try:
        with FakeTensorMode():
            yield torch.device("cuda", 0)
    finally:
        guards[CUDA] = before


@torch.no_grad()
def backward_by_hand(outputs: Sequence[torch.Tensor], grads: Sequence[torch.Tensor]) -> None:
    """Go back through autograd's graph, node by node."""
    waiting: dict[Any, int] = defaultdict(int)  # how many uses of a node have not come back yet
    found: dict[Any, None] = dict.fromkeys(output.grad_fn for output in outputs)
    for node in (nodes := list(found)):
        for following, _ in node.next_functions:
            if following is not None:
                waiting[following] += 1
                if following not in found:
                    found[following] = None
                    nodes.append(following)
    arrived: dict[Any, dict[int, torch.Tensor]] = defaultdict(dict)

    def arrive(node: Any, number: int, grad: torch.Tensor | None) -> None:
        if grad is not None:
            before = arrived[node].get(number)
            arrived[node][number] = grad if before is None else before + grad

    for output, grad in zip(outputs, grads, strict=True):
        arrive(output.grad_fn, output.output_nr, grad)
    ready = [node for node in nodes if not waiting[node]]
    while ready:
        node = ready.pop()
        for (following, number), grad in zip(
            node.next_functions, run(node, arrived.pop(node, {})), strict=False
        ):
            if following is None:
                continue
            arrive(following, number, grad)
            waiting[following] -= 1
            if not waiting[following]:
                ready.append(following)


def run(node: Any, grads: dict[int, torch.Tensor]) -> Sequence[torch.Tensor | None]:
    """Return the gradients of a node's inputs; a leaf gets its gradient."""
    if hasattr(node, "variable"):
        if grads:
            leaf = node.variable
            leaf.grad = grads[0] if leaf.grad is None else leaf.grad + grads[0]
        return ()
    if not grads:
        return [None] * len(node.next_functions)
    call = node if callable(node) else node.apply  # of torch.autograd.Function
    results = call(*(grads.get(i) for i in range(len(node._input_metadata))))
    return results if isinstance(results, tuple) else (results,)


def fake_network(settings: Settings, device: torch.device, **options: Any) -> Any:
    """Return the network with fake parameters on `device`."""
    network = copy.deepcopy(create_network(settings, **options))  # outside flat tensors
    for module in network.modules():
        for name, value in module._parameters.items():
            if value is not None:
                empty = torch.empty(value.shape, device=device)
                module._parameters[name] = torch.nn.Parameter(empty)
    return network


@pytest.fixture
def settings(tiny: Settings) -> Settings:
    return tiny.with_changes({"dropout": 0.3, "dtype": "float32"})


def test_backward_by_hand_is_backward() -> None:
    x, y = (torch.randn(3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    grads = []
    for backward in (torch.autograd.backward, backward_by_hand):
        x.grad = y.grad = None
        h = x @ y
        a, b = (h.tanh() + x * h).unbind(0)[:2]
        backward([a, b.exp()], [torch.ones(3).double(), torch.arange(3).double()])
        grads.append((x.grad, y.grad))
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_training_steps(settings: Settings, cuda: torch.device, cell: str, precision: str) -> None:
    settings = settings.with_changes({"cell": cell})
    model = FastModel(fake_network(settings, cuda), settings, precision=precision)
    queue = model.queue
    assert isinstance(queue, DeviceQueue)
    queue._step = queue._whole_step  # type: ignore[assignment]  # there is no graph to capture
    text = TextState(torch.zeros(40, settings.batch_size, dtype=torch.long, device=cuda))
    for _ in range(9):
        queue.start(text, 1.0)
    assert text.pos == 10
    assert {x.device for x in [model.paramx, model.paramdx, model.err]} == {cuda}
    with pytest.raises(DataDependentOutputException):
        queue.collect()


def test_a_save_between_two_queues(
    settings: Settings, cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that is saved is on the CPU, the generator of the device included."""
    model = FastModel(fake_network(settings, cuda), settings)
    queue = model.queue
    assert isinstance(queue, DeviceQueue)
    queue._step = queue._whole_step  # type: ignore[assignment]  # there is no graph to capture
    text = TextState(torch.zeros(40, settings.batch_size, dtype=torch.long, device=cuda))
    for _ in range(3):
        queue.start(text, 1.0)
    saves: list[checkpoint.Saved] = []

    class Run:
        def save_last(self, saved: checkpoint.Saved, **options: bool) -> None:
            saves.append(saved)

    state = torch.zeros(16, dtype=torch.uint8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: state)
    monkeypatch.setattr(torch, "get_rng_state", lambda: state)
    monkeypatch.setattr(torch, "frombuffer", lambda data, dtype: state)
    training = Training(Run(), model, text, print, print)  # type: ignore[arg-type]
    training.progress.step = 3
    save(training)
    (saved,) = saves
    assert saved.progress.pos == 15
    assert {"cuda_rng", "torch_rng", "torch7_rng", "start_s.0", "perps"} <= saved.buffers.keys()
    tensors = checkpoint._storable({**saved.parameters, **saved.buffers})
    assert {tensor.device.type for tensor in tensors.values()} == {"cpu"}


def test_mixed_devices_are_noticed(settings: Settings, cuda: torch.device) -> None:
    model = FastModel(fake_network(settings, cuda), settings)
    shape = settings.seq_length + 1, settings.batch_size
    words = torch.zeros(shape, dtype=torch.long, device=cuda)
    model.s[0] = [torch.zeros(x.shape) for x in model.s[0]]
    with pytest.raises((RuntimeError, nngraph.GraphError), match=r"device"):
        model.forward(words)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("batch", [1, 4])
def test_evaluation(settings: Settings, cuda: torch.device, cell: str, batch: int) -> None:
    settings = settings.with_changes({"cell": cell})
    model = FastModel(fake_network(settings, cuda), settings)
    model.core_network.evaluate()
    data = torch.zeros(31, batch, dtype=torch.long, device=cuda)
    steps = 0
    for losses, state in model.read_words(data):
        assert {losses.device, *(x.device for x in nested.leaves(state))} == {cuda}
        steps += len(losses)
    assert steps == 30


def test_resume(settings: Settings, cuda: torch.device) -> None:
    saved = fake_network(settings, torch.device("cpu"))
    network = fake_network(settings, cuda)
    model = FastModel(network, settings)
    copy_tensors(network, dict(saved.state_dict()), Path("run"))
    assert {p.device for p in model.core_network.parameters()} == {cuda}
    model.forward(
        torch.zeros(settings.seq_length + 1, settings.batch_size, dtype=torch.long, device=cuda)
    )


def test_completion(settings: Settings, cuda: torch.device) -> None:
    network = fake_network(settings, cuda, predictions=True).evaluate()
    state = [torch.zeros(3, settings.rnn_size, device=cuda) for _ in range(2 * settings.layers)]
    words = torch.zeros(3, dtype=torch.long, device=cuda)
    with torch.inference_mode():
        for _ in range(3):
            _, state, log_p = network.forward([words, words, state])
            words = log_p.argmax(1)
    assert log_p.shape == (3, settings.vocab_size)
    assert {words.device, log_p.device, *(x.device for x in state)} == {cuda}
