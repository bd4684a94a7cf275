"""Tables of results: Markdown to read, CSV to compute with."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from .members import Member, identity
from .published import Published
from .results import MEASURES, Result, Spread, by_network

EVALUATED = ("validation", "test")

SAMPLED = (
    "Norms marked with ~ are of the reported steps alone, ten an epoch: these runs come from "
    "version 0.1.0, which kept no others."
)


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, its columns aligned to the right and padded.

    >>> print(markdown_table(["n", "square"], [["3", "9"], ["12", "144"]]))
    |  n | square |
    |---:|-------:|
    |  3 |      9 |
    | 12 |    144 |
    """
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + ":" for width in widths)
    return "\n".join([line(headings), f"|{rule}|", *map(line, rows)])


def grid_page(title: str, about: str, results: Sequence[Result], members: Sequence[Member]) -> str:
    """Return a page about a grid: what came out, and what made the networks hard to train."""
    groups = by_network(results)
    lines = [f"# {title}", "", about, ""]
    if groups:
        lines += [_outcome(groups), "", _outcome_note(groups), ""]
        lines += ["## How hard they were to train", "", _difficulty(groups), ""]
        lines += [_difficulty_note(groups), ""]
    else:
        lines += ["No training has ended yet.", ""]
    return "\n".join([*lines, *_unfinished(results, members)])


def _outcome(groups: dict[tuple[int, int], list[Result]]) -> str:
    """Return the table of perplexities."""
    headings = ["layers", "embedding", "parameters", "epochs", "seeds"]
    rows = []
    for (layers, embedding), members in groups.items():
        row = [f"{layers}", f"{embedding}", f"{members[0].parameters:,}"]
        row += [_range(r.epochs for r in members), f"{len(members)}"]
        rows.append([*row, *_losses(members)])
    return markdown_table([*headings, *_loss_headings(groups[next(iter(groups))])], rows)


def _loss_headings(members: Sequence[Result]) -> list[str]:
    """Return the headings of the cells that `_losses` returns."""
    measures = MEASURES[members[0].unit]
    headings = [f"{what}, {measure.title}" for measure in measures for what in EVALUATED]
    return [*headings, f"lowest validation, {measures[0].title}", "after epoch", "minutes"]


def _losses(members: Sequence[Result]) -> list[str]:
    """Return cells with the losses of `members`, which are done and differ in their seeds."""
    measures = MEASURES[members[0].unit]
    last = [[r.valid[-1][1] for r in members], [r.last_test for r in members]]
    cells = [
        Spread.of(map(measure.convert, losses)).text(measure.digits)
        for measure in measures
        for losses in last
    ]
    lowest = Spread.of(measures[0].convert(r.best[1]) for r in members)
    cells += [lowest.text(measures[0].digits), _range(r.best[0] for r in members)]
    return [*cells, Spread.of(r.minutes for r in members).text(1)]


def _outcome_note(groups: dict[tuple[int, int], list[Result]]) -> str:
    """Say how to read the table of perplexities."""
    note = "Validation (in batches) and test (token by token) after the last epoch."
    several = max(map(len, groups.values())) > 1
    if several:
        note += " ± is the standard deviation over the seeds."
    else:
        note += " One seed each: a small difference may be chance; `--seeds 3` shows how large."
    return note


def _difficulty(groups: dict[tuple[int, int], list[Result]]) -> str:
    """Return the table of gaps and gradient norms."""
    measure = MEASURES[next(iter(groups.values()))[0].unit][0]
    headings = ["layers", "embedding", f"training, {measure.title}", "validation", "gap"]
    headings += ["mean norm", "largest norm", "clipped steps"]
    rows = []
    for (layers, embedding), members in groups.items():
        mark = "~" if any(r.is_sampled for r in members) else ""
        train = [measure.convert(r.train[-1][1]) for r in members]
        valid = [measure.convert(r.valid[-1][1]) for r in members]
        gaps = [high - low for high, low in zip(valid, train, strict=True)]
        row = [f"{layers}", f"{embedding}"]
        row += [Spread.of(values).text(measure.digits) for values in (train, valid, gaps)]
        row.append(mark + Spread.of(r.norm_mean for r in members).text(2))
        row.append(f"{mark}{max(r.norm_max for r in members):.1f}")
        row.append(f"{mark}{Spread.of(100 * r.clipped for r in members).text(1)} %")
        rows.append(row)
    return markdown_table(headings, rows)


def _difficulty_note(groups: dict[tuple[int, int], list[Result]]) -> str:
    """Say how to read the table of gaps and norms."""
    limits = {r.settings.max_grad_norm for members in groups.values() for r in members}
    note = (
        "Training is the mean over the last epoch, with dropout where there is any; the gap is "
        "validation less training. Norms are of the gradient before clipping, over all steps of "
        f"the training; a step is clipped where its norm exceeds {min(limits):g}."
    )
    if any(r.is_sampled for members in groups.values() for r in members):
        note += " " + SAMPLED
    return note


def _unfinished(results: Sequence[Result], members: Sequence[Member]) -> list[str]:
    """Return lines about trainings that have not ended."""
    lines = [
        f"- {r.name}: epoch {r.epochs:.2f} of {r.settings.max_max_epoch}"
        for r in results
        if not r.is_done
    ]
    validated = {identity(result.settings) for result in results}
    missing = [member.name for member in members if identity(member.settings) not in validated]
    lines += [f"- {name}: not validated yet" for name in missing]
    return ["Not finished:", "", *lines, ""] if lines else []


def reproduction_page(
    published: Published, about: str, results: Sequence[Result], members: Sequence[Member]
) -> str:
    """Return a page that puts the results of several seeds beside the published numbers."""
    lines = [f"# {published.title}: preset {published.preset}", "", about, ""]
    if published.valid is not None:
        lines += [f"Published: {published.source}.", ""]
    if published.statement:
        lines += [published.statement, ""]
    done = [result for result in results if result.is_done]
    if done:
        lines += [_reproduction(published, done), "", _reproduction_note(done), ""]
        groups = by_network(done)
        lines += ["## The training", "", _difficulty(groups), "", _difficulty_note(groups), ""]
    else:
        lines += ["No training has ended yet.", ""]
    return "\n".join([*lines, *_unfinished(results, members)])


def _reproduction(published: Published, done: Sequence[Result]) -> str:
    """Return the table of the published numbers, the mean over seeds, and each seed."""
    headings = ["", *_loss_headings(done)]
    rows: list[list[str]] = []
    if published.valid is not None:
        numbers = [f"{published.valid:.1f}", f"{published.test:.1f}"]
        rows.append(["published", *numbers, "", "", ""])
    if len(done) > 1:
        rows.append([f"here, mean of {len(done)} seeds", *_losses(done)])
    rows += [[f"here, seed {r.settings.seed}", *_losses([r])] for r in done]
    return markdown_table(headings, rows)


def _reproduction_note(done: Sequence[Result]) -> str:
    """Say how to read the table of a reproduction."""
    note = (
        "Validation (in batches) and test (token by token) are measured after the last epoch, as "
        "the original program does."
    )
    return note + (" ± is the standard deviation over the seeds." if len(done) > 1 else "")


def _range(values: Iterable[float]) -> str:
    """Return the smallest and the largest of `values` as whole numbers, or the one that all are."""
    numbers = sorted({round(value) for value in values})
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def csv_table(results: Sequence[Result]) -> str:
    """Return a line for each result, finished or not, below a header; an empty text for none.

    Losses are in nats; each measure of the unit follows in columns of its own.
    """
    text = io.StringIO()
    rows = [_csv_row(result) for result in results]
    if rows:
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _csv_row(result: Result) -> dict[str, object]:
    """Return the values of a line by the names of the columns."""
    losses = {"train": result.train[-1][1], "valid": result.valid[-1][1], "test": result.test}
    row: dict[str, object] = {
        "run": result.name,
        "layers": result.settings.layers,
        "embedding": result.settings.input_size,
        "rnn_size": result.settings.rnn_size,
        "seed": result.settings.seed,
        "parameters": result.parameters,
        "epochs": result.epochs,
        "minutes": result.minutes,
        **{f"{split}_nats": loss for split, loss in losses.items()},
        "best_valid_nats": result.best[1],
        "best_epoch": result.best[0],
        "grad_norm_mean": result.norm_mean,
        "grad_norm_max": result.norm_max,
        "clipped": result.clipped,
        "norms_of": "reported steps" if result.is_sampled else "all steps",
    }
    for measure in MEASURES[result.unit]:
        for split, loss in losses.items():
            row[f"{split}, {measure.title}"] = None if loss is None else measure.convert(loss)
    return row
