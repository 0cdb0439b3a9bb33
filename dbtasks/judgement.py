"""The rules of `guard.decide`: what the live database forbids, and what a person must be asked.

Read from the top; the first rule that speaks decides. A rule only ever refuses or asks, so that taking one away can
only loosen: the tests take each away and see an invariant break.
"""

from __future__ import annotations

from dbtasks.approval_rules import APPROVAL_RULES
from dbtasks.arming_rules import ARMING_RULES
from dbtasks.effects import Effect, Stamping
from dbtasks.evidence import Contents, NameState, Rehearsal, Replacing, Route, ServerRole, StampState, Use
from dbtasks.migration_rules import MIGRATION_RULES
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Loss
from dbtasks.verdicts import Ask, Case, DecideRule, Question, Refuse, excerpt, refuse, refuse_agent, refuse_nobody
from dbtasks.way_back_rules import WAY_BACK_RULES

YES_TO_PRODUCTION = "Type 'yes' to confirm production access:"
_TIMELINE = "The server's timeline has changed (a failover, or a promoted copy?)."

# Said after the safe command: what the server's owner can do so that a reset is possible at all.
_GRANT = {
    Replacing.NO_REGISTRY: ". For resets, as its owner: GRANT INSERT, UPDATE, DELETE ON dbtasks.registry TO <role>",
    Replacing.NO_CREATEDB: ". For resets, as a superuser: ALTER ROLE <role> CREATEDB",
}


def _stamp_must_be_this_tiers(case: Case) -> Refuse | None:
    stamped = case.situation.stamped_as.upper() or "as another tier"
    texts = {
        StampState.OTHER_TIER: ("E-STAMP", f"is stamped {stamped}. Whatever its URL says, the server decides."),
        StampState.OTHER_PROJECT: ("E-PROJECT", "is stamped by another project that uses this server."),
        StampState.UNREADABLE: ("E-UNREADABLE", "holds a stamp that cannot be read. What is unknown is refused."),
    }
    if case.situation.stamp not in texts:
        return None
    code, text = texts[case.situation.stamp]
    return refuse(code, f"The database {case.database} {text}")


def _a_copy_is_not_the_original(case: Case) -> Refuse | None:
    adopting = case.request.operation.stamps is Stamping.ANY
    if case.situation.stamp is not StampState.COPIED or adopting:
        return None
    return refuse(
        "E-COPIED",
        f"The database {case.database} carries the stamp of another database: it is a copy or a restored dump.",
        instead=f"To take it over on purpose: invoke adopt --tier={case.request.tier.name}",
    )


def _name_must_not_claim_another_tier(case: Case) -> Refuse | None:
    if case.situation.name is not NameState.OTHER:
        return None
    text = f"The name {case.database} says that this database belongs to another tier than {case.request.tier.label}."
    return refuse("E-NAME", text)


def _never_a_recovered_server(case: Case) -> Refuse | None:
    if case.situation.server_role is not ServerRole.RECOVERED:
        return None
    saw = (
        f"The server is a recovered copy beside the live one: {case.database} there is to be looked at and copied from."
    )
    return refuse("E-RECOVERED", saw)


def _only_a_live_primary(case: Case) -> Refuse | None:
    if case.situation.server_role is ServerRole.STANDBY and not case.request.managed:
        return refuse("E-STANDBY", "The server is a standby: it follows another server and takes no writes.")
    if case.situation.use is Use.LIVE or _is_usable_clone(case):
        return None
    text = f"The database {case.database} is {case.situation.use.value}, not a live one."
    more = ". A test that needs another database asks for the fixture fresh_database"
    return refuse("E-NOT-LIVE", text, more=more if case.situation.use is Use.CLONE else "")


def _is_usable_clone(case: Case) -> bool:
    """Whether this is a test's own database, and what is asked would neither make it the tier's nor drop the tier's."""
    situation, operation = case.situation, case.request.operation
    free = situation.floor.may_lose is Loss.EVERYTHING and situation.floor.consent is Consent.NONE
    reaches_out = operation.replaces or operation.drops or operation.stamps is Stamping.ANY
    own = situation.use is Use.CLONE and situation.stamp is StampState.MATCHES
    return own and free and not reaches_out


def _writes_need_a_direct_connection(case: Case) -> Refuse | None:
    if case.situation.route is Route.DIRECT or case.request.operation.hands_out:
        return None
    return refuse(
        "E-POOLER",
        "The connection goes through a pooler, where settings and locks are shared between clients.",
        instead="Set the tier's URL to the server itself, then run: invoke check",
    )


def _must_exist(case: Case) -> Refuse | None:
    if case.situation.contents is not Contents.ABSENT:
        return None
    if case.request.operation.replaces and _may_be_built(case):
        return None
    obstacle = case.situation.replacing
    also = f", and {obstacle.value}" if obstacle is not Replacing.POSSIBLE else ""
    return refuse(
        "E-ABSENT",
        f"There is no database {case.database} on that server{also}.",
        instead=_build_instead(case),
    )


def _must_be_stamped(case: Case) -> Refuse | None:
    if case.situation.stamp is not StampState.MISSING:
        return None
    stamps, blank = case.request.operation.stamps, case.situation.contents is not Contents.HOLDS
    if stamps is Stamping.ANY or (stamps is Stamping.EMPTY and blank and _is_plain(case)):
        return None
    return refuse(
        "E-NO-STAMP",
        f"The database {case.database} carries no stamp that says which tier it is.",
        instead=_build_instead(case),
    )


def _a_way_back_must_be_kept(case: Case) -> Refuse | None:
    replacing = case.situation.replacing
    if not case.request.operation.replaces or replacing is Replacing.POSSIBLE:
        return None
    if replacing is Replacing.BY_SCHEMAS and case.situation.floor.may_lose is not Loss.NOTHING:
        return None
    instead = f"To bring its schema up to date and keep its rows: invoke migrate --tier={case.request.tier.name}"
    if not case.request.operation.builds:
        instead = _harmless(case)
    saw = f"{case.database} cannot be kept aside while another takes its place: {replacing.value}."
    if replacing is Replacing.OBSTACLES:
        found = "; ".join(case.situation.obstacles)
        return refuse("E-OBSTACLE", f"{case.database} cannot be kept aside, nor its schemas: {found}.", instead=instead)
    return refuse("E-NO-WAY-BACK", saw, instead=instead + _GRANT.get(replacing, ""))


def _the_stamps_floor_binds(case: Case) -> Refuse | None:
    """Hold a tier to its stamp when the settings have become looser, as `admit` holds it to the settings."""
    if case.situation.floor.consent < Consent.PERSON or case.request.managed:
        return None
    kind = case.request.surroundings.kind
    if kind is Kind.AGENT:
        return refuse_agent(case.request)
    if kind is not Kind.TERMINAL and (case.request.brought is None or kind is Kind.PYTEST):
        return refuse_nobody(case.request)
    if not case.request.flag_on:
        text = f"The stamp in {case.database} demands the tier's flag and a person; the settings demand less."
        return refuse("E-FLOOR", text)
    return None


def _a_person_confirms(case: Case) -> Ask | None:
    if case.situation.floor.consent < Consent.PERSON or case.request.managed or case.request.brought is not None:
        return None
    questions = [Question(prompt=YES_TO_PRODUCTION, expected="yes")]
    # Whoever gets the way in can do with it what they like, and `yes` is what a pipe says to everything.
    if case.effect > Effect.READ or case.request.operation.hands_out:
        phrase = f"{case.database} {excerpt(case.plan_hash, case.request.places)}"
        news = f"{_TIMELINE} " if case.situation.stamp is StampState.PROMOTED else ""
        questions.append(Question(prompt=f"{news}Type {phrase} to run exactly this plan:", expected=phrase))
    return Ask(questions=tuple(questions))


def _taking_over_asks(case: Case) -> Refuse | Ask | None:
    """A stamp on data that is already there, or a changed timeline, is one person's deliberate word."""
    adopting = case.request.operation.stamps is Stamping.ANY
    plain = case.situation.contents is Contents.EMPTY and case.situation.name is NameState.FITS
    matches = case.situation.stamp is StampState.MATCHES
    lowers = case.request.tier.floor != case.situation.floor
    deliberate = adopting and (lowers if matches else not plain or case.situation.stamp is StampState.COPIED)
    # What only reads records nothing, and a runtime must come back after a failover by itself.
    unseen = case.situation.stamp is StampState.PROMOTED and case.effect > Effect.READ and not case.request.managed
    # Whoever approved an adoption has read what is taken over; what changed since then is in no plan.
    agreed = case.request.brought is not None
    if not unseen and (agreed or not deliberate):
        return None
    if case.request.surroundings.kind is not Kind.TERMINAL:
        return refuse(
            "E-TAKE-OVER",
            f"Only a person at a terminal can say that {case.database} is {case.request.tier.label} from now on.",
            instead=f"At a terminal: invoke adopt --tier={case.request.tier.name}",
        )
    return _ask_for_name(case, f"{_TIMELINE} Go on with" if unseen else "Adopt")


def _destroying_asks(case: Case) -> Refuse | Ask | None:
    floor, request = case.situation.floor, case.request
    free = floor.consent is Consent.NONE and floor.may_lose is Loss.EVERYTHING
    if case.effect < Effect.DESTROY or free or request.brought is not None:
        return None
    if request.surroundings.kind is Kind.AGENT and floor.may_lose is not Loss.EVERYTHING:
        return refuse_agent(request)
    yes_counts = floor.scripts_may_answer and request.surroundings.kind is not Kind.PYTEST
    if request.surroundings.kind is Kind.TERMINAL or (yes_counts and request.yes):
        return _ask_for_name(case, request.operation.name.replace("_", " ").capitalize(), yes_counts=yes_counts)
    return refuse(
        "E-NO-ANSWER",
        f"{_loss(case)}, and nobody is here to be asked ({request.surroundings.because}).",
        instead=_harmless(case) + (". A script that means it passes --yes." if yes_counts else ""),
    )


def _loss(case: Case) -> str:
    """Return what would be lost, in each operation's own words."""
    operation = case.request.operation
    if operation.lifts:
        return f"{operation.command} would take the guards away that stand inside {case.database}"
    if operation.takes_back:
        return f"{operation.name} would take back revisions of {case.database}, with what they have made"
    if operation.rehearses:
        unknown = case.situation.rehearsal is Rehearsal.NOT_REHEARSED
        return f"{operation.name} {'may' if unknown else 'would'} take data from {case.database}"
    if operation.drops:
        return f"{operation.name} would drop for good what is kept of {case.database} and whose time is over"
    if operation.restores and not operation.replaces:
        return f"{operation.command} would give rows of {case.database} the values that a backup has"
    if operation.replaces and not operation.builds:
        return f"{operation.name} would take {case.database} as it is now out of service"
    return f"{operation.name} would replace what {case.database} holds"


def _harmless(case: Case) -> str:
    """Return the command that loses nothing and answers what the refused one was for."""
    operation, tier = case.request.operation, case.request.tier.name
    if operation.lifts:
        return f"To see which guards stand: invoke harden --check --tier={tier}"
    if operation.takes_back:
        return f"To see what would be taken back: invoke {operation.name} --tier={tier} --to=<revision> --dry-run"
    if operation.drops or operation.rehearses:
        return f"To see what would go: invoke {operation.name} --tier={tier} --dry-run"
    if operation.restores:
        return f"To see what there is: invoke backups --tier={tier}"
    if operation.replaces and not operation.builds:
        return f"To see what is kept: invoke {operation.name} --list --tier={tier}"
    return f"To keep its rows: invoke migrate --tier={tier}"


def _ask_for_name(case: Case, verb: str, *, yes_counts: bool = False) -> Ask:
    prompt = f"{verb} [{case.request.tier.label}] {case.database}? Type its name to go on:"
    return Ask(questions=(Question(prompt=prompt, expected=case.database),), yes_counts=yes_counts)


def _is_plain(case: Case) -> bool:
    """Whether an empty database may become this tier's without a person's word."""
    return case.situation.floor.consent < Consent.PERSON and case.situation.name is NameState.FITS


def _may_be_built(case: Case) -> bool:
    # Building what does not exist needs the same trust as adopting what is empty.
    return _is_plain(case) and case.situation.replacing is Replacing.POSSIBLE


def _build_instead(case: Case) -> str:
    tier, contents = case.request.tier, case.situation.contents
    adopt = f"invoke adopt --tier={tier.name}"
    if _may_be_built(case) and contents is not Contents.HOLDS:
        build = f"invoke reset --tier={tier.name}"
        if case.request.operation.recovers:
            return f"Build it, then run this again: invoke restore --tier={tier.name} --backup=latest, else {build}"
        return f"To build it: {build}"
    if contents is Contents.ABSENT:
        return f"Create it with your server's own tools, then stamp it on purpose: {adopt}"
    return f"To stamp it on purpose: {adopt}"


DECIDE_RULES: tuple[DecideRule, ...] = (
    _never_a_recovered_server,
    _stamp_must_be_this_tiers,
    _a_copy_is_not_the_original,
    _name_must_not_claim_another_tier,
    _only_a_live_primary,
    _must_exist,
    _must_be_stamped,
    _writes_need_a_direct_connection,
    _a_way_back_must_be_kept,
    _the_stamps_floor_binds,
    *MIGRATION_RULES,
    *WAY_BACK_RULES,
    *APPROVAL_RULES,
    *ARMING_RULES,
    _a_person_confirms,
    _taking_over_asks,
    _destroying_asks,
)
