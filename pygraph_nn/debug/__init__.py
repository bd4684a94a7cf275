"""Help with finding mistakes: names for nodes, pictures of failures, the first NaN.

These tools watch gModules through observers (`graph`) and draw with `pictures`.
"""

from .anomaly import detect_anomaly
from .failures import draw_failures_with, setDebug
from .names import annotateNodes

__all__ = ["annotateNodes", "detect_anomaly", "draw_failures_with", "setDebug"]
