"""What a wheel holds, and how its description reads where no other file is beside it."""

from __future__ import annotations

import itertools
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """What setup.py tells setuptools."""
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **options: told.update(options))
        patch.chdir(ROOT)
        runpy.run_path(str(ROOT / "setup.py"))
    return told


def test_every_file_of_a_package_is_packed(metadata: dict[str, Any]) -> None:
    packed = set()
    for package, patterns in metadata["package_data"].items():
        folder = ROOT / package.replace(".", "/")
        packed |= {path for pattern in patterns for path in folder.glob(pattern)}
    for package in metadata["packages"]:
        for path in (ROOT / package.replace(".", "/")).iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert path in packed, path
    # A folder of files without an __init__ belongs to the package above it.
    for name in ("pygraph_nn", "zaremba_port"):
        for path in (ROOT / name).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                is_module = path.suffix == ".py"
                package = ".".join(path.parent.relative_to(ROOT).parts)
                assert package in metadata["packages"] if is_module else path in packed, path


def test_the_description_needs_no_other_file(metadata: dict[str, Any]) -> None:
    text = metadata["long_description"]
    pictures = re.findall(r'src="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', text)
    assert len(pictures) >= 4
    assert all("".join(source).startswith("data:image/svg+xml;base64,") for source in pictures)
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", text)
    assert links
    assert all(link.startswith("https://") for link in links)
    assert "<!--" not in text


def test_metadata(metadata: dict[str, Any]) -> None:
    assert metadata["author"] == "the zaremba-port developers"
    assert metadata["license_expression"] == "Apache-2.0"
    for name in metadata["license_files"]:
        assert (ROOT / name).is_file()
    constrained = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(), re.M)
    extras = itertools.chain.from_iterable(metadata["extras_require"].values())
    needed = [*metadata["install_requires"], *extras]
    names = {re.split(r"[<>=;]", requirement)[0] for requirement in needed}
    assert names == set(constrained)
