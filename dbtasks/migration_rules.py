"""The rules of `guard.decide` about revisions: proven before, fitting the code, tried out, taken back only when shown.

They stand in the one table of `judgement`; what holds for its rules holds for these.
"""

from __future__ import annotations

from dbtasks import proof_words
from dbtasks.effects import Effect
from dbtasks.evidence import Drift, Proof, Rehearsal, Torn
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Loss
from dbtasks.verdicts import Case, DecideRule, Refuse, refuse, refuse_agent

# How many differences of a schema a refusal names.
_MOST_PLACES = 3


def _the_history_must_fit_the_code(case: Case) -> Refuse | None:
    operation = case.request.operation
    if case.situation.proof is not Proof.CONTRADICTED or not (operation.proves or operation.takes_back):
        return None
    return _unproven("E-HISTORY", f"What {case.database} has run and what this code has contradict each other.", case)


def _what_is_torn_must_be_put_right(case: Case) -> Refuse | None:
    operation, torn = case.request.operation, case.situation.torn
    if not torn or operation.builds or not (operation.proves or operation.takes_back):
        return None
    saw = f"{torn_words(tuple(each.revision for each in torn))}."
    if case.situation.leftovers:
        saw = f"revision {_names(torn)} left {', '.join(case.situation.leftovers)} behind, invalid."
    return refuse("E-REVISION-TORN", saw, instead=torn_next(torn, case.request.tier.name))


def torn_words(torn: tuple[str, ...]) -> str:
    """Return what is known of revisions that are torn."""
    return f"revision {', '.join(torn)} left its transaction and did not come back"


def torn_next(torn: tuple[Torn, ...], tier: str) -> str:
    """Return the command that runs a torn revision again, once it is put right: the way in which it can still run."""
    first = torn[0]
    way = f"downgrade --tier={tier} --to={first.back_to}" if first.back_to else f"migrate --tier={tier}"
    taken = "Put back what its downgrade has taken away, and remove what is invalid"
    mend = taken if first.back_to else "Take back what it did (rows, DROP INDEX CONCURRENTLY ...)"
    return f"{mend}, then: invoke {way} --retry={first.revision}"


def _names(torn: tuple[Torn, ...]) -> str:
    return ", ".join(each.revision for each in torn)


def _revisions_must_be_proven(case: Case) -> Refuse | None:
    if not case.request.operation.proves or case.situation.proof not in (Proof.UNPROVEN, Proof.UNKNOWN):
        return None
    return _unproven("E-NOT-PROVEN", "The tier before has not proven the pending revisions with the same bytes.", case)


def _unproven(code: str, text: str, case: Case) -> Refuse:
    """Refuse with the report of what was found; `text` is said where there is none."""
    report = case.situation.proof_report
    if report is None:
        return refuse(code, text)
    words = proof_words.saw(report), proof_words.instead(report, case.request.operation.name)
    return Refuse(code=code, saw=words[0], why="Nothing was changed.", instead=words[1], shown=report)


def _revisions_must_have_been_rehearsed(case: Case) -> Refuse | None:
    rehearsal, said = case.situation.rehearsal, case.situation.rehearsed_as
    if not case.request.operation.rehearses:
        return None
    to = " --to=<revision>" if case.request.operation.takes_back else ""
    again = f"invoke {case.request.operation.name} --tier={case.request.tier.name}{to} --dry-run"
    if rehearsal is Rehearsal.FAILED:
        return refuse("E-REHEARSAL", f"The rehearsal failed: {_joined(said)}", instead=f"Mend it, then: {again}")
    if rehearsal is Rehearsal.CONTRADICTED:
        saw = f"What {case.database} holds does not let the revisions run: {_joined(said)}"
        return refuse("E-WOULD-FAIL", saw, instead=f"Mend the rows, or the revision, then: {again}")
    if rehearsal is Rehearsal.UNCOUNTED:
        saw = f"How much of {case.database} would be lost can be neither counted nor estimated: {_joined(said)}"
        mend = "Let the server estimate it (ANALYZE of that table), or let the role read all its rows, then:"
        return refuse("E-UNCOUNTED", saw, instead=f"{mend} {again}")
    if rehearsal is Rehearsal.NOT_REHEARSED and case.situation.floor.may_lose is Loss.NOTHING:
        saw = f"The revisions could not be rehearsed: {_joined(said)}"
        server = "Name a scratch server that can hold it in migrations.scratch in config/tiers.yaml, then:"
        return refuse("E-NOT-REHEARSED", saw, instead=f"{server} {again}")
    return None


def _joined(said: tuple[str, ...]) -> str:
    return f"{'; '.join(said).removesuffix('.')}."


def _what_takes_back_needs_a_rehearsal(case: Case) -> Refuse | None:
    floor, rehearsal = case.situation.floor, case.situation.rehearsal
    strict = floor.may_lose is Loss.NOTHING or floor.consent >= Consent.PERSON
    if not (case.request.operation.takes_back and strict) or case.effect is Effect.READ:
        return None
    if rehearsal is Rehearsal.DONE:
        return None
    return refuse(
        "E-NOT-REHEARSED",
        f"What {case.database} would lose by a downgrade has not been shown by a rehearsal.",
        instead="To go on from what it holds: write a revision that undoes it, then: invoke migrate "
        f"--through={case.request.tier.name}",
    )


def _the_role_must_be_able_to(case: Case) -> Refuse | None:
    """Only what is sure to fail is refused: whether the role owns what a revision alters, the server will say."""
    operation, lacking = case.request.operation, case.situation.lacking
    migrates = operation.proves and not operation.replaces and case.effect > Effect.READ
    if not migrates or not lacking:
        return None
    saw = f"The role may not {'; nor '.join(lacking)}."
    again = f"invoke {operation.name} --tier={case.request.tier.name} --dry-run"
    return refuse("E-RIGHTS", saw, instead=f"Let the owner grant what stands in brackets, then: {again}")


def _drift_must_be_accepted(case: Case) -> Refuse | None:
    """Nothing is built upon a schema that is not what the revisions so far have made."""
    operation, situation = case.request.operation, case.situation
    if not operation.proves or operation.builds or situation.drift in (Drift.NONE, Drift.ACCEPTED):
        return None
    tier, places = case.request.tier.name, situation.drifted
    text = f"Whether {case.database} is what its revisions produce could not be found out: {'; '.join(places)}."
    if situation.drift is Drift.THERE:
        rest = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
        text = f"{case.database} is not what its revisions produce: {'; '.join(places[:_MOST_PLACES])}{rest}."
    return refuse("E-DRIFT", text, instead=f"To see both sides of each difference: invoke drift --tier={tier}")


def _agents_accept_nothing(case: Case) -> Refuse | None:
    """A word that lifts a stop is a person's, or a script's that a person wrote; what may be lost has no stop."""
    free = case.situation.floor.may_lose is Loss.EVERYTHING
    if not case.request.operation.accepts or free or case.request.surroundings.kind is not Kind.AGENT:
        return None
    return refuse_agent(case.request)


MIGRATION_RULES: tuple[DecideRule, ...] = (
    _the_history_must_fit_the_code,
    _what_is_torn_must_be_put_right,  # whatever else stands in the way
    _revisions_must_be_proven,
    _drift_must_be_accepted,
    _agents_accept_nothing,
    _the_role_must_be_able_to,  # before it is tried out, which would fail for that
    _revisions_must_have_been_rehearsed,
    _what_takes_back_needs_a_rehearsal,
)
