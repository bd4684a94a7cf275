"""Tools that help to find mistakes: names for nodes, pictures of failures, the first NaN.

They watch gModules as observers (`graph`) and draw with `pictures`; no other room uses them.
"""

from .anomaly import detect_anomaly
from .failures import draw_failures_with, setDebug
from .names import annotateNodes

__all__ = ["annotateNodes", "detect_anomaly", "draw_failures_with", "setDebug"]
