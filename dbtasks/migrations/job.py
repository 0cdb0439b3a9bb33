"""One migration as a value, and as the worker reads it on its standard input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from getpass import getuser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dbtasks.migrations import ledger
from dbtasks.migrations.ahead import Ahead
from dbtasks.migrations.asking import configuration
from dbtasks.migrations.scripts import first_name
from dbtasks.settings import MigrationSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One migration of one cleared target. `environ` is already scrubbed; `log` takes what the project prints.

    `checksums` are those of the plan: a revision that is not among them, or has other bytes, is not run. `retry` are
    torn revisions that a person has put right and wants to run again. With `records` the worker tells what the build
    depended on, as the event `InputsSeen`, with `rehearses` what it executed and changed. `command` is what to run
    again after a failure. `down`: it takes revisions back. `stays`: so does the database, when this fails.
    """

    root: Path
    settings: MigrationSettings
    url: str = field(repr=False)
    host: str
    port: int
    database: str
    user: str | None
    system_identifier: int
    oid: int
    person: str
    entry: int
    checksums: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    target_revision: str = "heads"
    lock_wait_s: float = 30.0
    lock_timeout_ms: int = 5_000
    statement_timeout_ms: int | None = None
    tries: int = 1
    log: Path | None = None
    retry: tuple[str, ...] = ()
    records: bool = True
    rehearses: bool = False
    command: str = "invoke migrate"
    ahead: Ahead | None = None
    down: bool = False
    stays: bool = True


def message(job: Job) -> dict[str, Any]:
    """Return the job as the worker reads it."""
    names = ("host", "port", "database", "user", "system_identifier", "oid")
    return {
        "kind": "upgrade",
        "root": str(job.root),
        "records": job.records,
        "rehearses": job.rehearses,
        **configuration(job.root, job.settings),
        "prefix": job.settings.prefix,
        "version_table": job.settings.version_table,
        "program": list(job.settings.program),
        "first": _first(job),
        "url": job.url,
        # libpq takes the system's user where a URL names none.
        "target": {name: getattr(job, name) for name in names} | {"user": job.user or getuser()},
        "revision": _target(job),
        "down": job.down,
        "person": job.person,
        "entry": job.entry,
        "checksums": dict(job.checksums),
        "tool_version": tool_version(),
        "lock_wait_s": job.lock_wait_s,
        "retry": list(job.retry),
        "sql": ledger.worker_sql(job.person, job.entry, job.lock_timeout_ms, job.statement_timeout_ms),
    }


def _target(job: Job) -> str | None:
    """Return what Alembic is to go to; `None` where it is not asked, since the first tables alone are wanted."""
    if job.settings.first is not None and job.target_revision == first_name(job.root, job.settings.first):
        return None
    return job.target_revision.removeprefix(job.settings.prefix)


def _first(job: Job) -> dict[str, str] | None:
    """Return the file that makes the first tables, where the plan has it; it runs only where it never has."""
    if job.settings.first is None:
        return None
    name = first_name(job.root, job.settings.first)
    return {"revision": name, "path": str(job.settings.first)} if name in job.checksums else None


def tool_version() -> str:
    """Return the version of dbtasks that the ledger names."""
    try:
        return version("dbtasks")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"
