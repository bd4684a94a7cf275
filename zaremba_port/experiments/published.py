"""What the paper and the course report state, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "Zaremba, Sutskever, Vinyals 2014, arXiv 1409.2329, table 1"


@dataclass(frozen=True)
class Published:
    """What is published about a preset.

    Attributes:
        preset: the settings to train with.
        title: of the page.
        source: of the numbers, or of the recipe.
        valid, test: perplexities; None where none is published.
        statement: sentences about what is published, and what is not.
    """

    preset: str
    title: str
    source: str
    valid: float | None = None
    test: float | None = None
    statement: str = ""


PUBLISHED = {
    "small": Published("small", "Non-regularized LSTM", PAPER, 120.7, 114.5),
    "medium": Published("medium", "Medium regularized LSTM", PAPER, 86.2, 82.7),
    "large": Published("large", "Large regularized LSTM", PAPER, 82.2, 78.4),
    "ward": Published(
        "ward",
        "The course report's recipe",
        "the course report",
        statement="No perplexity of the report is known here, so the table has none. The report "
        "states its recipe: batches of 20, dropout 0.5 “since the dataset was not very large”, a "
        "learning rate of 0.9 for 5 epochs and then halved after each, the norm of the gradient "
        "limited to 5, gradient descent without momentum, and word embeddings of a higher "
        "dimension. It found it “very difficult to train larger models”. The embeddings of 400 "
        "and the 20 epochs are this project's choice.",
    ),
    "char": Published(
        "char-small",
        "Characters",
        "the course",
        statement="The paper has no model of characters. The course defines the measure, "
        "exp(5.6 nll), where nll is the mean loss in nats per character; bits per character are "
        "nll / ln 2.",
    ),
}
"""What `zaremba reproduce` trains, by the name that it takes."""

PTB_SIZES = {"train": 929_589, "valid": 73_760, "test": 82_430}
"""Words of the Penn Treebank, `<eos>` counted, for which the paper's perplexities hold."""

PTB_CHARACTERS = {"train": 5_017_482, "valid": 393_042, "test": 442_423}
"""The same in characters."""
