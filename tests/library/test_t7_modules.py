"""Networks in Torch7 files: against what Torch7 computes with them, and written again."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import (
    DTYPES,
    GOLDEN,
    assert_close,
    default_dtype,
    evaluate_lua,
    exists,
    golden,
    golden_names,
    needs_golden,
    run_lua,
    value,
)

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nested, nn, t7

FOLDER = GOLDEN / "t7"
FILES = golden("t7", "index.json")["files"] if FOLDER.is_dir() else []
CHECKED = [file for file in FILES if "check" in file]


def write_and_read(module: Any, path: Path, format: str = "binary", **options: Any) -> Any:
    nngraph.save_t7(path, module, format, **options)
    return nngraph.load_t7(path, **options)


def from_zero(data: Any, how: str) -> Any:
    """The input of a check: words count from 0 here."""
    return [data[0] - 1, data[1] - 1, data[2]] if "[x, y" in how else data


@needs_golden
@pytest.mark.parametrize("format", ["binary", "ascii"])
@pytest.mark.parametrize("file", CHECKED, ids=lambda file: file["name"])
def test_computes_what_torch7_computes(file: dict[str, Any], format: str, tmp_path: Path) -> None:
    loaded = nngraph.load_t7(FOLDER / file[format])
    again = write_and_read(loaded, tmp_path / "again.t7", format)
    check = file["check"]
    for key, case in [(None, check)] if "how" in check else check.items():
        if not isinstance(case, dict) or "how" not in case:
            continue
        for table in (loaded, again):
            net = table if key is None else table[key]
            net.evaluate()
            output = net.forward(from_zero(value(case["input"]), case["how"]))
            assert_close(output, value(case["output"]), what=file["name"])


@needs_golden
def test_the_models_copies_share_parameters_and_train() -> None:
    model = nngraph.load_t7(FOLDER / "model_table.t7")
    core, first = model["core_network"], model["rnns"][0]
    shared = zip(core.parameters(), first.parameters(), strict=True)
    assert all(mine.data_ptr() == theirs.data_ptr() for mine, theirs in shared)
    assert list(model["s"]) == [0, 1, 2]
    before = [p.detach().clone() for p in core.parameters()]
    err, *_ = core.forward([torch.tensor([1, 2]), torch.tensor([3, 4]), model["start_s"]])
    core.zeroGradParameters()
    core.backward(
        [torch.tensor([1, 2]), torch.tensor([3, 4]), model["start_s"]],
        [torch.ones(1), [torch.zeros_like(s) for s in model["start_s"]]],
    )
    core.updateParameters(0.5)
    assert err.isfinite().all()
    assert not all(torch.equal(a, b) for a, b in zip(before, first.parameters(), strict=True))
    assert "ClassNLLCriterion" in str(core.dot())


@needs_golden
def test_files_without_buffers_and_shared_modules() -> None:
    linear = nngraph.load_t7(FOLDER / "linear_bare.t7")
    assert linear.forward(torch.ones(2, 3).double()).shape == (2, 2)
    net = nngraph.load_t7(FOLDER / "shared_modules.t7")
    first, clone, again = net.members()
    assert first is again
    assert first is not clone
    assert first.weight is clone.weight
    clear = nngraph.load_t7(FOLDER / "model_table_clear.t7")["core_network"]
    assert isinstance(clear, nngraph.gModule)


# Every layer and every graph: written, read, and the same


CASES = [
    pytest.param(case, id=f"{name}-{i}")
    for name in golden_names("modules")
    for i, case in enumerate(golden("modules", f"{name}.json")["cases"])
]


def fields_of(module: torch.nn.Module) -> dict[str, Any]:
    plain = (int, float, str, bool, tuple, list, type(None))
    return {k: v for k, v in vars(module).items() if k[:1] != "_" and isinstance(v, plain)}


@needs_golden
@pytest.mark.parametrize("case", CASES)
def test_every_layer_there_and_back(case: dict[str, Any], tmp_path: Path) -> None:
    with default_dtype(DTYPES[case["tensor_type"]]):
        nngraph.manualSeed(case["seed"])
        module = evaluate_lua(case["new"])
        state = nngraph.torch7_random.getRNGState()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = write_and_read(module, tmp_path / "m.t7")
        assert nngraph.torch7_random.getRNGState() == state  # nothing was drawn
        assert str(again) == str(module)
        assert fields_of(again) == fields_of(module)
        data = value(case["input"])
        if case["new"].startswith("nn.LookupTable"):
            data = data - 1
        if "target" in case:
            target = value(case["target"])
            target = target - 1 if module.counts_from_one.target else target
            assert_close(again.forward(data, target), module.forward(data, target).detach(), 0.0)
            return
        outputs = []
        for m in (module, again):
            nngraph.manualSeed(1)
            with nngraph.reference_mode():
                outputs.append(nested.leaves(m.forward(copy.deepcopy(data))))
        for a, b in zip(*outputs, strict=True):
            assert torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


GRAPHS = [
    name for name in golden_names("graphs") if exists(golden("graphs", f"{name}.json")["code"])
]


@needs_golden
@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_is_written_as_torch7_keeps_it(name: str, tmp_path: Path) -> None:
    case = golden("graphs", f"{name}.json")
    with default_dtype(DTYPES[case["tensor_type"]]):
        nngraph.manualSeed(case["seed"])
        g = run_lua(case["code"])["g"]
        again = write_and_read(g, tmp_path / "g.t7")
        written = t7.load(tmp_path / "g.t7")
        nodes = written["forwardnodes"]
        place = {id(node["data"]): i for i, node in enumerate(nodes, 1)}
        theirs = case["graph"]["forwardnodes"]
        assert [node["id"] for node in nodes] == [n["fg_id"] for n in theirs]
        for node, expected in zip(nodes, theirs, strict=True):
            children = [place[id(child["data"])] for child in numbered(node["children"])]
            sources = [place[id(source)] for source in numbered(node["data"]["mapindex"])]
            assert children == expected["children"]
            assert sources == expected["inputs_in_order"]
            assert node["data"].get("nSplitOutputs") == expected.get("nSplitOutputs")
            assert node["data"].get("selectindex") == expected.get("selectindex")
            assert node["data"]["annotations"].get("name") == expected.get("name")
        if name != "gmodule_in_sequential":  # whose input is that of the Sequential
            data = nested.map_leaves(classes_from_zero, value(case["steps"][0]["input"]))
            g.evaluate()
            again.evaluate()
            for a, b in zip(*(nested.leaves(x.forward(data)) for x in (g, again)), strict=True):
                assert torch.equal(a, b)
        shapes = [p.shape for p in g.parameters()]
        assert [p.shape for p in again.parameters()] == shapes


def classes_from_zero(x: torch.Tensor) -> torch.Tensor:
    """The indices and classes of golden graphs are their only whole numbers."""
    return x - 1 if torch.equal(x, x.round()) else x


def numbered(table: Any) -> list[Any]:
    if isinstance(table, list):
        return table
    return [table[i] for i in range(1, len(table) // 2 + 1)]


@needs_golden
def test_fields_of_written_layers_are_those_of_torch7(tmp_path: Path) -> None:
    # Fresh networks as Torch7 wrote them, and the same networks written by us.
    for name in ("mlp_fresh.t7", "gmodule_fresh.t7", "lstm_lm.t7"):
        theirs = t7.load(FOLDER / name)
        nngraph.save_t7(tmp_path / name, nngraph.load_t7(FOLDER / name))
        ours = t7.load(tmp_path / name)
        for a, b in zip(theirs["modules"], ours["modules"], strict=True):
            assert a.class_name == b.class_name
            assert a.version == b.version
            assert set(a.fields) <= set(b.fields)
            for field, content in a.fields.items():
                if isinstance(content, (int, float, str, bool)):
                    assert b[field] == content, (a, field)
                elif isinstance(content, t7.T7Storage) and field == "size":
                    assert b[field].tolist() == content.tolist()


# Indices, old versions, unknown classes


def test_indices_count_from_one_in_the_file(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Narrow(1, 2, 3), nn.Transpose([0, 1]), nn.LookupTable(4, 2, 3))
    nngraph.save_t7(tmp_path / "m.t7", net)
    narrow, transpose, table = t7.load(tmp_path / "m.t7")["modules"]
    assert (narrow["dimension"], narrow["index"], narrow["length"]) == (2, 3, 3)
    assert transpose["permutations"] == [[1, 2]]
    assert table["paddingValue"] == 4
    again = nngraph.load_t7(tmp_path / "m.t7")
    assert again.get(0).index == 2
    assert again.get(1).permutations == [(0, 1)]
    assert again.get(2).paddingValue == 3


def old(name: str, fields: dict[str, Any], version: int = 1) -> Any:
    return nngraph.load_t7(t7.dumps(t7.T7Object(name, fields, version)))


def test_old_versions() -> None:
    fields = {"running_mean": torch.zeros(2), "running_std": torch.tensor([0.5, 2.0]), "eps": 0.5}
    norm = old("nn.BatchNormalization", fields)
    assert torch.allclose(norm.running_var, torch.tensor([3.5, -0.25]))
    assert norm.weight is None
    assert old("nn.GradientReversal", {}, 1).lambda_ == 1
    assert old("nn.Dropout", {"p": 0.25}).v2 is False  # before there was a version 2
    sizes = {"nInputPlane": 1, "nOutputPlane": 2, "kW": 3, "kH": 3, "dW": 1, "dH": 1, "padding": 1}
    weights = {"weight": torch.ones(2, 9), "bias": torch.zeros(2)}
    conv = old("nn.SpatialConvolution", sizes | weights)
    assert conv.forward(torch.ones(1, 4, 4)).shape == (2, 4, 4)
    assert old("cudnn.ReLU", {"inplace": True, "mode": "x"}).inplace
    pool = old("nn.SpatialMaxPooling", {"kW": 2, "kH": 2, "dW": 2, "dH": 2, "ceil_mode": True})
    assert pool.ceil_mode


def test_unknown_classes() -> None:
    layers = [t7.T7Object("nn.Tanh"), t7.T7Object("my.Layer", {"k": 2})]
    table = {
        "net": t7.T7Object("nn.Sequential", {"modules": layers}),
        "other": t7.T7Object("torch.Timer"),
        "odd": t7.T7Object("nn.Tanh", {"odd": {}}),
    }
    raw = t7.dumps(table)
    with pytest.warns(UserWarning, match="without a counterpart") as warned:
        loaded = nngraph.load_t7(raw)
    assert len(warned) == 1
    message = str(warned[0].message)
    assert ".net.modules[2], my.Layer: kept as a Placeholder" in message
    assert ".other, torch.Timer: kept as a T7Object" in message
    assert ".odd, nn.Tanh: the field 'odd' was left out" in message
    with pytest.raises(GraphError, match=r"my\.Layer .* has no counterpart here"):
        loaded["net"].forward(torch.ones(2))
    loaded["net"].replace(lambda m: nn.Abs() if isinstance(m, nngraph.Placeholder) else m)
    assert loaded["net"].forward(torch.ones(2)).shape == (2,)
    classes = {"my.Layer": lambda o: nn.MulConstant(o["k"]), "torch.Timer": lambda o: nn.Tanh()}
    with pytest.warns(UserWarning, match="odd"):
        own = nngraph.load_t7(raw, classes=classes)
    assert own["net"].get(1).constant_scalar == 2
    plain = nngraph.load_t7(raw, modules=False)
    assert plain["net"]["modules"][1]["k"] == 2
    assert t7.dumps(plain) == raw


class Own(nn.Module):
    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        return input + 1


def test_own_layers_are_written_by_a_function(tmp_path: Path) -> None:
    net = nn.Sequential(Own())
    with pytest.raises(t7.T7Error, match="Own has no class in Torch7"):
        nngraph.save_t7(tmp_path / "m.t7", net)
    assert not list(tmp_path.iterdir())
    nngraph.save_t7(tmp_path / "m.t7", net, classes={Own: lambda m: t7.T7Object("my.Own")})
    again = nngraph.load_t7(tmp_path / "m.t7", classes={"my.Own": lambda o: Own()})
    assert again.forward(torch.zeros(1)) == 1
    with pytest.raises(t7.T7Error, match="bfloat16"):
        nngraph.save_t7(tmp_path / "m.t7", nn.Linear(1, 1).bfloat16())


def test_a_list_of_one_node_is_written_for_torch7(tmp_path: Path) -> None:
    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.JoinTable(0)([x])])
    nngraph.save_t7(tmp_path / "g.t7", g)
    names = [m.class_name for m in t7.load(tmp_path / "g.t7")["modules"]]
    assert names == ["nn.Identity", "nn.Sequential"]  # JustTable, then JoinTable
    assert nngraph.load_t7(tmp_path / "g.t7").forward(torch.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("nn.Linear", {}, "no tensor weight"),
        ("nn.Linear", {"weight": torch.ones(1).expand(2**20, 2**20)}, "fewer elements"),
        ("nn.PReLU", {"nOutputPlane": 2**40, "weight": torch.ones(1)}, "fewer elements"),
        ("nn.Linear", {"weight": torch.ones(2, 3, dtype=torch.int64)}, "float tensor"),
        ("nn.Select", {"dimension": 0, "index": 1}, "Torch7 counts from 1"),
        ("nn.Sequential", {"modules": [3]}, "expecting a module"),
        ("nn.Sequential", {"modules": "x"}, "no list"),
        ("nn.ClassSimplexCriterion", {"nClasses": 10**9}, "no field simplex"),
        ("nn.gModule", {}, "a node has no data"),
        ("nn.Dropout", {"p": "no"}, "its fields do not fit .*: p = 'no'"),
        ("nn.SpatialConvolution", {"nInputPlane": 2**31, "nOutputPlane": 2**31, "kW": 9, "kH": 9,
                                   "dW": 1, "dH": 1}, "SpatialConvolution"),
    ],
)  # fmt: skip
def test_objects_that_make_no_module(name: str, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(t7.T7Error, match=problem) as error:
        nngraph.load_t7(t7.dumps({"net": [t7.T7Object(name, fields)]}))
    assert error.value.path.startswith(".net[1]")
    assert error.value.offset is not None


def test_an_error_in_a_module_names_the_file(tmp_path: Path) -> None:
    t7.save(tmp_path / "bad.t7", [t7.T7Object("nn.Linear")])
    with pytest.raises(t7.T7Error, match=r"bad\.t7, byte \d+, at \[1\]: nn.Linear has no"):
        nngraph.load_t7(tmp_path / "bad.t7")


def test_modules_that_contain_themselves_or_are_too_deep() -> None:
    inner = t7.T7Object("nn.Sequential")
    inner.fields = {"modules": [inner]}
    with pytest.raises(t7.T7Error, match="contains itself"):
        nngraph.load_t7(t7.dumps(inner))
    deep = t7.T7Object("nn.Tanh")
    for _ in range(1000):
        deep = t7.T7Object("nn.Sequential", {"modules": [deep]})
    with pytest.raises(t7.T7Error, match="more than 100 levels"):
        nngraph.load_t7(t7.dumps(deep))
