"""Runs a cleared plan: the only code that writes to a tier.

It takes a Clearance, looks once more under the lock, and stops if the plan is not any more the one that was cleared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never
from zlib import crc32

import psycopg

from dbtasks import command, identity, registry, snapshots
from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, open_to_write, session_lock, telling_failures
from dbtasks.environment import for_command, for_worker
from dbtasks.errors import DbtasksError, PlanChangedError, ServerUnreachableError
from dbtasks.guard import Clearance, decide
from dbtasks.inspection import count_tables
from dbtasks.migrations import ledger
from dbtasks.plan import ApplyRevisions, BuildAside, HandOut, LoadSeeds, Plan, PutStamp, Step, SwapIn, Verify
from dbtasks.project import Project
from dbtasks.survey import Survey
from dbtasks.targets import Target
from dbtasks.tiers import Loss
from dbtasks.verdicts import Refuse

if TYPE_CHECKING:
    from dbtasks.migrations.upgrade import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How far a step is. `text` is empty until the step has ended."""

    step: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a clearance is used. `look_again` makes the survey anew; `entry` is the trail's number of the intent."""

    project: Project
    target: Target
    server_way: Conninfo
    entry: int
    look_again: Callable[[], Survey]
    report: Callable[[Moment], None]


@dataclass(slots=True, kw_only=True)
class Result:
    """What the steps did. `exit_code` is a handed-out command's own."""

    facts: dict[str, object] = field(default_factory=dict)
    exit_code: int = 0


def run(clearance: Clearance, site: Site) -> Result:
    """Run the plan, once. Raises what went wrong; whatever was built aside and not swapped in is gone by then."""
    plan = clearance.spend()
    work = _Work(clearance, site, plan)
    with telling_failures(plan.tier, plan.database), ExitStack() as stack:
        if any(not isinstance(step, HandOut | Verify) for step in plan.steps):
            stack.enter_context(work.locked())
            now = site.look_again()
            if now.plan.hash != plan.hash:
                raise PlanChangedError(before=plan.hash, now=now.plan.hash)
            verdict = decide(clearance.request, now.plan, now.evidence)
            if isinstance(verdict, Refuse):  # another stamp, say, which no plan shows
                raise verdict.error()
        stack.enter_context(work.cleaning_up())
        for step in plan.steps:
            work.do(step)
    return work.result


class _Work:
    """The state that the steps of one plan share."""

    def __init__(self, clearance: Clearance, site: Site, plan: Plan) -> None:
        self.clearance, self.site, self.plan = clearance, site, plan
        self.result = Result()
        self.registry: registry.Registry | None = None
        self.built: registry.Row | None = None
        self.built_oid = plan.target.oid if plan.target else 0

    # Where the steps work

    @property
    def place(self) -> Conninfo:
        """The database under construction, else the target."""
        conninfo = self.site.target.conninfo
        return conninfo.with_database(self.built.name) if self.built else conninfo

    def open(self, conninfo: Conninfo) -> Connection:
        return open_to_write(self.clearance, conninfo)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the tier's lock: in the coordination database, else in the target where none can be had."""
        conninfo = self.site.target.conninfo
        try:
            connection = registry.open_registry(self.clearance, conninfo, self.site.server_way)
            if registry.may_write(connection):
                self.registry = registry.Registry(connection, self.plan.project)
        except (ServerUnreachableError, psycopg.errors.InsufficientPrivilege):
            connection = self.open(conninfo)
        key = crc32(f"{self.plan.project}/{self.plan.tier}".encode()) & 0x7FFFFFFF
        what = f"[{self.plan.tier.upper()}] {self.plan.database}"

        def waiting(line: str) -> None:
            self.site.report(Moment(step="wait", text=line))

        with connection, session_lock(connection, key, what, waiting):
            yield

    @contextmanager
    def cleaning_up(self) -> Iterator[None]:
        """Drop what was built and not swapped in, whatever went wrong. A kill is cleaned up by the next run."""
        try:
            yield
        except BaseException:
            if self.registry is not None and self.built is not None:
                with suppress(psycopg.Error):
                    self.registry.drop(self.built)
                    text = f"{self.plan.database} is as it was; what was built aside is removed"
                    self.site.report(Moment(step="kept", text=text))
            raise

    # The steps

    def do(self, step: Step) -> None:
        started = time.monotonic()
        match step:
            case BuildAside():
                name, text = "build", self.build_aside()
            case PutStamp():
                name, text = "stamp", self.put_stamp(step)
            case ApplyRevisions():
                name, text = "migrate", self.apply_revisions(step)
            case LoadSeeds():
                name, text = "seed", self.load_seeds(step)
            case Verify():
                name, text = "verify", self.verify(step)
            case SwapIn():
                name, text = "swap", self.swap_in(step)
            case HandOut():
                name, text = "open", self.hand_out(step)
            case _:
                assert_never(step)
        if text:
            self.site.report(Moment(step=name, text=text, seconds=time.monotonic() - started))

    def build_aside(self) -> str:
        known = self._registry()
        for name in known.sweep(self.plan.tier):
            self.site.report(Moment(step="sweep", text=f"removed {name}, left by a run that was killed"))
        self.built = known.reserve(self.plan.tier, self.site.entry)
        snapshots.create_like(known.connection, self.built.name, self.plan.target.oid if self.plan.target else None)
        self.built_oid = known.record_built(self.built)
        return ""

    def put_stamp(self, step: PutStamp) -> str:
        person, plan = self.site.project.who.person, self.plan
        with self.open(self.place) as connection:
            identity.put_stamp(connection, project=plan.project, tier=plan.tier, floor=step.floor, person=person)
        if self.built is not None:
            return ""
        if self.registry is not None:
            with self.registry.connection.transaction():
                self.registry.record_live(self.plan.tier, self.plan.database, self.built_oid)
        return f"{self.plan.database} is {self.plan.tier.upper()}"

    def apply_revisions(self, step: ApplyRevisions) -> str:
        from dbtasks.migrations import upgrade  # late: most plans apply none
        from dbtasks.migrations.events import Event, RevisionApplied

        done = 0
        started = time.monotonic()

        def heard(event: Event) -> None:
            nonlocal done
            done += isinstance(event, RevisionApplied)
            seconds = time.monotonic() - started
            self.site.report(Moment(step="migrate", done=done, total=len(step.revisions), seconds=seconds))

        applied = upgrade.upgrade(self._job(step), heard)
        self.result.facts["applied"] = list(applied)
        return f"{len(applied)} revision{'s' if len(applied) != 1 else ''} to {', '.join(step.heads)}"

    def load_seeds(self, step: LoadSeeds) -> str:
        from dbtasks import seeders  # late: most plans load none

        settings = self.site.project.settings
        seeds = seeders.read(settings.root, settings.seeds, step.sets)
        if seeds.digest != step.digest:
            raise PlanChangedError(before=self.plan.hash, now=seeds.digest)
        started = time.monotonic()

        def heard(progress: seeders.Progress) -> None:
            total, seconds = progress.rows_total or 0, time.monotonic() - started
            self.site.report(Moment(step="seed", done=progress.rows_done, total=total, seconds=seconds))

        with self.open(self.place) as connection:
            connection.autocommit = False  # one transaction, committed as the block ends without an error
            free = self.clearance.evidence.situation.floor.may_lose is Loss.EVERYTHING
            loaded = seeders.load(connection, seeds, heard, may_lose=free or self.built is not None)
        self.result.facts["seeded"] = {"added": loaded.added, "changed": loaded.changed, "kept": loaded.kept}
        counts = {"added": loaded.added, "changed": loaded.changed, "kept": loaded.kept}
        rows = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count or word == "added")
        return f"{' + '.join(step.sets)}: rows {rows}"

    def verify(self, step: Verify) -> str:
        settings = self.site.project.settings
        with self.open(self.place) as connection:
            found = ledger.current(connection, settings.migrations.version_table)
            broken = ledger.invalid_indexes(connection)
            tables = count_tables(connection)
            if self.built is not None:
                connection.execute("ANALYZE")
        if found != frozenset(step.heads) or broken:
            saw = ", ".join(sorted(found)) or "no revision"
            what = f"invalid indexes: {', '.join(broken)}" if broken else f"it is at {saw}, not at the heads"
            raise DbtasksError(f"{self.plan.database} does not pass the check: {what}.")
        self.result.facts["heads"] = list(step.heads)
        return f"at head {', '.join(step.heads)}, {tables} tables, indexes valid"

    def swap_in(self, step: SwapIn) -> str:
        known = self._registry()
        if self.built is None:
            raise RuntimeError("a swap without a database built aside")
        change = snapshots.Swap(
            tier=self.plan.tier,
            name=self.plan.database,
            old_oid=self.plan.target.oid if self.plan.target else None,
            new=self.built,
            new_oid=self.built_oid,
            keep=step.keep,
        )
        started = time.monotonic()
        aside = self.site.target.conninfo.with_database(registry.COORDINATION)
        retired = snapshots.swap(known, change, lambda: self.open(aside))
        milliseconds = round((time.monotonic() - started) * 1000)
        self.built = None
        kept = retired if step.keep else None
        self.result.facts |= {"swap_ms": milliseconds, "kept": kept}
        way_back = f" · the old database is kept as {kept}" if kept else ""
        self.site.report(Moment(step="swap", text=f"swapped in, {milliseconds} ms{way_back}"))
        # What is past its retention goes. The swap stands whatever comes of that; the next reset tries again.
        with suppress(psycopg.Error):
            for row in known.rows(self.plan.tier, "retired", ended=True):
                known.drop(row)
                if step.keep:  # where nothing is kept, dropping is no news
                    self.site.report(Moment(step="prune", text=f"removed {row.name}: its retention has ended"))
        return ""

    def hand_out(self, step: HandOut) -> str:
        if not step.command:
            return ""
        environ = for_command(self.clearance, self.site.project, self.site.target, read_only=step.read_only)
        self.result.exit_code = command.run(step.command, environ)
        return ""

    def _registry(self) -> registry.Registry:
        if self.registry is None:
            raise DbtasksError("The role may not write dbtasks.registry in the server's database dbtasks.")
        return self.registry

    def _job(self, step: ApplyRevisions) -> Job:
        from dbtasks.migrations.upgrade import Job

        project, place = self.site.project, self.place
        url = place.url(self.clearance)
        return Job(
            root=project.settings.root,
            settings=project.settings.migrations,
            url=url,
            host=place.host or "",
            port=place.port,
            database=place.database,
            user=place.user,
            system_identifier=self.plan.server,
            oid=self.built_oid,
            person=project.who.person,
            entry=self.site.entry,
            checksums={each.id: each.checksum for each in step.revisions},
            environ=for_worker(project, url),
            retry=step.retry,
            log=project.settings.trail.with_name("migrations.log"),
        )
