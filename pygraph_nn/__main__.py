"""``python -m pygraph_nn``: which versions run, and whether the compiled loop is to be had."""

import platform

import torch

from .native import Unavailable, capability, load


def main() -> None:
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}")
    try:
        library = load("lstm_steps", capability())
    except Unavailable as reason:
        print(f"The loop of an LSTM runs by PyTorch's operations: {reason}")
    else:
        print(f"The loop of an LSTM runs by compiled code: {library._name}")


main()
