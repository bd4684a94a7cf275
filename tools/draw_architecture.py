"""Draw the rooms of both packages, and who imports whom, as docs/pictures/architecture.svg.

    python tools/draw_architecture.py [--check]

Graphviz computes the places; this program writes the SVG. Every box and arrow has attributes that
say what it shows, and ``--check`` compares them with the source. The check needs no Graphviz, and
another version of it, which places boxes elsewhere, makes no difference.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import graphviz

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for a run as a program

from tools.architecture import Architecture, Arrow, Room, is_inside, read_architecture
from tools.drawn_architecture import differences, drawn_in
from tools.imports import APPLICATION, FLOORS, LIBRARY, ROOT, House

PICTURE = ROOT / "docs" / "pictures" / "architecture.svg"
TITLES = {
    LIBRARY: "the library: graphs of modules, on PyTorch",
    APPLICATION: "the application: Zaremba's language model",
}

# Lengths are in points, Graphviz's unit; the SVG takes them for pixels.
BOX_WIDTH, BOX_HEIGHT = 204, 86
LINE, COLUMNS, LINES = 13.5, 31, 4  # of the description in a box
FRAME_LABEL, FRAME_DROP = 44, 10  # space for a frame's text, and above it for arrowheads
MARGIN, GAP, HEAD, FOOT = 24, 70, 56, 44

Point = tuple[float, float]

STYLE = """
text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; }
.paper, .room rect { fill: #ffffff; }
.package { fill: #f6f8fa; stroke: #d0d7de; rx: 10px; }
.package-name { font-size: 19px; font-weight: 700; }
.package-title { font-size: 14px; font-weight: 400; fill: #57606a; }
.outline { fill: #fbfcfd; stroke-width: 1.2; stroke-dasharray: 2 3; rx: 8px; }
.room rect { stroke-width: 1.4; rx: 6px; }
.pygraph_nn .outline, .pygraph_nn .room rect { stroke: #1f6feb; }
.zaremba_port .outline, .zaremba_port .room rect { stroke: #b35900; }
.frame text { paint-order: stroke; stroke: #fbfcfd; stroke-width: 5px; }
.name { font-size: 13.5px; font-weight: 700; }
.files { font-size: 10.5px; fill: #57606a; text-anchor: end; }
.about, .legend { font-size: 11px; fill: #3d4752; }
.mark { fill: #1f6feb; }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.2; marker-end: url(#head); }
.shows { stroke: #8250df; stroke-dasharray: 5 3; marker-end: url(#shows-head); }
.uses { fill: none; stroke: #1f6feb; stroke-width: 4; marker-end: url(#uses-head); }
.uses-text { font-size: 12px; font-weight: 700; fill: #1f6feb; text-anchor: middle; }
""".strip()
HEADS = (("head", "#57606a", 7), ("shows-head", "#8250df", 7), ("uses-head", "#1f6feb", 3.5))
MARKER = (
    '<marker id="{}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="{size}" '
    'markerHeight="{size}" orient="auto"><path d="M0 0L8 4L0 8z" fill="{}"/></marker>'
)


def draw(architecture: Architecture) -> str:
    """Return the SVG: both packages side by side, their lowest floors on one line."""
    layouts = [Layout(architecture, package) for package in FLOORS]
    tallest = max(layout.height for layout in layouts)
    width = sum(layout.width for layout in layouts) + GAP * (len(layouts) - 1) + 2 * MARGIN
    height = HEAD + tallest + FOOT
    body: list[str] = []
    left = float(MARGIN)
    for layout in layouts:
        body.append(f'<g class="{layout.package}" transform="translate({left:.1f} 0)">')
        body += layout.svg(HEAD + tallest)
        body.append("</g>")
        left += layout.width + GAP
    body += _relation(MARGIN + layouts[0].width)
    body += _legend(MARGIN, height - 16)
    markers = "".join(MARKER.format(name, color, size=size) for name, color, size in HEADS)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-labelledby="title">',
        '<title id="title">The rooms of pygraph_nn and zaremba_port, and their imports</title>',
        f"<style>\n{STYLE}\n</style>",
        f"<defs>{markers}</defs>",
        f'<rect class="paper" width="{width:.0f}" height="{height:.0f}"/>',
        *body,
        "</svg>\n",
    ])  # fmt: skip


class Layout:
    """The boxes, frames and arrows of one package, placed by Graphviz.

    Attributes:
        width, height: of the whole, in points.
    """

    def __init__(self, architecture: Architecture, package: str) -> None:
        self.package = package
        self.rooms = {room.name: room for room in architecture.rooms if room.package == package}
        self.arrows = [arrow for arrow in architecture.arrows if arrow.source in self.rooms]
        data = json.loads(self._source().pipe(format="json", encoding="utf-8"))
        _, _, right, self._top = map(float, data["bb"].split(","))
        self.width, self.height = right + 2 * MARGIN, self._top + 2 * MARGIN
        self.places: dict[str, Point] = {}  # the middle of each box
        self.frames: dict[str, tuple[Point, Point]] = {}  # left top, right bottom
        for item in data["objects"]:
            if "pos" in item:
                self.places[item["name"]] = self._point(item["pos"])
            else:
                left, low, right, high = item["bb"].split(",")
                x, y = self._point(f"{left},{high}")
                self.frames[item["room"]] = (x, y + FRAME_DROP), self._point(f"{right},{low}")
        curves = {
            edge["arrow"]: self._curve(edge["pos"]) for edge in data["edges"] if "arrow" in edge
        }
        self.curves = [curves[str(number)] for number in range(len(self.arrows))]

    def _source(self) -> graphviz.Digraph:
        source = graphviz.Digraph(
            graph_attr={"ranksep": "0.42", "nodesep": "0.28", "compound": "true"},
            node_attr={
                "shape": "box",
                "fixedsize": "true",
                "width": f"{BOX_WIDTH / 72}",
                "height": f"{BOX_HEIGHT / 72}",
                "label": "",
            },
        )
        for name, room in self.rooms.items():
            if not room.is_frame:
                source.node(name)
                continue
            with source.subgraph(name=f"cluster_{name}") as frame:
                frame.attr(label=" ", fontsize=str(FRAME_LABEL), margin="12", room=name)
                for inner in self._inside(name):
                    frame.node(inner)
                # Two in a row, so that the picture stays narrow.
                tops = self._tops(name)
                for above, below in zip(tops, tops[2:], strict=False):
                    frame.edge(above, below, style="invis")
        for number, arrow in enumerate(self.arrows):
            tail, head = self.rooms[arrow.source], self.rooms[arrow.target]
            source.edge(
                self._inside(tail.name)[0] if tail.is_frame else tail.name,
                self._inside(head.name)[-1] if head.is_frame else head.name,
                ltail=f"cluster_{tail.name}" if tail.is_frame else "",
                lhead=f"cluster_{head.name}" if head.is_frame else "",
                constraint="false" if arrow.only_shows else "true",
                arrow=str(number),
            )
        return source

    def _inside(self, frame: str) -> list[str]:
        """Return the rooms inside a frame, lowest floor first."""
        return [name for name in self.rooms if is_inside(name, frame)]

    def _tops(self, frame: str) -> list[str]:
        """Return the rooms inside a frame that no other one there imports, highest floor first."""
        inside = self._inside(frame)
        imported = {arrow.target for arrow in self.arrows if arrow.source in inside}
        return [name for name in reversed(inside) if name not in imported]

    def _point(self, text: str) -> Point:
        """Convert a point of Graphviz, whose y grows upwards, to a point inside this package."""
        x, y = map(float, text.split(","))
        return x + MARGIN, self._top - y + MARGIN

    def _curve(self, text: str) -> list[Point]:
        """Return the points of a spline, ``e,END START C1 C2 P ...``, in order."""
        end, *points = text.split()
        return [*map(self._point, points), self._point(end.removeprefix("e,"))]

    def svg(self, bottom: float) -> Iterator[str]:
        """Yield the elements of the package, which ends at `bottom`."""
        yield (
            f'<text class="package-name" x="2" y="30">{self.package}'
            f'<tspan class="package-title" dx="12">{escape(TITLES[self.package])}</tspan></text>'
            f'<rect class="package" y="{HEAD - 12}" width="{self.width:.1f}" '
            f'height="{bottom - HEAD + 12:.1f}"/>'
        )
        yield f'<g transform="translate(0 {bottom - self.height:.1f})">'
        for (left, top), (right, low) in self.frames.values():
            yield (
                f'<rect class="outline" x="{left:.1f}" y="{top:.1f}" '
                f'width="{right - left:.1f}" height="{low - top:.1f}"/>'
            )
        for arrow, curve in zip(self.arrows, self.curves, strict=True):
            x, y = curve[-1]
            end = (x, self.frames[arrow.target][0][1]) if arrow.target in self.frames else (x, y)
            yield _arrow(arrow, [*curve[:-1], end])
        for name, (corner, (right, _)) in self.frames.items():
            yield from _frame(self.rooms[name], corner, int((right - corner[0]) / 6.4))
        for name, (x, y) in self.places.items():
            yield from _box(self.rooms[name], (x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2))
        yield "</g>"


def _arrow(arrow: Arrow, points: list[Point]) -> str:
    start, *curve, end = (f"{x:.1f} {y:.1f}" for x, y in points)
    return (
        f'<path class="arrow{" shows" * arrow.only_shows}" data-from="{arrow.source}" '
        f'data-to="{arrow.target}" d="M{start}C{" ".join(curve)}L{end}"/>'
    )


def _opening(room: Room) -> str:
    """Return the start of a room's group, whose attributes say what the picture shows."""
    marks = ' data-uses="pygraph_nn"' if room.uses_library else ""
    return (
        f'<g class="{"frame" if room.is_frame else "room"}" data-room="{room.name}" '
        f'data-files="{room.files}"{marks}><title>{escape(room.description)}</title>'
    )


def _frame(room: Room, corner: Point, columns: int) -> Iterator[str]:
    left, top = corner
    yield _opening(room)
    yield f'<text class="name" x="{left + 12:.1f}" y="{top + 18:.1f}">{room.title}</text>'
    yield from _about(room, left + 12, top + 33, columns, 2)
    yield "</g>"


def _box(room: Room, corner: Point) -> Iterator[str]:
    left, top = corner
    right = left + BOX_WIDTH - 10
    yield _opening(room)
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"/>'
    yield f'<text class="name" x="{left + 10:.1f}" y="{top + 19:.1f}">{room.title}</text>'
    if room.uses_library:
        yield f'<circle class="mark" cx="{right - 4:.1f}" cy="{top + 14.5:.1f}" r="4"/>'
    if room.title.endswith("/"):
        files = f"{room.files} file" + "s" * (room.files > 1)
        x = right - 14 * room.uses_library
        yield f'<text class="files" x="{x:.1f}" y="{top + 18:.1f}">{files}</text>'
    yield from _about(room, left + 10, top + 35, COLUMNS, LINES)
    yield "</g>"


def _about(room: Room, x: float, y: float, columns: int, lines: int) -> Iterator[str]:
    wrapped = textwrap.wrap(room.description, columns, max_lines=lines, placeholder=" …")
    for number, line in enumerate(wrapped):
        yield (f'<text class="about" x="{x:.1f}" y="{y + number * LINE:.1f}">{escape(line)}</text>')


def _relation(right: float) -> Iterator[str]:
    """Yield the arrow between the packages; `right` is the right side of the first."""
    yield f'<path class="uses" d="M{right + GAP - 8:.1f} {HEAD + 14}H{right + 12:.1f}"/>'
    yield f'<text class="uses-text" x="{right + GAP / 2 + 2:.1f}" y="{HEAD + 4}">uses</text>'


def _legend(left: float, y: float) -> Iterator[str]:
    for x, kind, text in (
        (left, "arrow", "imports; arrows that follow from others are left out"),
        (left + 390, "arrow shows", "imports inside a method that only shows something"),
    ):
        yield f'<path class="{kind}" d="M{x} {y - 4}h34"/>'
        yield f'<text class="legend" x="{x + 42}" y="{y}">{text}</text>'
    yield f'<circle class="mark" cx="{left + 770}" cy="{y - 4}" r="4"/>'
    yield (
        f'<text class="legend" x="{left + 782}" y="{y}">uses what pygraph_nn and pygraph_nn.nn '
        "export, and nothing else of the library</text>"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw docs/pictures/architecture.svg.")
    parser.add_argument("--check", action="store_true", help="fail if the picture is not current")
    check = parser.parse_args().check
    architecture = read_architecture(House())
    if not check:
        PICTURE.write_text(draw(architecture), encoding="utf-8")
        return 0
    messages = differences(architecture, drawn_in(PICTURE.read_text(encoding="utf-8")))
    if messages:
        print(*messages, "Draw it anew: python tools/draw_architecture.py", sep="\n")
    return int(bool(messages))


if __name__ == "__main__":
    sys.exit(main())
