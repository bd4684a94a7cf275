"""The title and the introduction that stand above the answers in every format."""

TITLE = "The assignment's questions, answered"
INTRODUCTION = (
    "Each answer is stated, and then shown by code that ran when this was written. What it printed "
    "stands below. `claim` prints what it is told and raises an error where that does not hold; "
    "`normal` draws normal numbers, `array` makes a tensor NumPy's, `apart` is the largest "
    "absolute difference, `slope` a gradient by finite differences. Numbers are in double "
    "precision, where rounding makes differences of about 1e-16."
)
