"""Whether PROD waits for a person: the real guard is asked by everybody else, and the stamp holds it to that."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.effects import Effect
from dbtasks.evidence import own_stamp
from dbtasks.operations import migrate
from dbtasks.probes.drills import stopped
from dbtasks.probes.ground import Ground, Seen
from dbtasks.probes.guard_answers import NOBODY, let_in, unasked, verdict
from dbtasks.safety import About, Finding, failed, passed
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent
from dbtasks.verdicts import Ask

ABOUT = About(
    name="production_confirmation",
    promise="nothing but a person who read the plan and typed its phrase changes what is real",
    critical=True,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what the guard says to every operation on the tiers that need a person, and what the drill showed."""
    if not any(tier.consent is Consent.PERSON for tier in ground.project.settings.tiers):
        yield failed("no tier needs a person's consent", "Write consent: person for it in config/tiers.yaml")
        return

    def judge(seen: Seen) -> Iterator[Finding]:
        yield _of(ground, seen)

    tiers = tuple(tier for tier in ground.tiers if tier.consent is Consent.PERSON)
    yield from ground.over(tiers, judge, none="no tier that needs a person's consent was asked")
    yield stopped(ground, ABOUT.name)


def _of(ground: Ground, seen: Seen) -> Finding:
    tier, name = seen.tier.label, seen.tier.name
    through = let_in(ground, seen, NOBODY, Effect.READ, yes=True)
    if through:
        return failed(f"{tier}: {through} there with --yes and the flag", ABOUT.page, name)
    free = unasked(ground, seen, Effect.READ)
    if free:
        return failed(f"{tier}: a person may {free} without being asked", ABOUT.page, name)
    stamp = own_stamp(seen.evidence.server, seen.database)
    if stamp is None or stamp.floor.consent is not Consent.PERSON:
        saw = f"{tier}: only the settings demand a person; its stamp does not, and files are edited"
        return failed(saw, f"invoke adopt --tier={name}", name)
    asked = verdict(ground, seen, migrate.OPERATION, Kind.TERMINAL)
    phrases = len(asked.questions) if isinstance(asked, Ask) else 0
    typed = f", a person types {phrases} answers" if phrases else ""
    return passed(
        f"{tier}: {len(NOBODY)} kinds of processes are refused everything{typed}, and its stamp says so", name
    )
