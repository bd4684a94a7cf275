"""Collect what the site consists of into one folder: pages, notebooks, pictures, files.

The documents of the project link to one another, and to files of the project, as they are read in
the repository. Here each link is rewritten to where its target is on the site.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The navigation: a title, and pages in their order. What is not listed comes under MORE.
NAVIGATION: dict[str, list[str]] = {
    "Start": ["install", "tour", "teaching"],
    "Learn": ["lstm_cell", "word_model", "char_model", "lecture", "gallery/index", "answers"],
    "Torch7": ["porting", "layers", "torch7_differences"],
    "Reference": ["api/index", "commands"],
    "Measurements": ["speed", "treebank", "experiments", "characters"],
    "Project": ["architecture", "contributing", "changelog"],
}
MORE = "More"
HOME = "index"

LINK = re.compile(r"(\]\()([^)\s]+)(\))")
ATTRIBUTE = re.compile(r"""((?:src|href)=")([^"]+)(")""")
CODE = re.compile(r"^( *)(`{3,}).*?^\1\2`*$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def document_pages() -> dict[str, str]:
    """Return the page of each document and notebook, by its path in the project."""
    pages = {f"docs/{path.name}": path.stem for path in (ROOT / "docs").glob("*.md")}
    pages |= {f"examples/{p.name}": p.stem for p in (ROOT / "examples").glob("*.ipynb")}
    pages |= {
        name: name.removesuffix(".md").lower() for name in ("CHANGELOG.md", "CONTRIBUTING.md")
    }
    return pages | {"README.md": HOME}


def collect(stage: Path) -> None:
    """Write the documents and notebooks, with their pictures, into the folder `stage`."""
    pages = document_pages()
    for path, page in pages.items():
        source = ROOT / path
        if source.suffix == ".ipynb":
            shutil.copy(source, stage / f"{page}.ipynb")
        elif path != "README.md":
            text = relinked(source.read_text("utf-8"), posixpath.dirname(path), pages, stage)
            (stage / f"{page}.md").write_text(text, "utf-8")
    for folder in (ROOT / "docs").iterdir():
        if folder.is_dir():
            shutil.copytree(folder, stage / folder.name)


def relinked(text: str, folder: str, pages: dict[str, str], stage: Path) -> str:
    """Return a document of the project's folder `folder` with its links as on the site."""

    def moved(match: re.Match[str]) -> str:
        return f"{match[1]}{target_of(match[2], folder, pages, stage)}{match[3]}"

    def outside_code(part: str) -> str:
        return ATTRIBUTE.sub(moved, LINK.sub(moved, part))

    parts, end = [], 0
    for code in CODE.finditer(text):
        parts += [outside_code(text[end : code.start()]), code[0]]
        end = code.end()
    # A link around code, [`train.py`](...), has its target after the code.
    return "".join([*parts, outside_code(text[end:])])


def target_of(link: str, folder: str, pages: dict[str, str], stage: Path) -> str:
    """Return where a link leads on the site; a file that is no page is copied there."""
    name, hash_sign, anchor = link.partition("#")
    if not name or re.match(r"[a-z]+:", name):
        return link
    path = posixpath.normpath(posixpath.join(folder, name))
    if path in pages:
        suffix = ".ipynb" if path.endswith(".ipynb") else ".md"
        return f"{pages[path]}{suffix}{hash_sign if path != 'README.md' else ''}" + (
            anchor if path != "README.md" else ""
        )
    if path.startswith("docs/") and (ROOT / path).is_file():
        return path.removeprefix("docs/")
    if (ROOT / path).is_file():
        copy = stage / "files" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy)
        return f"files/{path}"
    if (ROOT / path).is_dir():
        return "architecture.md#the-rooms"
    raise SystemExit(f"{folder or '.'}: the link {link} leads nowhere")


def navigation(stage: Path) -> str:
    """Return the tables of contents of the home page, for all pages in `stage`."""
    listed = [page for group in NAVIGATION.values() for page in group]
    present = {p.stem for p in stage.iterdir() if p.suffix in (".md", ".ipynb", ".rst")} - {HOME}
    groups = dict(NAVIGATION) | {MORE: sorted(present - set(listed))}
    lines = []
    for title, group in groups.items():
        there = [page for page in group if any(stage.glob(f"{page}.*"))]
        if there:
            lines += ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *there, "```"]
    return "\n".join([*lines, ""])
