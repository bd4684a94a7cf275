"""Check a built site: every link within it leads somewhere, and no page needs the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself when it shows a page, by element.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
FETCHED_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "modulepreload", "manifest"}


@dataclass
class Page(HTMLParser):
    """The links of a page, the ids that links may lead to, and what it fetches by itself."""

    links: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel", "") in FETCHED_LINKS:
            self.fetched.append(given["href"])
        if tag in FETCHED and given.get(FETCHED[tag]):
            self.fetched.append(given[FETCHED[tag]])


def problems(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere, and for each need of the network."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path.resolve()] = page = Page()
        page.feed(path.read_text("utf-8"))
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        for link in page.links + page.fetched:
            found += [f"{where}: {link}: {trouble}" for trouble in broken(link, path, pages)]
        found += [f"{where}: fetches {u}" for u in page.fetched if is_elsewhere(u)]
    for sheet in sorted(site.rglob("*.css")):
        urls = re.findall(
            r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text("utf-8")
        )
        found += [f"{sheet.relative_to(site)}: fetches {url}" for url in urls]
    return found


def is_elsewhere(url: str) -> bool:
    """Return whether a browser needs the network for an address."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") or bool(parts.netloc)


def broken(link: str, path: Path, pages: dict[Path, Page]) -> list[str]:
    """Return what is wrong with a link of the page at `path`, if anything."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return []
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return ["there is no such file"]
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        # Without JavaScript a page of a graph has no boxes yet.
        return [f"there is no #{anchor}"]
    return []
