"""The target's schema beside what its revisions produce, or beside how it was last left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

from dbtasks.database import Connection, look
from dbtasks.drift import record
from dbtasks.drift.catalogue import GONE, read_schema
from dbtasks.drift.record import Accepted, Recorded
from dbtasks.drift.reference import built
from dbtasks.drift.reprint import still_different
from dbtasks.drift.schema import Difference, Schema, differences
from dbtasks.errors import DbtasksError, RefusedError
from dbtasks.evidence import Drift
from dbtasks.project import Project
from dbtasks.targets import Target
from dbtasks.values import dataclass

if TYPE_CHECKING:
    from dbtasks.migrations.history import History

# How often a schema is read that somebody changes meanwhile.
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it. `unknown` is why nothing can be said; `accepted` are the differences that somebody has accepted.

    `fingerprint` is that of the target's schema as it was read.
    """

    fingerprint: str = ""
    found: tuple[Difference, ...] = ()
    accepted: tuple[tuple[Difference, Accepted], ...] = ()
    unknown: str = ""

    @property
    def drift(self) -> Drift:
        if self.unknown:
            return Drift.UNKNOWN
        if self.found:
            return Drift.THERE
        return Drift.ACCEPTED if self.accepted else Drift.NONE

    @property
    def clauses(self) -> tuple[str, ...]:
        """What a refusal says of it."""
        return (self.unknown,) if self.unknown else tuple(each.clause for each in self.found)


class Comparing:
    """Compares one target's schema; what took long is done once, however often it is asked for during one command."""

    def __init__(self, project: Project, report: Callable[[str], None]) -> None:
        self._project, self._report = project, report
        self._made: dict[tuple[str, frozenset[str]], Comparison] = {}

    def as_left(self, target: Target, history: History, current: frozenset[str]) -> Comparison:
        """Compare with how the last migration left it, which takes a moment; with the revisions where it is not so."""
        return self._compare(target, history, current, believe=True)

    def whole(self, target: Target, history: History, current: frozenset[str]) -> Comparison:
        """Compare with what the revisions produce."""
        return self._compare(target, history, current, believe=False)

    def _compare(self, target: Target, history: History, current: frozenset[str], *, believe: bool) -> Comparison:
        if unknown := sorted(current - {revision.id for revision in history.revisions}):
            return Comparison(unknown=f"it is at revision {', '.join(unknown)}, which this code does not have")
        try:
            live, recorded = self._read(target)
        except (DbtasksError, psycopg.Error) as error:
            return Comparison(unknown=f"its schema could not be read: {_first_line(error)}")
        fingerprint = live.fingerprint
        if believe and fingerprint == recorded.fingerprint:
            return Comparison(fingerprint=fingerprint)
        if not current:
            return Comparison(fingerprint=fingerprint, unknown="no revision was ever applied to it")
        key = (fingerprint, current)
        if key not in self._made:
            self._made[key] = self._with_reference(target, (live, recorded), history, current)
        return self._made[key]

    def _read(self, target: Target) -> tuple[Schema, Recorded]:
        for _ in range(_TRIES):
            try:
                with closing(look(target.conninfo)) as connection:
                    recorded = record.read(connection)
                    return read_schema(connection, *self._project.settings.left_out), recorded
            except GONE as error:
                last = error
        raise DbtasksError(f"somebody changes it meanwhile ({_first_line(last)})")

    def _with_reference(
        self, target: Target, seen: tuple[Schema, Recorded], history: History, current: frozenset[str]
    ) -> Comparison:
        live, recorded = seen
        self._report("compares its schema with what its revisions produce")
        try:
            with built(self._project, target, history, current, self._report) as connection:
                expected = read_schema(connection, *self._project.settings.left_out)
                there = differences(expected, live)
                if expected.major != live.major:
                    there = tuple(still_different(connection, there))
        except (DbtasksError, psycopg.Error) as error:
            return Comparison(fingerprint=live.fingerprint, unknown=_first_line(error))
        words = [(each, recorded.why(each.digest)) for each in there]
        return Comparison(
            fingerprint=live.fingerprint,
            found=tuple(each for each, word in words if word is None),
            accepted=tuple((each, word) for each, word in words if word is not None),
        )


def as_it_was_left(connection: Connection, version_tables: Iterable[tuple[str, str]]) -> Drift:
    """Return whether the connected database's schema is as its last migration, or a person's word, has left it.

    By the fingerprint alone: nothing is built, and where it differs, that may be the version of PostgreSQL.
    """
    recorded = record.read(connection).fingerprint
    if not recorded:
        return Drift.UNKNOWN
    return Drift.NONE if read_schema(connection, version_tables).fingerprint == recorded else Drift.THERE


def _first_line(error: BaseException) -> str:
    text = error.saw if isinstance(error, RefusedError) else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0].removesuffix(".")
