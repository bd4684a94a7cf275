"""Objects that older versions of Torch7's nn wrote, as the last version would write them."""

from __future__ import annotations

from typing import Any

import torch

from ..t7 import T7Object


def up_to_date(value: T7Object) -> T7Object:
    """Return `value` with the fields of the last version of its class.

    Torch7 does the same when it reads old files, or when such a layer runs.
    """
    fields: dict[Any, Any] = dict(value.fields.items())
    name = value.class_name.partition(".")[2]
    if "BatchNormalization" in name:
        _running_std(fields)
    elif name == "GradientReversal" and value.version < 2:
        fields["lambda"] = 1
    elif "Convolution" in name or "Pooling" in name:
        padding = fields.pop("padding", None)
        if padding is not None:  # one number for both sides
            fields["padW"] = fields["padH"] = padding
    return T7Object(value.class_name, fields, value.version, value.place)


def _running_std(fields: dict[Any, Any]) -> None:
    """Replace `running_std`, 1 / sqrt(variance + eps), by `running_var`."""
    inverse = fields.pop("running_std", None)
    if isinstance(inverse, torch.Tensor) and "running_var" not in fields:
        fields["running_var"] = inverse.pow(-2) - fields.get("eps", 1e-5)
