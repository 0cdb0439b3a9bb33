"""A reset where no database can be created: built elsewhere, loaded in one transaction with renaming the old aside.

The public names are those that the runner needs; nothing here decides whether it may be done.
"""

from __future__ import annotations

from dbtasks.schemas.catalogue import Schema, schemas_of
from dbtasks.schemas.dump import Dump, dump
from dbtasks.schemas.exchange import Replaced, bring_back, replace
from dbtasks.schemas.keeping import Errand, Held, Kept, drop, find, kept
from dbtasks.schemas.likeness import Extension, Likeness, likeness_of
from dbtasks.schemas.model import Model, model_of
from dbtasks.schemas.obstacles import obstacles
from dbtasks.schemas.scratch import build, missing_extensions, no_place_to_build

__all__ = [
    "Dump",
    "Errand",
    "Extension",
    "Held",
    "Kept",
    "Likeness",
    "Model",
    "Replaced",
    "Schema",
    "bring_back",
    "build",
    "drop",
    "dump",
    "find",
    "kept",
    "likeness_of",
    "missing_extensions",
    "model_of",
    "no_place_to_build",
    "obstacles",
    "replace",
    "schemas_of",
]
