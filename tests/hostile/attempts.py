"""One call that tries the plainest tricks, for places where nothing else is at hand."""

from __future__ import annotations

import os

import tricks_protocol
import tricks_psycopg
import tricks_psycopg2
from tricks import Way, write_down

PLAIN = (
    tricks_psycopg.psycopg_connect,
    tricks_psycopg2.psycopg2_connect,
    tricks_protocol.asyncpg_connect,
    tricks_protocol.pg8000_dbapi,
)


def attempt(place: str) -> None:
    """Try each on every victim that is wanted."""
    for run in PLAIN:
        for target in os.environ["TARGETS"].split():
            write_down(place, target, Way(name=place, run=run))
