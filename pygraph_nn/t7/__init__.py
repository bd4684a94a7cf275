"""Torch7's ``.t7`` files as plain values: read, written and shown. The room knows no layers.

`reader` opens a file, `parser` turns it into records by way of `binary` or `ascii`, and `builder`
makes Python values of them. `writer` goes the other way, and `tree` describes what a file contains.
"""

from .elements import ElementType, element_type, type_of
from .errors import T7Error, key_text
from .objects import Place, T7Function, T7Object, T7Storage, T7Table
from .reader import T7File, load, read
from .tree import Row, rows
from .writer import dumps, save

__all__ = [
    "ElementType",
    "Place",
    "Row",
    "T7Error",
    "T7File",
    "T7Function",
    "T7Object",
    "T7Storage",
    "T7Table",
    "dumps",
    "element_type",
    "key_text",
    "load",
    "read",
    "rows",
    "save",
    "type_of",
]
