"""HtmlPage: the text of a page, which a notebook shows as the page itself."""

from __future__ import annotations

import html


class HtmlPage(str):
    """The HTML text of a page. A notebook shows the page; a prompt shows one short line.

    >>> HtmlPage.titled("<!DOCTYPE html>...", "LSTM cell")
    <page "LSTM cell", 18 characters; g.html("page.html") writes it to a file>

    Attributes:
        title: the title of the page.
    """

    title: str = "Graph"  # type: ignore[assignment]

    @classmethod
    def titled(cls, text: str, title: str) -> HtmlPage:
        """Return the page with a title."""
        page = cls(text)
        page.title = title
        return page

    def __repr__(self) -> str:
        size = f"{len(self):,} characters"
        return f'<page "{self.title}", {size}; g.html("page.html") writes it to a file>'

    def _repr_html_(self) -> str:
        """Return a frame that shows the page, for a notebook."""
        return (
            f'<iframe title="{html.escape(self.title)}" srcdoc="{html.escape(self)}" '
            'style="width: 100%; height: 620px; border: 1px solid #c9d0d8" loading="lazy"></iframe>'
        )
