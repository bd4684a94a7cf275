"""Graphviz for graph.dot and graph.graphvizLayout."""

from __future__ import annotations

import json
from typing import Any

import graphviz


def render(source: str, kind: str, engine: str = "dot") -> str:
    """Return the picture of a graph in Graphviz's language, as text: "svg" or "dot"."""
    try:
        data: bytes = graphviz.Source(source, engine=engine).pipe(format=kind)
    except graphviz.ExecutableNotFound:
        raise RuntimeError(
            "pictures need Graphviz's program dot: apt-get install graphviz"
        ) from None
    return data.decode("utf-8").encode("utf-8").decode("latin-1")


def layout(source: str, engine: str, count: int) -> list[list[float]]:
    """Return the places of the nodes 1..count, each in the unit square."""
    drawn: dict[str, Any] = json.loads(
        graphviz.Source(source, engine=engine).pipe(format="json").decode("utf-8")
    )
    left, bottom, width, height = map(float, drawn["bb"].split(","))
    places = [[0.0, 0.0] for _ in range(int(count))]
    for item in drawn.get("objects", []):
        if "pos" in item and item["name"].startswith("n"):
            x, y = map(float, item["pos"].split(","))
            number = int(item["name"][1:])
            places[number - 1] = [(x - left) / width, (y - bottom) / height]
    return places
