"""The picture of a recurrence plan: a frame for each stage, a dashed wire for each delay."""

from __future__ import annotations

import os

import graphviz

from ..recurrent import Plan, Stage
from .files import write_files
from .styles import quoted


def plan_dot(
    plan: Plan, title: str | None = None, fname: str | os.PathLike[str] | None = None
) -> graphviz.Source:
    """Return the picture of `plan`, and write it to files if `fname` is given, as `dot` does.

    Raises:
        GraphError: the program ``dot`` is not installed.
    """
    lines = ["digraph plan {", "  rankdir=BT; compound=true; fontname=Helvetica;"]
    lines += [
        '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica, '
        "fontsize=10];"
    ]
    if title:
        lines.append(f"  label={quoted(title)}; labelloc=t;")
    inside = {i for stage in plan.stages for i in stage.ops}
    lines += [_node(plan, i) for i in range(len(plan.ops)) if i not in inside]
    for number, stage in enumerate(plan.stages):
        lines += _cluster(plan, number, stage)
    for i, op in enumerate(plan.ops):
        style = " [style=dashed, color=firebrick, constraint=false]" if op.kind == "state" else ""
        lines += [f"  {source} -> {i}{style};" for source in dict.fromkeys(op.sources())]
    drawing = graphviz.Source("\n".join([*lines, "}", ""]))
    if fname is not None:
        write_files(drawing, fname)
    return drawing


def _cluster(plan: Plan, number: int, stage: Stage) -> list[str]:
    colour = "#fdecea" if stage.loop else "#eaf3fd"
    kind = "step after step" if stage.loop else "all steps at once"
    return [
        f"  subgraph cluster_{number} {{",
        f"    label={quoted(f'stage {number}: {kind}')}; tooltip={quoted(stage.reason)};",
        f'    style="rounded,filled"; color="{colour}"; fontsize=11;',
        *(f"  {_node(plan, i)}" for i in stage.ops),
        "  }",
    ]


def _node(plan: Plan, i: int) -> str:
    op = plan.ops[i]
    shape = "" if op.kind == "module" else ", shape=ellipse"
    return f"  {i} [label={quoted(op.label())}{shape}];"
