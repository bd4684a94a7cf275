"""Print the versions in use and the state of the compiled kernels: ``python -m pygraph_nn``."""

import platform

import torch

from .recurrent import kernels_status


def main() -> None:
    """Print the versions and the state of the kernels."""
    print(f"Python {platform.python_version()}, PyTorch {torch.__version__}")
    print(kernels_status())


if __name__ == "__main__":
    main()
