"""The manifest, from what was read, what was made, and who wanted it."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from dbtasks.backups.dumping import Made
from dbtasks.backups.engines import Taking
from dbtasks.backups.facts import Facts, Rows
from dbtasks.backups.manifest import Form, Kept, Manifest
from dbtasks.masking import mask
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """When taking it had ended, by the server's clock, and how long it took."""

    finished: datetime
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What came to be in a repository: `sha256` is of its list of files, `version` the program's."""

    kept: Kept
    rows: Rows
    sha256: str
    bytes: int
    version: str


def of_dump(job: Taking, facts: Facts, made: Made, taken: Taken) -> Manifest:
    """Return the manifest of a dump."""
    return Manifest(
        engine="pg_dump",
        form=made.form,
        client_version=made.version,
        rows=made.rows,
        files=made.files,
        sha256=made.sha256,
        bytes=made.bytes,
        sealed_to=job.vault.recipients.shown if job.vault.recipients else (),
        **_of_any(job, facts, taken),
    )


def of_copy(job: Taking, facts: Facts, copied: tuple[str, int], size: int, taken: Taken) -> Manifest:
    """Return the manifest of a database that is a copy: its name and oid, and how large it is."""
    name, oid = copied
    return Manifest(
        engine="copy",
        form=Form.DATABASE,
        client_version="",
        rows=(),
        files=(),
        sha256="",
        bytes=size,
        sealed_to=(),
        copy=name,
        copy_oid=oid,
        **_of_any(job, facts, taken),
    )


def of_repository(job: Taking, facts: Facts, stored: Stored, taken: Taken) -> Manifest:
    """Return the manifest of a backup in a repository."""
    return Manifest(
        engine="pgbackrest",
        form=Form.REPOSITORY,
        client_version=stored.version,
        rows=stored.rows,
        files=(),
        sha256=stored.sha256,
        bytes=stored.bytes,
        sealed_to=(),
        kept=stored.kept,
        **_of_any(job, facts, taken),
    )


def _of_any(job: Taking, facts: Facts, taken: Taken) -> dict[str, Any]:
    return {
        "id": job.id,
        "project": job.source.project,
        "tier": job.source.tier.name,
        "database": facts.database,
        "identity": facts.identity,
        "timeline": facts.timeline,
        "server_version": facts.version,
        "heads": facts.heads,
        "schema_digest": facts.schema_digest,
        "shape": facts.shape,
        "owner": facts.owner,
        "role": facts.role,
        "roles": facts.roles,
        "lsn": facts.lsn,
        "started_at": facts.at.astimezone(UTC),
        "finished_at": taken.finished.astimezone(UTC),
        "seconds": round(taken.seconds, 3),
        "person": job.errand.who.person,
        "host": job.errand.who.host,
        "entry": job.errand.entry,
        "reason": mask(job.errand.reason),
        "tool_version": version("dbtasks"),
    }
