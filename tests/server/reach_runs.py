"""What the process of `tests/sessions.py` runs for `reach_ground.py`. It must not import pytest."""

from __future__ import annotations

import psycopg

from dbtasks.identity import put_stamp
from dbtasks.tiers import Consent, Floor, Loss


def stamp(url: str, project: str, tier: str) -> None:
    """Stamp a database as a tier's."""
    with psycopg.connect(url, autocommit=True) as connection:
        floor = Floor(may_lose=Loss.NOTHING, consent=Consent.PERSON)
        put_stamp(connection, project=project, tier=tier, floor=floor, person="a test")
