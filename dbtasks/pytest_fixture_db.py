"""The fixture `db`, apart from the others: where pytest-django is at work, the name is its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dbtasks.testing import Database
    from dbtasks.testing.held_psycopg import HeldConnection


@pytest.fixture
def db(int_database: Database) -> Iterator[HeldConnection]:
    """A psycopg connection to this process's clone; what is done with it is rolled back after the test."""
    from dbtasks.testing import held_psycopg

    with held_psycopg.connection(int_database.url) as connection:
        yield connection
