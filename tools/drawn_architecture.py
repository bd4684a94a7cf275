"""Read the picture of the architecture back, and compare it with the source."""

from __future__ import annotations

from xml.etree import ElementTree

from tools.architecture import Architecture, Arrow, Room


def drawn_in(svg: str) -> Architecture:
    """Return the rooms and arrows that a picture shows, read back from its elements."""
    space = {"svg": "http://www.w3.org/2000/svg"}
    root = ElementTree.fromstring(svg)
    rooms = tuple(
        Room(
            group.attrib["data-room"],
            group.findtext("svg:text[@class='name']", "", space),
            group.findtext("svg:title", "", space),
            int(group.attrib["data-files"]),
            is_frame=group.attrib["class"] == "frame",
            uses_library="data-uses" in group.attrib,
        )
        for group in root.findall(".//svg:g[@data-room]", space)
    )
    arrows = (
        Arrow(path.attrib["data-from"], path.attrib["data-to"], "shows" in path.attrib["class"])
        for path in root.findall(".//svg:path[@data-from]", space)
    )
    return Architecture(rooms, tuple(sorted(arrows)))


def differences(source: Architecture, picture: Architecture) -> list[str]:
    """Return, in words, each room and arrow that only the source or only the picture has."""
    messages = []
    for current, drawn in ((source.rooms, picture.rooms), (source.arrows, picture.arrows)):
        messages += [f"not in the picture: {item}" for item in current if item not in drawn]
        messages += [f"only in the picture: {item}" for item in drawn if item not in current]
    return messages
