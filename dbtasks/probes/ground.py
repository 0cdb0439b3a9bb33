"""What probes ask: the project, and of each tier what a read-only look has shown, looked at once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property

import psycopg

from dbtasks import drilled
from dbtasks.conninfo import mask
from dbtasks.database import Connection, look
from dbtasks.drilled import Drilled
from dbtasks.errors import DbtasksError, RefusedError, UrlNotConfiguredError
from dbtasks.evidence import Database, Evidence, Identity
from dbtasks.guard import admit
from dbtasks.operations import check
from dbtasks.project import Project
from dbtasks.safety import Finding, unknown
from dbtasks.selection import choose
from dbtasks.survey import Wish, survey
from dbtasks.targets import Target, resolve
from dbtasks.tiers import Tier
from dbtasks.values import dataclass
from dbtasks.verdicts import Refuse, Request


class UnseenError(DbtasksError):
    """A tier was not looked at, or could not be."""

    def __init__(self, why: str, mend: str = "") -> None:
        self.why, self.mend = why, mend
        super().__init__(why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A tier whose database is there, as it was looked at. `connection` only reads, and is everybody's."""

    request: Request
    target: Target
    evidence: Evidence
    database: Database
    identity: Identity
    connection: Connection

    @property
    def tier(self) -> Tier:
        return self.request.tier

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield the connection; an error in the block leaves it usable for the next who asks."""
        with self.connection.transaction():
            yield self.connection


Judge = Callable[[Seen], Iterator[Finding]]


class Ground:
    """Made for one score, and closed after it."""

    def __init__(self, project: Project, tiers: tuple[Tier, ...]) -> None:
        self.project, self.tiers, self.now = project, tiers, datetime.now(UTC)
        self._looked: dict[str, Seen | UnseenError] = {}

    @property
    def default(self) -> Tier:
        return self.project.settings.default

    def seen(self, tier: Tier) -> Seen:
        """Return what the tier's live database showed; UnseenError says why nobody could look."""
        if tier.name not in self._looked:
            self._looked[tier.name] = self._look(tier)
        found = self._looked[tier.name]
        if isinstance(found, UnseenError):
            raise found
        return found

    def over(self, tiers: Iterator[Tier] | tuple[Tier, ...], judge: Judge, *, none: str) -> Iterator[Finding]:
        """Yield what `judge` says of each of these tiers, unknown where it cannot tell. `none`: there are none."""
        several = tuple(tiers)
        if not several:
            yield unknown(none)
        for tier in several:
            try:
                yield from judge(self.seen(tier))
            except UnseenError as unseen:
                yield unknown(f"{tier.label}: {unseen.why}", unseen.mend, tier.name)
            except FAULTS as error:
                yield unknown(f"{tier.label}: {first_line(error)}", f"invoke check --tier={tier.name}", tier.name)

    def looked_at(self) -> tuple[str, ...]:
        """Return the names of the tiers that somebody could look at."""
        return tuple(tier.name for tier in self.tiers if isinstance(self._looked.get(tier.name), Seen))

    def close(self) -> None:
        for found in self._looked.values():
            if isinstance(found, Seen):
                with suppress(psycopg.Error):
                    found.connection.close()

    @cached_property
    def drill(self) -> Drilled | None:
        """The last drill; DbtasksError where it cannot be read."""
        return drilled.read(self.project.settings.root)

    @cached_property
    def code(self) -> str:
        """What a drill must have been run by to count."""
        return drilled.code()

    def request(self, tier: Tier) -> Request:
        """Return the request to look at a tier: what `check` asks, which reads the catalogue alone."""
        flags_on = choose(self.project.settings, None, self.project.environ).flags_on
        return Request(
            operation=check.OPERATION,
            tier=tier,
            surroundings=self.project.surroundings,
            is_default=tier.name == self.default.name,
            flag_on=tier.flag in flags_on,
            before=self.project.settings.tier(tier.after) if tier.after else None,
        )

    def _look(self, tier: Tier) -> Seen | UnseenError:
        request = self.request(tier)
        verdict = admit(request)
        if isinstance(verdict, Refuse):
            if verdict.code == "E-NOT-ARMED":
                return UnseenError(f"not asked ({tier.flag} is not set)", f"{tier.flag}=true invoke score")
            return UnseenError(f"not asked ({verdict.saw})")
        try:
            return self._seen(request)
        except UnseenError as unseen:
            return unseen
        except RefusedError as error:
            return UnseenError(error.saw, error.instead)
        except UrlNotConfiguredError as error:
            return UnseenError(str(error).split(". ")[0], f"Set {error.variable}.")
        except FAULTS as error:
            return UnseenError(first_line(error), f"invoke check --tier={tier.name}")

    def _seen(self, request: Request) -> Seen:
        tier, project = request.tier, self.project
        target = resolve(project.settings, project.variables, tier, lambda _line: None, start=False)
        if target is None:
            raise UnseenError("not built yet", f"invoke reset --tier={tier.name}")
        evidence = survey(project, request, target, Wish()).evidence
        if evidence.database is None or evidence.identity is None:
            raise UnseenError(f"{evidence.name} does not exist yet", f"invoke check --tier={tier.name}")
        return Seen(
            request=request,
            target=target,
            evidence=evidence,
            database=evidence.database,
            identity=evidence.identity,
            connection=look(target.conninfo),
        )


# What the world may well answer in place of what was asked.
FAULTS = (DbtasksError, psycopg.Error, OSError)


def first_line(error: BaseException) -> str:
    """Return what an error says in a line, without its full stop."""
    text = error.saw if isinstance(error, RefusedError) else str(error)
    return (mask(text).strip().splitlines() or [type(error).__name__])[0].removesuffix(".")
