"""Build the site of the documentation, and check it.

    python -m tools.site.build [FOLDER]

The site is written to FOLDER, by default build/site; its index.html opens without a server and
without a network. Notebooks run on their real settings, or on small ones with ZAREMBA_QUICK=1 in
the environment. Warnings and links that lead nowhere are errors.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from .checks import problems
from .sources import HOME, ROOT, collect, navigation

HERE = Path(__file__).parent


def mathjax() -> Path:
    """Return MathJax in one file, as the package sphinx-mathjax-offline brings it."""
    files = importlib.metadata.files("sphinx-mathjax-offline") or []
    return Path(next(file for file in files if file.name == "tex-svg.js").locate())


def stage_sources(stage: Path) -> None:
    """Write everything that Sphinx reads into the folder `stage`."""
    from .api import Reference, commands_page
    from .gallery import write_gallery
    from .slides import write_slides

    collect(stage)
    shutil.copy(HERE / "conf.py", stage)
    script = stage / "static" / "mathjax" / "tex-svg.js"
    script.parent.mkdir(parents=True)
    shutil.copy(mathjax(), script)
    (stage / "commands.md").write_text(commands_page(), "utf-8")
    write_gallery(stage)
    Reference(stage / "api").write()
    write_slides(stage)
    home = stage / f"{HOME}.md"
    home.write_text(home.read_text("utf-8") + navigation(stage), "utf-8")


def misspellings(stage: Path) -> int:
    """Print the common misspellings in pages and in the prose of notebooks; return their number."""
    from codespell_lib import main as codespell

    folder = stage.parent / "prose"
    folder.mkdir()
    for path in stage.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        (folder / f"{path.stem}.md").write_text(text, "utf-8")
    return int(codespell(*map(str, [*stage.glob("*.md"), *folder.glob("*.md")])))


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the site of the documentation.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what Sphinx reads here")
    options = parser.parse_args()
    # Kernels of notebooks run elsewhere, and import the packages of this checkout.
    os.environ["PYTHONPATH"] = str(ROOT)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "source"
        stage.mkdir()
        stage_sources(stage)
        misspelt = misspellings(stage)
        if options.keep:
            shutil.copytree(stage, options.keep, dirs_exist_ok=True)
        print(f"sources: {time.perf_counter() - start:.0f} s", flush=True)
        if options.folder.exists():
            shutil.rmtree(options.folder)

        from sphinx.cmd.build import main as sphinx

        arguments = ["-q", "-W", "--keep-going", "-b", "html", "-j", "2"]
        doctrees = ["-d", str(Path(scratch) / "doctrees")]
        code = sphinx([*arguments, *doctrees, str(stage), str(options.folder)])
    found = problems(options.folder)
    print("\n".join(found), file=sys.stderr)
    print(f"{options.folder / 'index.html'}: {time.perf_counter() - start:.0f} s")
    return 1 if code or found or misspelt else 0


if __name__ == "__main__":
    sys.exit(main())
