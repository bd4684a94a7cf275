"""One browser for all tests of HTML pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers import Reader, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, started once."""
    yield from chromium(tmp_path_factory.mktemp("browser"), "1400,850")


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    """A reader of pages; afterwards the browser's console must be empty."""
    yield Reader(browser)
    assert browser.get_log("browser") == [], "the console is not empty"
