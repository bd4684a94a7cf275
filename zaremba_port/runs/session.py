"""Where and with what a training runs: recorded whenever it starts or resumes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import torch

from ..language_model import LanguageModel
from ..parallel import launcher
from ..text import Corpus


def describe_session(model: LanguageModel, corpus: Corpus) -> dict[str, Any]:
    """Return the machine, the versions, the device and the size of the text, for JSON."""
    device = model.paramx.device
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "device": device.type,
        "engine": model.engine,
        "threads": torch.get_num_threads(),
        "workers": model.workers.count,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "zaremba": _version(),
        "text": corpus.sizes,
        "launcher": launcher(),
    }


def _processor() -> str:
    """Return the name of the processor and the number of cores that this process may use."""
    name = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):  # not on Linux, or another kind of processor
        pass
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return f"{name}, {cores} core{'s' * (cores > 1)}".lstrip(", ")


def _version() -> str:
    try:
        return importlib.metadata.version("zaremba-port")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
