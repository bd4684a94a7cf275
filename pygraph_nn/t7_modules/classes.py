"""Which class of `nn` a Torch7 class is."""

from __future__ import annotations

import functools

import torch

from .. import nn

# Layers of cudnn that compute what the layer of nn computes, and char-rnn's own one-hot layer.
_OTHER_NAMES = {"OneHot": "nn.OneHot"}
_CUDNN = "cudnn."


@functools.cache
def known_classes() -> dict[str, type[torch.nn.Module]]:
    """Return the layers and criteria by their Torch7 names, ``nn.Linear``."""
    members = {name: getattr(nn, name) for name in [*nn.__all__, "gModule"]}
    classes = {f"nn.{name}": member for name, member in members.items()}
    for name in ("JustTable", "JustElement"):
        classes[f"nngraph.{name}"] = classes.pop(f"nn.{name}")
    for name in ("Module", "Container", "Criterion"):  # bases, which compute nothing
        classes.pop(f"nn.{name}")
    return classes


def class_of(torch7_name: str) -> type[torch.nn.Module] | None:
    """Return the class that `torch7_name` is here; None if it has no counterpart."""
    name = _OTHER_NAMES.get(torch7_name, torch7_name)
    if name.startswith(_CUDNN):
        name = f"nn.{name.removeprefix(_CUDNN)}"
    return known_classes().get(name)


def torch7_name_of(module: torch.nn.Module) -> str | None:
    """Return the Torch7 class that writes `module`; None if it has no counterpart."""
    return _names().get(type(module))


@functools.cache
def _names() -> dict[type[torch.nn.Module], str]:
    return {member: name for name, member in known_classes().items()}
