"""Whether a tier's schema is what its revisions produce: compared as values, read from the catalogue alone.

The reference is a database that the revisions build on the project's private server, up to where the target is. Since
that takes as long as a migration, the fingerprint of the schema is kept in the target after each migration: as long as
the schema still has it, nothing is built.
"""

from __future__ import annotations

from dbtasks.drift.catalogue import read_schema
from dbtasks.drift.comparison import Comparing, Comparison, as_it_was_left
from dbtasks.drift.schema import Difference, Kind, Schema, Thing, What, differences

__all__ = [
    "Comparing",
    "Comparison",
    "Difference",
    "Kind",
    "Schema",
    "Thing",
    "What",
    "as_it_was_left",
    "differences",
    "read_schema",
]
