"""The title and the introduction that precede the answers."""

TITLE = "The assignment's questions, answered"
INTRODUCTION = (
    "Each answer begins with one sentence in bold and a short statement. Code then demonstrates "
    "it. The code ran when this page was generated, and its output follows it. It uses a few "
    "helpers: `claim` prints a "
    "sentence and raises an error if the sentence is false; `normal` draws standard normal "
    "numbers; `to_numpy` copies a tensor into a NumPy array; `max_difference` is the largest "
    "absolute difference between two arrays, and `side_by_side` prints it for each of several "
    "values; `sigm` is the logistic function; `numeric_gradient` is a gradient by finite "
    "differences. All numbers are in double precision, where rounding causes differences of about "
    "1e-16."
)
