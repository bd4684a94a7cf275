"""Help with finding mistakes: names for nodes, pictures of failures, the first NaN.

These tools watch gModules through observers (`graph`) and draw with `pictures`.
"""

from .tools import annotateNodes, detect_anomaly, draw_failures_with, setDebug

__all__ = [
    "annotateNodes",
    "detect_anomaly",
    "draw_failures_with",
    "setDebug",
]
