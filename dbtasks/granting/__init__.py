"""The roles of a database and their rights: read from the catalogue, and given. Nothing here decides."""

from __future__ import annotations

from dbtasks.granting.giving import Given as Given
from dbtasks.granting.giving import give as give
from dbtasks.granting.reading import read as read
