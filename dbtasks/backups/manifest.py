"""What lies beside each backup and says what it is: written once, and no secret in it, ever.

What was shown of a backup since is a `Verdict`, a file of its own: whoever can only add to a store can still verify.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated

import msgspec

from dbtasks.errors import DamagedBackupError

FORMAT = 1
MOST_BYTES = 64_000_000  # of a manifest: tables, roles and files by the ten thousand
ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")

_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Id = Annotated[str, msgspec.Meta(pattern=f"^{ID.pattern}$")]
# A name never leaves the backup's own folder.
_FileName = Annotated[str, msgspec.Meta(pattern="^(dump/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Grade(enum.StrEnum):
    """What was shown of a backup, never more. READABLE: every byte is there, opens, and begins with a list of contents.

    RESTORABLE: it became a database with the same rows and schema. DAMAGED: it is not what it was.
    """

    WRITTEN = "written"
    READABLE = "readable"
    RESTORABLE = "restorable"
    DAMAGED = "damaged"


class Form(enum.StrEnum):
    """What the artefact is: pg_dump's custom format, its directory format, a database on the source's server, or a
    backup of the whole server in a repository of its own.
    """

    CUSTOM = "custom"
    DIRECTORY = "directory"
    DATABASE = "database"
    REPOSITORY = "repository"


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stored file, as it lies there. Where one artefact is stored in pieces, their order is that of the list."""

    name: _FileName
    sha256: _Sha256
    bytes: _Count


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which database of which server."""

    system_identifier: int
    oid: int


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a database is created with, before anything is in it. `provider` is pg_database.datlocprovider."""

    encoding: str
    collate: str
    ctype: str
    provider: str
    locale: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backup in a repository of pgBackRest: of which stanza, its label, its kind, and in which of several places.

    `mark` is the point of the log that it is restored to, and `superuser` is who sees everything there.
    """

    stanza: str
    label: str
    kind: str
    place: int
    superuser: str
    mark: dict[str, str | int | bool]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backup. Times are the server's, `seconds` what taking it took, `entry` the trail's number of the intent.

    `rows` are exact, from the snapshot that was dumped; empty for a copy, which nobody has read, and for a repository's
    where somebody wrote meanwhile. `sha256` and `bytes` are the artefact's before it was sealed; in a repository, those
    of the list of files and of the files. `sealed_to` are the recipients in short; empty: it is not sealed. `role` is
    who read it, `roles` are those that must exist where it is restored.
    """

    id: _Id
    engine: str
    form: Form
    project: str
    tier: str
    database: str
    identity: Identity
    timeline: int
    server_version: str
    client_version: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, int], ...]
    schema_digest: str
    shape: Shape
    owner: str
    role: str
    roles: tuple[str, ...]
    files: tuple[File, ...]
    sha256: str
    bytes: _Count
    sealed_to: tuple[str, ...]
    lsn: str
    started_at: datetime
    finished_at: datetime
    seconds: float
    person: str
    host: str
    entry: int | None
    reason: str
    tool_version: str
    copy: str = ""
    copy_oid: int = 0
    kept: Kept | msgspec.UnsetType = msgspec.UNSET
    grade: Grade = Grade.WRITTEN
    checked_at: datetime | None = None
    format: int = FORMAT

    @property
    def major(self) -> int:
        """The major version of the server that it is of."""
        return int(self.server_version.partition(".")[0])

    @property
    def stored_bytes(self) -> int:
        return sum(file.bytes for file in self.files) if self.files else self.bytes

    @property
    def good(self) -> bool:
        return self.grade is not Grade.DAMAGED

    @property
    def digest(self) -> str:
        """sha256 over what was written when it was taken: what a plan or the trail pins a backup by."""
        return hashlib.sha256(encode(msgspec.structs.replace(self, grade=Grade.WRITTEN, checked_at=None))).hexdigest()

    def with_verdict(self, verdict: Verdict) -> Manifest:
        """Return the manifest with what was shown since."""
        return msgspec.structs.replace(
            self, grade=verdict.grade, checked_at=verdict.checked_at, rows=self.rows or verdict.rows
        )

    def foreign(self, *, project: str, tier: str, system_identifier: int, oid: int | None = None) -> tuple[str, ...]:
        """Return in words what of its source is not the target's. Without an oid, the server's identity is enough.

        A backup of one tier never counts as one of another; a database that replaced the source has another oid.
        """
        found = []
        if (self.project, self.tier) != (project, tier):
            found.append(f"it is of {self.project} [{self.tier.upper()}]")
        if self.identity.system_identifier != system_identifier:
            found.append("it is of another server")
        elif oid is not None and self.identity.oid != oid:
            found.append("it is of another database of that server")
        return tuple(found)


class Verdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a later look at a backup has shown. It holds of the manifest with that digest alone."""

    digest: _Sha256
    grade: Grade
    checked_at: datetime
    person: str = ""
    host: str = ""
    why: str = ""
    rows: tuple[tuple[str, int], ...] = ()
    format: int = FORMAT


def encode(value: Manifest | Verdict) -> bytes:
    """Return it as JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def decode_manifest(data: bytes, id_: str) -> Manifest:
    """Return what `encode` wrote of this backup. DamagedBackupError for anything else, also for another backup's."""
    try:
        found = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedBackupError(id_, _why(data, str(error))) from None
    if found.format != FORMAT:
        raise DamagedBackupError(id_, f"its manifest has format {found.format}, and this version knows {FORMAT}")
    if found.id != id_:
        raise DamagedBackupError(id_, f"its manifest is of {found.id}")
    if len({file.name for file in found.files}) != len(found.files):
        raise DamagedBackupError(id_, "its manifest names a file twice")
    return found


def _why(data: bytes, error: str) -> str:
    """Return why a manifest cannot be read; a newer one may have fields that are not known here."""
    found = re.search(rb'"format":\s*(\d{1,9})', data[-200:])
    if found and int(found[1]) != FORMAT:
        return f"its manifest has format {int(found[1])}, and this version knows {FORMAT}"
    return f"its manifest cannot be read: {error}"


def newest_verdict(manifest: Manifest, texts: Iterable[bytes]) -> Manifest:
    """Return the manifest with what these texts have shown of it. One that is no verdict on it counts for nothing.

    That it was damaged stays until it was restored; that it was restored stays while its bytes are the same.
    """
    verdicts = sorted(_verdicts_on(manifest, texts), key=lambda each: each.checked_at)
    if not verdicts:
        return manifest
    last = {verdict.grade: verdict for verdict in verdicts}
    damaged, restored = last.get(Grade.DAMAGED), last.get(Grade.RESTORABLE)
    if damaged and not (restored and restored.checked_at > damaged.checked_at):
        return manifest.with_verdict(damaged)
    newest = verdicts[-1]
    if restored:
        newest = msgspec.structs.replace(newest, grade=Grade.RESTORABLE, rows=restored.rows)
    return manifest.with_verdict(newest)


def _verdicts_on(manifest: Manifest, texts: Iterable[bytes]) -> Iterator[Verdict]:
    for text in texts:
        try:
            verdict = msgspec.json.decode(text, type=Verdict)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if verdict.digest == manifest.digest and verdict.format == FORMAT:
            yield verdict
