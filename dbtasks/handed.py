"""A URL that `invoke run` handed to its command: looked at again before the command's own process uses it."""

from __future__ import annotations

from dbtasks.conninfo import parse
from dbtasks.environment import HANDED_URL
from dbtasks.errors import RefusedError
from dbtasks.evidence import own_stamp
from dbtasks.looking import look_at
from dbtasks.operations import open_
from dbtasks.project import Project
from dbtasks.surroundings import Kind
from dbtasks.targets import Target
from dbtasks.tiers import Consent, Tier
from dbtasks.trail import Act
from dbtasks.verdicts import Request, refuse_agent


def refuse_misled(project: Project, tier: Tier, url: str) -> None:
    """Raise RefusedError unless the URL leads to a database with this tier's stamp, in the trail either way."""
    conninfo = parse(url, variable=HANDED_URL)
    target = Target(tier=tier, conninfo=conninfo, variable=HANDED_URL, masked=conninfo.masked)
    act = Act(operation=open_.OPERATION.name, tier=tier.name, target=conninfo.masked)
    trail = project.trail()
    try:
        _agents_bring_nobody(project, tier)
        stamp = own_stamp(*look_at(target, project.settings.migrations.version_tables, lambda _oid: None))
        if stamp is None or (stamp.tier, stamp.project) != (tier.name, project.settings.project):
            raise RefusedError(
                code="E-HANDED",
                saw=f"{HANDED_URL} leads to {conninfo.masked}, which is not stamped {tier.label}.",
                why="It was left behind by another command or set by hand: `invoke run` sets it for its own command.",
                instead=f"Unset it, then: invoke status --tier={tier.name}",
            )
    except RefusedError as refused:
        trail.refusal(act, code=refused.code, detail={"saw": refused.saw})
        raise
    trail.note(act, {"purpose": "handed over by run"})


def _agents_bring_nobody(project: Project, tier: Tier) -> None:
    if tier.consent is Consent.PERSON and project.surroundings.kind in (Kind.AGENT, Kind.CI):
        request = Request(operation=open_.OPERATION, tier=tier, surroundings=project.surroundings, is_default=False)
        raise refuse_agent(request).error()
