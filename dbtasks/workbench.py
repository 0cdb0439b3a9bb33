"""What the steps of one plan share while it runs: the clearance, the database under construction, the registry."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg

from dbtasks.conninfo import Conninfo
from dbtasks.database import Connection, open_to_write
from dbtasks.elsewhere import Elsewhere
from dbtasks.environment import for_worker
from dbtasks.errors import DbtasksError
from dbtasks.guard import Clearance
from dbtasks.kept import maker
from dbtasks.moment import Moment
from dbtasks.plan import Plan, SwapIn
from dbtasks.recipe import Recipe, wanted
from dbtasks.registry import Registry, Row
from dbtasks.site import Site
from dbtasks.stock import Found, Stock
from dbtasks.tiers import Consent

if TYPE_CHECKING:
    from dbtasks.recovery.rooms import Recovered


class Workbench:
    """The state that the steps of one plan share.

    `built` is the database built aside, `stamp` what was written into it, `inputs` what its build opened; `found` is
    what the stock had of it, `record` what is noted beside a database that is kept in stock. `elsewhere` is the server
    that it is built on where that is not the target's, `recovered` one that was brought to an earlier point. `doubt` is
    why what the seeds made must not be kept, `not_kept` what was said of that.
    """

    def __init__(self, clearance: Clearance, site: Site, plan: Plan) -> None:
        self.clearance, self.site, self.plan = clearance, site, plan
        self.result = site.result
        self.known: Registry | None = None
        self.built: Row | None = None
        self.built_oid = plan.target.oid if plan.target else 0
        self.stamp: Mapping[str, object] | None = None
        self.inputs: Mapping[str, object] | None = None
        self.found: Found | None = None
        self.record: Mapping[str, object] | None = None
        self.told: list[str] = []
        self.doubt = ""
        self.not_kept: list[str] = []
        self.elsewhere: Elsewhere | None = None
        self.recovered: Recovered | None = None

    @property
    def place(self) -> Conninfo:
        """The database under construction, else the target."""
        conninfo = self.site.target.conninfo
        if self.built is None:
            return conninfo
        return self.elsewhere.way(self.built.name) if self.elsewhere else conninfo.with_database(self.built.name)

    @property
    def system_identifier(self) -> int:
        """Of the server that `place` leads to."""
        return self.elsewhere.identifier if self.elsewhere and self.built else self.plan.server

    @property
    def by_schemas(self) -> bool:
        """Whether the plan replaces schemas inside the target, since no database can be created beside it."""
        return any(isinstance(step, SwapIn) and step.schemas is not None for step in self.plan.steps)

    @property
    def keeps_stock(self) -> bool:
        """Whether what is built may be kept for the next time: not where a person must consent, nor elsewhere."""
        return self.clearance.evidence.situation.floor.consent < Consent.PERSON and not self.by_schemas

    @property
    def target_oid(self) -> int | None:
        return self.plan.target.oid if self.plan.target else None

    def open(self, conninfo: Conninfo) -> Connection:
        return open_to_write(self.clearance, conninfo)

    def report(self, step: str, text: str) -> None:
        self.site.report(Moment(step=step, text=text))

    def registers(self, connection: Connection) -> None:
        """Take this connection to the coordination database for the registry's."""
        self.known = Registry(connection, self.plan.project, maker(self.site.project.who))

    def registry(self) -> Registry:
        """Return the registry. DbtasksError where the role may not write it."""
        if self.known is None:
            raise DbtasksError("The role may not write dbtasks.registry in the server's database dbtasks.")
        return self.known

    def stock(self) -> Stock:
        """Return the tier's stock of databases, which knows whether a build now would open the same."""
        from dbtasks.inputs import Inputs, changed  # late: most plans build nothing

        settings = self.site.project.settings
        environ = for_worker(self.site.project, self.site.target.conninfo.url(self.clearance))

        def changes(inputs: Mapping[str, object]) -> str | None:
            seen = Inputs.from_data(inputs)
            return changed(seen, settings.root, environ, variables=settings.migrations.variables)

        return Stock(self.registry(), self.plan.tier, changes)

    @property
    def recipe(self) -> Recipe:
        """What the plan's database is built from."""
        settings, server = self.site.project.settings, self.clearance.evidence.server
        migrations = settings.migrations
        return wanted(
            self.plan,
            {
                "server": server.version_number,
                "histories": [
                    [each.name, each.config.as_posix(), each.section, each.version_table] for each in migrations.each
                ],
                "python": str(migrations.python or ""),
                "program": list(migrations.program),
                "url_variables": list(migrations.url_variables),
                "seeds": settings.seeds.name,
            },
        )

    def drop_built(self) -> None:
        """Drop what was built and not used, whatever went wrong. A kill is cleaned up by the next run."""
        known = self.elsewhere.known if self.elsewhere else self.known
        if known is None or self.built is None:
            return
        if self.built.kind == "spare":  # nobody has touched it
            return
        aside = "what was built aside goes with the next run"
        with suppress(psycopg.Error):
            known.drop(self.built)
            aside = "what was built aside is removed"
        if self.target_oid is not None:
            aside = f"{self.plan.database} is in service as it was; {aside}"
        self.report("kept", aside)

    def leave(self) -> None:
        """Close what was opened for this plan alone."""
        if self.elsewhere is not None:
            self.elsewhere.close()
