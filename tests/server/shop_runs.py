"""What the process of `tests/sessions.py` runs for `shop.py`. It must not import pytest, which would pin it."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

from dbtasks.conninfo import remember
from dbtasks.migrations import tries
from dbtasks.migrations.events import Event
from dbtasks.migrations.job import Job
from tests.loaded_worker import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How an upgrade went. An error of ours is told as what it is made of, since it cannot be pickled."""

    applied: tuple[str, ...]
    reported: list[Event]
    error: tuple[type[Exception], dict[str, Any]] | None = None


def run(job: Job, secret: str) -> Ran:
    """Run an upgrade and return how it went."""
    remember(secret)
    _start_workers_quickly()
    reported: list[Event] = []
    try:
        return Ran(applied=tries.run(job, reported.append), reported=reported)
    except Exception as error:
        return Ran(applied=(), reported=reported, error=(type(error), {"args": error.args, **vars(error)}))


@functools.cache
def _start_workers_quickly() -> None:
    Workers({name: value for name, value in os.environ.items() if name != "PYTHONPATH"}).instead()


def result(ran: Ran) -> tuple[str, ...]:
    """Return what was applied, or raise what was raised."""
    if ran.error is None:
        return ran.applied
    kind, values = ran.error
    error = kind.__new__(kind)
    for name, value in values.items():
        setattr(error, name, value)
    raise error
