"""What pgBackRest answers, as values: its JSON and the text of its `verify`. Its exit codes say too little.

`info` ends with 0 on a wrong passphrase and on a damaged repository, and so does `verify` before version 2.47.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dbtasks import wal
from dbtasks.base_backups import BaseBackup, Origin

_OK = 0
_USUAL_SEGMENT = 16 << 20
_SEGMENT_SIZES = (_USUAL_SEGMENT, *(1 << power for power in range(20, 31) if 1 << power != _USUAL_SEGMENT))


class Status(msgspec.Struct, frozen=True):
    code: int
    message: str


class Repo(msgspec.Struct, frozen=True):
    """One of several places for the same stanza."""

    key: int
    cipher: str
    status: Status


class Server(msgspec.Struct, frozen=True, rename="kebab"):
    """A server that the stanza is or was of: an upgrade adds one."""

    id: int
    system_id: int
    version: str
    repo_key: int = 1


class Of(msgspec.Struct, frozen=True, rename="kebab"):
    id: int
    repo_key: int = 1


class Log(msgspec.Struct, frozen=True):
    id: str
    database: Of


class Span(msgspec.Struct, frozen=True):
    start: str | None = None
    stop: str | None = None


class Times(msgspec.Struct, frozen=True):
    start: int
    stop: int


class Size(msgspec.Struct, frozen=True):
    size: int


class Stored(msgspec.Struct, frozen=True):
    """A backup. `error`: pages with wrong checksums were found when it was taken."""

    label: str
    type: str
    database: Of
    timestamp: Times
    info: Size
    archive: Span
    lsn: Span = Span()
    error: bool | None = None
    annotation: dict[str, str] = {}


class Stanza(msgspec.Struct, frozen=True):
    """All that is known of one server's backups and log."""

    name: str
    status: Status
    db: tuple[Server, ...] = ()
    repo: tuple[Repo, ...] = ()
    archive: tuple[Log, ...] = ()
    backup: tuple[Stored, ...] = ()

    @property
    def trouble(self) -> str:
        """Why none of its places can be used; empty: one can. Having no backup yet is no trouble."""
        if any(repo.status.code in _USABLE for repo in self.repo):
            return ""
        told = {repo.status.message for repo in self.repo} or {self.status.message}
        return "; ".join(sorted(told))

    @property
    def ciphers(self) -> frozenset[str]:
        return frozenset(repo.cipher for repo in self.repo)

    def server(self, of: Of) -> Server | None:
        return next((each for each in self.db if (each.id, each.repo_key) == (of.id, of.repo_key)), None)

    @property
    def current(self) -> tuple[Server, ...]:
        """The servers that it is of now, one for each place."""
        newest = {each.repo_key: each for each in sorted(self.db, key=lambda each: each.id)}
        return tuple(newest.values())

    def logs(self) -> tuple[tuple[int, str], ...]:
        """Return where the log of the present server lies: pairs of a place and a folder's name."""
        now = {(each.id, each.repo_key) for each in self.current}
        mine = (each for each in self.archive if (each.database.id, each.database.repo_key) in now)
        return tuple((each.database.repo_key, each.id) for each in mine)


_NO_BACKUP_YET = 2
_USABLE = (_OK, _NO_BACKUP_YET)


def stanza(text: bytes, name: str) -> Stanza:
    """Return what `info --output=json` says of a stanza. ValueError for anything else."""
    try:
        found = msgspec.json.decode(text, type=list[Stanza])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"what pgBackRest says of its backups cannot be read: {error}") from None
    return next((each for each in found if each.name == name), Stanza(name=name, status=_MISSING))


_MISSING = Status(code=1, message="missing stanza path")


def base_backups(found: Stanza) -> tuple[BaseBackup, ...]:
    """Return the whole backups of a stanza, the oldest first: what holds damaged pages is none to begin from."""
    usable = {repo.key for repo in found.repo if repo.status.code in _USABLE}
    good = [each for each in found.backup if not each.error and each.database.repo_key in usable]
    made = (_base(each, found, _segment_bytes(good)) for each in good)
    return tuple(sorted((each for each in made if each is not None), key=lambda each: each.taken_at))


def _base(stored: Stored, found: Stanza, segment_bytes: int) -> BaseBackup | None:
    server, lsn, log = found.server(stored.database), stored.lsn, stored.archive
    if server is None or not (lsn.start and lsn.stop and log.start):
        return None  # of a version that did not note them, or of a server that was down
    return BaseBackup(
        id=stored.label,
        folder=Path(found.name) / stored.label,
        origin=Origin(
            system_identifier=server.system_id,
            timeline=int(log.start[:8], 16),
            begin=wal.position(lsn.start),
            end=wal.position(lsn.stop),
            segment_bytes=segment_bytes,
            major=int(server.version.partition(".")[0]),
            superuser="",
        ),
        taken_at=datetime.fromtimestamp(stored.timestamp.stop, UTC),
        size_bytes=stored.info.size,
        sha256="",
    )


def _segment_bytes(stored: Iterable[Stored]) -> int:
    """Return the size of segments by which these backups' positions lie in the segments that are named with them."""
    spans = [(wal.position(each.lsn.start), each.archive.start) for each in stored if each.lsn.start]
    for size in _SEGMENT_SIZES:
        if all(name and wal.segments(int(name[:8], 16), at, at + 1, size) == (name,) for at, name in spans):
            return size
    return _USUAL_SEGMENT


def segments(text: bytes) -> frozenset[str]:
    """Return the whole segments in what `repo-ls --recurse --output=json` lists of a log. ValueError for anything else.

    >>> sorted(segments(b'{"0000000100000000":{"type":"path"},"0000000100000000/'
    ...                 b'000000010000000000000002-7cbb8b01d7d7f1ea76d9aa9bb7ad2b6b7bbe1edc.gz":{"type":"file"}}'))
    ['000000010000000000000002']
    """
    try:
        listed = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"what pgBackRest lists of the log cannot be read: {error}") from None
    return frozenset(found[1] for name in listed if (found := _SEGMENT.search(name)))


_SEGMENT = re.compile(r"(?:^|/)([0-9A-F]{24})-[0-9a-f]{40}(?:\.(?:gz|lz4|zst|bz2))?$")


def invalid_backup(text: str, label: str) -> str:
    """Return what `verify --output=text --verbose` has against a backup or what it builds on; empty: nothing.

    >>> good = "stanza: a\\nstatus: ok\\n  backup: b, status: valid, total files checked: 3, total valid files: 3"
    >>> invalid_backup(good, "b"), invalid_backup(good, "c")
    ('', 'c is not among what pgBackRest has verified')
    """
    states = dict(_BACKUP.findall(text)) if _VERIFIED.search(text) else {}
    if label not in states:
        return f"{label} is not among what pgBackRest has verified"
    return "" if states[label] == "valid" else f"pgBackRest finds {label} {states[label]}"


def invalid_log(text: str) -> str:
    """Return what `verify` has against the log, of whatever time; empty: nothing.

    >>> invalid_log("  archiveId: 15-1, total WAL checked: 4, total valid WAL: 3")
    'of 4 segments of the log, 3 are what was archived'
    """
    found = [(checked, valid) for checked, valid in _LOG.findall(text) if checked != valid]
    return "; ".join(f"of {checked} segments of the log, {valid} are what was archived" for checked, valid in found)


_VERIFIED = re.compile(r"(?m)^status: (?:ok|error)")
_BACKUP = re.compile(r"(?m)^\s*backup: (\S+), status: ([^,\n]+)")
_LOG = re.compile(r"total WAL checked: (\d+), total valid WAL: (\d+)")
