"""`supabase`: the provider recovers, and its management API says how far that reaches. Not verified live.

It was written by the API's published schema and is tried on answers that are made from that; no project of theirs was
asked. The log cannot be read from here, so that a mark is believed by the provider's word alone, and only by one that
is exact: PITR is on, and the span that it can recover to begins before the mark and ends after it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from dbtasks.conninfo import Conninfo, Secret
from dbtasks.database import Connection, Inspection
from dbtasks.errors import RefusedError, UsageError
from dbtasks.recovery import goals
from dbtasks.recovery.asking import NoAnswerError, ask
from dbtasks.recovery.goals import AtTime, BeforeMark, Goal
from dbtasks.recovery.marks import Mark
from dbtasks.recovery.proof import Promise, Unproven
from dbtasks.tiers import RecoveryEngine, Tier
from dbtasks.values import dataclass

API = "https://api.supabase.com"
DASHBOARD = "https://supabase.com/dashboard"
# Its log is sent every two minutes, so that five are enough where all is well; its API takes 60 questions a minute.
PATIENCE_S, PAUSE_S = 300.0, 10.0
_FAILURES = 3  # one after another
_AHEAD = timedelta(minutes=1)

_DIRECT = re.compile(r"db\.([a-z]{20})\.supabase\.co")
_POOLER = re.compile(r"[a-z0-9-]{1,60}\.pooler\.supabase\.com")
_USER = re.compile(r".+\.([a-z]{20})", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What the provider says that it can recover to: any moment of it."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Why there is no span now; the next answer may have one. `failed`: it was no answer."""

    why: str
    failed: bool = False


class _Physical(msgspec.Struct):
    earliest_physical_backup_date_unix: int | None = None
    latest_physical_backup_date_unix: int | None = None


class _Backups(msgspec.Struct):
    """The part of the API's answer that is relied upon. What else it holds may change."""

    pitr_enabled: bool
    physical_backup_data: _Physical


def project_of(conninfo: Conninfo, tier: Tier) -> str:
    """Return the project that a connection leads to, by its host and its user; UsageError where that is not certain."""
    host, user = conninfo.host.lower(), _USER.fullmatch(conninfo.user or "")
    direct = _DIRECT.fullmatch(host)
    if direct and not (user and user[1] != direct[1]):
        return direct[1]
    if user and _POOLER.fullmatch(host):
        return user[1]
    said = f"the host is the project {direct[1]}, the user is of {user[1]}" if direct and user else conninfo.place
    raise UsageError(
        f"tiers.{tier.name}.recovery says engine: supabase, and the connection leads to no project of Supabase for "
        f"certain: {said}. Connect to db.<project>.supabase.co, or as <role>.<project> to its pooler."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Supabase:
    """A project. `variable` names the variable that `token` is from; `token` is `None` where that is not set."""

    project: str
    tier: Tier
    variable: str
    token: Secret | None
    patience_s: float = PATIENCE_S
    pause_s: float = PAUSE_S
    name: str = RecoveryEngine.SUPABASE.value

    def promise(self, connection: Connection, mark: Mark, report: Callable[[str], None]) -> Promise | Unproven:
        """Wait until the provider says that it can recover to right before a mark. That takes minutes."""
        if self.token is None:
            return self._unset()
        return self.awaited(mark, _pass_by(connection, mark), report)

    def awaited(self, mark: Mark, now: datetime, report: Callable[[str], None]) -> Promise | Unproven:
        """Ask until the span holds the mark. `now` is the server's clock at the first question."""
        begun, failures, last = time.monotonic(), 0, ""
        while True:
            found = self.span()
            spent = time.monotonic() - begun
            if isinstance(found, Span):
                found = self._judged(found, mark, now + timedelta(seconds=spent))
            if isinstance(found, Span):
                return Promise(
                    engine=self.name,
                    mark=mark.name,
                    to=_second(mark.at),
                    since=found.since,
                    until=found.until,
                    seconds=spent,
                )
            if isinstance(found, Unproven):
                return found
            failures = failures + 1 if found.failed else 0
            if spent > self.patience_s or failures >= _FAILURES:
                return _unproven(
                    f"{found.why}, after {spent:.0f} s of asking.", "Run this again when the dashboard shows it."
                )
            if found.why != last:
                report(f"waits: {found.why} ({RecoveryEngine.SUPABASE.in_words})")
                last = found.why
            time.sleep(self.pause_s)

    def span(self) -> Span | NotYet | Unproven:
        """Ask once what can be recovered to."""
        if self.token is None:
            return self._unset()
        try:
            answer = ask(f"{API}/v1/projects/{self.project}/database/backups", self.token, Inspection())
        except NoAnswerError as error:
            if error.again:
                return NotYet(why=f"Supabase's API gives no answer: {error}", failed=True)
            return _unproven(f"Supabase's API gives no answer: {error}.", "Mend that, then run this again.")
        if answer.status == 200:
            return self._read(answer.body)
        return self._turned_away(answer.status)

    def way(self, goal: Goal) -> str:
        """Return how a person has the provider recover to a goal, beside the live project."""
        moment = _moment(goal)
        when = f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else f"the time of {goals.told(goal)}"
        return f"choose {when} at {DASHBOARD}/project/{self.project}/database/backups/restore-to-new-project"

    def refusal(self, goal: Goal) -> RefusedError:
        """Return why no recovery is begun from here, and the way that there is."""
        found, moment = self.span(), _moment(goal)
        if isinstance(found, Span):
            outside = moment is not None and not found.since <= moment <= found.until
            said = f"It says that it can recover to {_words(found)}{', so not to this one' if outside else ''}."
        else:
            said = f"{found.why.removesuffix('.')}."
        return RefusedError(
            code="E-PROVIDER",
            saw=f"Supabase itself recovers [{self.tier.label}], its project {self.project}, and dbtasks begins no "
            f"recovery there ({RecoveryEngine.SUPABASE.in_words}). {said}",
            why="One into the live project replaces it as a whole, with what was written since; one into a new project "
            "leaves it as it is, and shows what would come back.",
            instead=f"Beside the live one: {self.way(goal)}. What was saved here: "
            f"invoke backups --tier={self.tier.name}",
        )

    def _judged(self, found: Span, mark: Mark, now: datetime) -> Span | NotYet | Unproven:
        if not found.since <= found.until <= now + _AHEAD:
            return _unproven(
                f"Supabase says that it can recover to {_words(found)}, and it is {now.astimezone(UTC):%H:%M:%S} UTC: "
                "that cannot be.",
                "Look at what the dashboard shows.",
            )
        if found.since > _second(mark.at):
            return _unproven(
                f"Supabase can recover to {_words(found)}, and the mark lies before that.",
                "Wait until its first backup is older than the command, then run this again.",
            )
        if found.until < mark.at:
            return NotYet(why=f"Supabase can recover to {_words(found)}, and the mark is of {_clock(mark.at)}")
        return found

    def _read(self, body: bytes) -> Span | NotYet | Unproven:
        try:
            said = msgspec.json.decode(body, type=_Backups)
            first, last = (
                said.physical_backup_data.earliest_physical_backup_date_unix,
                said.physical_backup_data.latest_physical_backup_date_unix,
            )
            if not said.pitr_enabled:
                return _unproven(
                    f"Supabase says that point-in-time recovery is off for the project {self.project}.",
                    f"Turn it on at {DASHBOARD}/project/{self.project}/database/backups/pitr and run this again.",
                )
            if first is None or last is None:
                return NotYet(why="Supabase names no moment that it can recover to")
            return Span(since=datetime.fromtimestamp(first, UTC), until=datetime.fromtimestamp(last, UTC))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, OverflowError, OSError):
            text = "Supabase's API answers in another form than its published schema has."
            return _unproven(text, "Look at what the dashboard shows, and tell whoever maintains dbtasks.")

    def _turned_away(self, status: int) -> NotYet | Unproven:
        if status == 429:
            return NotYet(why="Supabase's API is asked too often (429)")
        if status >= 500:
            return NotYet(why=f"Supabase's API fails ({status})", failed=True)
        if status == 401:
            why = f"Supabase does not take the token in {self.variable} (401)."
            return _unproven(why, f"Make a new one at {DASHBOARD}/account/tokens and set the variable to it.")
        if status in (403, 404):
            why = f"Supabase shows the backups of the project {self.project} not to the token in {self.variable}"
            return _unproven(f"{why} ({status}).", "Use one that may read that project's backups.")
        return _unproven(f"Supabase's API answers with the status {status}.", "Look at what the dashboard shows.")

    def _unset(self) -> Unproven:
        return _unproven(
            f"{self.variable} is not set, so that Supabase cannot be asked.",
            f"Make one at {DASHBOARD}/account/tokens that may read the project's backups, and set the variable to it.",
        )


def _unproven(why: str, instead: str) -> Unproven:
    return Unproven(why=f"{why.removesuffix('.')} ({RecoveryEngine.SUPABASE.in_words}).", instead=instead)


def _pass_by(connection: Connection, mark: Mark) -> datetime:
    """Commit something in a later second than the mark's, and return the server's clock then.

    The provider counts in whole seconds, by what was committed, and sends nothing of a server that is idle.
    """
    while True:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        now = row[0] if row else None
        if not isinstance(now, datetime):  # never
            raise TypeError("a clock without a time")
        left = (_second(mark.at) + timedelta(seconds=1) - now).total_seconds()
        if left <= 0:
            break
        time.sleep(min(left, 1.0))
    connection.execute("SELECT txid_current()")
    if mark.switched:
        connection.execute("SELECT pg_switch_wal()")
    return now


def _moment(goal: Goal) -> datetime | None:
    """Return the time of a goal, as far as the provider can be told one."""
    match goal:
        case BeforeMark(mark=mark):
            return _second(mark.at)
        case AtTime(at=at):
            return _second(at)
    return None


def _second(at: datetime) -> datetime:
    """Return the last whole second before a moment: what is committed after the moment is left out for certain."""
    return at.astimezone(UTC).replace(microsecond=0)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


def _words(span: Span) -> str:
    return f"any moment from {span.since:%Y-%m-%d %H:%M:%S} to {span.until:%Y-%m-%d %H:%M:%S} UTC"
