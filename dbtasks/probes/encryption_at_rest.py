"""Whether stolen disks and backups tell nothing: the device below the data, the tables, the newest backup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dbtasks.at_rest import AtRest, Grade, disk, sealed, tables
from dbtasks.backups import listing
from dbtasks.backups.manifest import Form
from dbtasks.backups.vault import open_vault
from dbtasks.probes.ground import Ground, Seen
from dbtasks.safety import About, Finding, Verdict
from dbtasks.tiers import Loss

ABOUT = About(
    name="encryption_at_rest",
    promise="data and backups of what may not be lost lie encrypted on their disks, as far as that can be looked at",
)
# What somebody says is not what was seen.
_VERDICTS = {
    Grade.VERIFIED: Verdict.PASS,
    Grade.CLAIMED: Verdict.UNKNOWN,
    Grade.ABSENT: Verdict.FAIL,
    Grade.UNKNOWN: Verdict.UNKNOWN,
}
_DIRECTORY = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"


def look(ground: Ground) -> Iterator[Finding]:
    """Yield how the data and the newest backup of each tier lie that may lose nothing."""

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _finding(seen, _data(seen))
        backup = _backup(ground, seen)
        if backup is not None:
            yield _finding(seen, backup)

    tiers = tuple(tier for tier in ground.tiers if tier.may_lose is Loss.NOTHING)
    yield from ground.over(tiers, judge, none="no tier was asked that may lose nothing")


def _finding(seen: Seen, found: AtRest) -> Finding:
    saw = f"{seen.tier.label}: {found.grade.value}: {found.saw}"
    return Finding(verdict=_VERDICTS[found.grade], saw=saw, mend=found.mend or ABOUT.page, tier=seen.tier.name)


def _data(seen: Seen) -> AtRest:
    """Return the best that is known of the data: one encryption is enough."""
    with seen.reading() as connection:
        inside = tables.look(connection)
        row = connection.execute(_DIRECTORY).fetchone()  # no row for a role that may not know it
    if inside is not None and inside.grade is Grade.VERIFIED:
        return inside
    found = _directory(seen, Path(str(row[0])) if row and row[0] else None)
    return inside if inside is not None and found.grade is Grade.UNKNOWN else found


def _directory(seen: Seen, data: Path | None) -> AtRest:
    if data is None:
        saw = f"{seen.evidence.server.role} may not know where the server's data lies"
        return AtRest(grade=Grade.UNKNOWN, saw=saw)
    if not disk.is_of(data, seen.identity.system_identifier):
        return AtRest(grade=Grade.UNKNOWN, saw="the server's data does not lie on this machine")
    return disk.look(data)


def _backup(ground: Ground, seen: Seen) -> AtRest | None:
    """Return how the newest backup in a file lies; `None`: there is none, which is another probe's matter."""
    vault = open_vault(ground.project.settings, ground.project.variables)
    there = listing.list_backups(vault, ground.project.settings.project, seen.tier.name)
    stored = (each for each in there.backups if each.form in (Form.CUSTOM, Form.DIRECTORY))
    newest = next(stored, None)
    return sealed.look(vault, newest) if newest else None
