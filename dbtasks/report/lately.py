"""What the trail tells: what happened last, how much on which day, what is unfinished, which plans were approved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from pathlib import Path

from dbtasks import proof_view
from dbtasks.author import Who
from dbtasks.errors import TrailError
from dbtasks.overview import last_run
from dbtasks.project import Project
from dbtasks.report import Asked, Day, Report, Told
from dbtasks.surroundings import Kind
from dbtasks.tiers import Loss, Tier
from dbtasks.trail_query import REFUSED, Entry, Filters, newest, read
from dbtasks.trail_runs import Run, State, runs
from dbtasks.trail_runs import unfinished as without_result
from dbtasks.values import dataclass

AGENTS_WITHIN = timedelta(days=7)
DAYS = 30
_MOST = 40
_SCORE = "score"  # as `score_history` names its notes; what it imports a glance has no time for
_READ = 400  # of these the runs are left out that the tests of an expendable tier make all day
_BAD = frozenset({State.FAILED, State.INTERRUPTED, State.PARTIAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a glance tells of the trail: by tier what happened last, what did not finish, what agents were refused.

    `score` is the note of the last score that was measured.
    """

    last: Mapping[str, str]
    unfinished: tuple[Run, ...]
    agents: tuple[Entry, ...]
    score: Entry | None = None


class Reader:
    """Reads the trail, and reads it again only where it has changed since, or something was running."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._seen: tuple[tuple[int, int, int], Glance] | None = None

    def glance(self) -> Glance:
        """Return what it tells. TrailError: it cannot be read."""
        project, trail = self._project, self._project.settings.trail
        state = _state_of(trail)
        if self._seen is not None and self._seen[0] == state:
            return self._seen[1]
        there = without_result(trail, project.who)
        found = Glance(
            last={tier.name: last_run(project, tier) for tier in project.settings.tiers},
            unfinished=tuple(_not_made_good(there, trail, project.who)),
            agents=tuple(agents(trail)),
            score=_last_score(trail),
        )
        running = any(run.state is State.RUNNING for run in there)  # it may end without a word
        self._seen = None if running else (state, found)
        return found


def _last_score(trail: Path) -> Entry | None:
    found = [each for each in read(trail, Filters(operation=_SCORE)) if isinstance(each.detail.get("score"), int)]
    return found[-1] if found else None


def _state_of(trail: Path) -> tuple[int, int, int]:
    try:
        found = trail.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _not_made_good(there: list[Run], trail: Path, who: Who) -> Iterator[Run]:
    """Yield what did not finish and was not made good since, by the same operation on the same tier."""
    for run in there:
        done = Filters(tier=run.first.tier, operation=run.first.operation, outcome=State.DONE)
        later = runs(trail, done, who, limit=1)
        if run.state is not State.RUNNING and not (later and later[-1].number > run.number):
            yield run


def agents(trail: Path) -> list[Entry]:
    """Return what agents were refused within the last week, the newest last."""
    since = datetime.now(UTC) - AGENTS_WITHIN
    return list(read(trail, Filters(surroundings=Kind.AGENT, outcome=REFUSED, since=since)))


def told(report: Report, project: Project) -> Report:
    """Return a report with what the trail tells. A trail that cannot be read is told as such."""
    trail, who, settings = project.settings.trail, project.who, project.settings
    try:
        proof = proof_view.prove(project)
        expendable = {tier.name for tier in settings.tiers if tier.may_lose is Loss.EVERYTHING}
        recent = [
            run
            for run in runs(trail, Filters(), who, limit=_READ)
            if run.first.operation != _SCORE and not (run.first.operation == "open" and run.first.tier in expendable)
        ]
        return replace(
            report,
            trail=Told(holds=proof.ok, words=" ".join(proof_view.said(proof))),
            recent=tuple(recent[-_MOST:]),
            days=tuple(days(trail, report.at)),
            plans=tuple(plans(trail, settings.tiers, report.at - timedelta(days=DAYS))),
        )
    except TrailError as error:
        return replace(report, trail=Told(holds=False, words=str(error)))


def days(trail: Path, now: datetime) -> Iterator[Day]:
    """Yield the last days, the oldest first, by the clock of `now`. Runs count on the day on which they began."""
    first = now.date() - timedelta(days=DAYS - 1)
    since = datetime.combine(first, datetime.min.time(), now.tzinfo).astimezone(UTC)
    begun, failed, refused = Counter[date](), Counter[date](), Counter[date]()
    for entry in takewhile(lambda entry: entry.moment >= since, newest(trail, Filters())):
        day = entry.moment.astimezone(now.tzinfo).date()
        if entry.kind == "intent":
            begun[day] += 1
        elif entry.kind == "refusal":
            refused[day] += 1
        elif entry.kind == "result" and entry.outcome in _BAD:
            failed[day] += 1
    for day in (first + timedelta(days=number) for number in range(DAYS)):
        yield Day(day=day, runs=begun[day], failed=failed[day], refused=refused[day])


def plans(trail: Path, tiers: tuple[Tier, ...], since: datetime) -> Iterator[Asked]:
    """Yield the plans that were written for others to approve, the newest first, with what became of them."""
    within = {tier.name: tier.approve_within for tier in tiers}
    approved: dict[str, list[str]] = {}
    used: dict[str, int] = {}
    for entry in read(trail, Filters(text="approv", since=since)):
        approval = entry.detail.get("approval")
        if entry.operation == "approve" and entry.kind == "note":
            approved.setdefault(str(entry.detail.get("id")), []).append(str(entry.detail.get("approved_by")))
        elif entry.kind == "intent" and isinstance(approval, dict):
            used[str(approval.get("id"))] = entry.entry
    written = [each for each in read(trail, Filters(operation="plan", since=since)) if each.kind == "note"]
    for entry in reversed(written):
        id_ = str(entry.detail.get("id"))
        yield Asked(
            id=id_,
            tier=entry.tier or "",
            operation=str(entry.detail.get("operation", "")),
            at=entry.moment,
            ends=entry.moment + within.get(entry.tier or "", timedelta(0)),
            person=str(entry.detail.get("requested_by") or entry.person),
            approved_by=tuple(approved.get(id_, ())),
            used=used.get(id_),
        )
