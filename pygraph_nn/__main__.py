"""``python -m pygraph_nn``: which versions run, and whether compiled kernels are to be had."""

import platform

import torch

from .recurrent import (
    Unavailable,
    capability,
    load,
)


def main() -> None:
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}")
    try:
        library = load(capability())
    except Unavailable as reason:
        print(f"No compiled kernels, PyTorch's operations do all: {reason}")
    else:
        print(f"Compiled kernels: {library._name}")


main()
