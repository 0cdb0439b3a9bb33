"""Plans on paper: made by whoever asks, approved by others at their terminals, run where nobody sits."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dbtasks import paper_card, paper_file, spent
from dbtasks.approval_rules import demanded, refuse_approver
from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.document import Agreement, Asked, Content, Paper
from dbtasks.approvals.keys import Key, own_key, sign
from dbtasks.approvals.verifying import Known, bring, known_signers
from dbtasks.brought import Brought
from dbtasks.conninfo import mask
from dbtasks.console import Console
from dbtasks.effects import Effect, Operation
from dbtasks.errors import ConsentNotGivenError, RefusedError, UsageError
from dbtasks.evidence import Evidence, own_stamp
from dbtasks.operations import VERBS
from dbtasks.plan import ApplyRevisions, TakeBack
from dbtasks.project import Project
from dbtasks.selection import Choice, choose
from dbtasks.surroundings import Kind
from dbtasks.tiers import Consent, Tier
from dbtasks.trail import Act
from dbtasks.values import dataclass
from dbtasks.verdicts import Question, draw_places, excerpt
from dbtasks.wish import Wish
from dbtasks.wording import quoted

if TYPE_CHECKING:
    from dbtasks.pipeline import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `invoke plan` is asked for. `key` is the file to sign with, empty: the person's own."""

    operation: str
    tier: str
    out: str
    asked: Asked
    key: str = ""


def make(project: Project, console: Console, wanted: Wanted) -> dict[str, object]:
    """Write a plan to a file, signed by whoever asks where they have a key, and return what to tell of it."""
    out = paper_file.writable(wanted.out)
    with _in_the_trail(project, "plan"):
        operation, choice = _operation(wanted.operation), choose(project.settings, wanted.tier or None, project.environ)
        tier = choice.tier
        if tier.consent is not Consent.PERSON:
            raise UsageError(f"{tier.name} asks nobody's approval. Run: invoke {operation.command} --tier={tier.name}")
        known = known_signers(project.settings.root, operation)
    report = _foreseen(project, console, (operation, choice), wanted.asked)
    if report.plan.effect is Effect.READ or report.evidence is None:
        console.say("  nothing to do, and so nothing to approve")
        return {"plan": report.plan.hash, "file": None}
    with _in_the_trail(project, "plan"):
        if report.refusal is not None:
            raise report.refusal.error()
        _hold_signers(report.evidence, known)
    content = _content(project, report, report.evidence, wanted.asked)
    key, request = _request(project, console, content, known, wanted.key)
    paper_file.write(out, Paper(content=content, request=request))
    situation = report.evidence.situation
    number = demanded(operation.stamps, situation.floor.approvals, situation.approvals_before)
    people = _people(max(1, number) + (0 if key else 1))
    console.say(f"  wrote {wanted.out}, which {people} must approve until {paper_card.time(content.expires_at)}")
    asked_by = str(key.signer.person) if key else None
    told = {"operation": operation.name, "id": content.id, "requested_by": asked_by}
    project.trail().note(_act("plan", Paper(content=content)), told)
    return {"plan": content.plan.hash, "id": content.id, "file": wanted.out, "expires_at": str(content.expires_at)}


def approve(project: Project, console: Console, file: str, reason: str, wanted_key: str) -> None:
    """Show a plan to the person at this terminal, and sign it with their key once they have typed its phrase."""
    paper, tier = None, None
    trail = project.trail()
    try:
        refused = refuse_approver(project.surroundings)
        if refused is not None:
            raise refused.error()
        paper = paper_file.load(file)
        tier = _tier(project, paper)
        key, brought = _approver(project, paper, wanted_key)
        for line in paper_card.lines(console, tier, paper, brought):
            console.say(line)
        digest = paper.content.plan.hash
        phrase = f"{paper.content.plan.database} {excerpt(digest, draw_places())}"
        if console.ask(Question(prompt=f"Type {phrase} to approve exactly this plan:", expected=phrase)) != phrase:
            raise ConsentNotGivenError("Not confirmed. Nothing was signed.")
        text = paper.content.agreed(reason)
        signed = _signed(text, key)
    except (RefusedError, ConsentNotGivenError) as error:
        code = error.code if isinstance(error, RefusedError) else "E-NOT-CONFIRMED"
        trail.refusal(_act("approve", paper), code=code, detail={"reason": reason, "file": file})
        raise
    agreements = (*paper.agreements, Agreement(reason=reason, signature=signed))
    person, out = key.signer.person, paper_file.writable(file)
    trail.note(_act("approve", paper), {"id": paper.content.id, "approved_by": str(person), "reason": reason})
    paper_file.write(out, replace(paper, agreements=agreements))  # what the trail cannot keep nobody has approved
    number = paper_card.approvals(len(agreements))
    console.say(f"  approved by {person}: {file} holds {number}. Run it: invoke apply {file}")


def apply(project: Project, console: Console, file: str) -> dict[str, object]:
    """Run an approved plan, if it still is what would be done, and return what came of it."""
    from dbtasks import pipeline

    with _in_the_trail(project, "apply"):
        paper = paper_file.load(file)
        tier = _tier(project, paper)
        known = known_signers(project.settings.root, paper.content.plan.operation)
    content, brought = paper.content, bring(paper, known)
    operation = content.plan.operation
    choice = choose(project.settings, tier.name, project.environ)
    wish = replace(_wish(content.asked, operation), agreed=content.ceilings)
    reason = content.asked.reason
    call = pipeline.Call(operation=operation, choice=choice, wish=wish, reason=reason, brought=brought)
    return pipeline.carry_out(project, call, console).as_data()


# What stands for an approval while nobody has seen the plan yet.
_TO_BE = Brought(
    id="",
    plan="",
    server=0,
    oid=None,
    requester=None,
    approvers=(),
    signers="",
    requested_at=datetime.fromtimestamp(0, UTC),
    expires_at=datetime.fromtimestamp(0, UTC),
)


def _operation(name: str) -> Operation:
    there = {verb.OPERATION.name: verb.OPERATION for verb in VERBS if verb.OPERATION.on_paper}
    if name not in there:
        raise UsageError(f"there is no plan of {quoted(name)}. There are plans of: {', '.join(sorted(there))}.")
    return there[name]


def _foreseen(project: Project, console: Console, what: tuple[Operation, Choice], asked: Asked) -> Report:
    """Return what a dry run finds, and what the guard would say once others have agreed."""
    from dbtasks import pipeline  # late: what the command line refuses never loads a driver

    operation, choice = what
    wish = _wish(asked, operation)
    call = pipeline.Call(operation=operation, choice=choice, wish=wish, dry_run=True, brought=_TO_BE)
    return pipeline.carry_out(project, call, console)


def _hold_signers(evidence: Evidence, known: Known) -> None:
    """Raise where nobody could approve, before anybody is bothered: the stamp knows other signers, or none."""
    stamp = own_stamp(evidence.server, evidence.database) if evidence.database else None
    if stamp is None or stamp.floor.signers_digest != known.digest:
        raise RefusedError(
            code="E-SIGNERS",
            saw=f"config/allowed_signers is not the one that the stamp in {evidence.name} knows.",
            why="No approval would count. No plan was written.",
            instead=f"At a terminal, to say who may sign: invoke adopt --tier={evidence.tier.name}",
        )


def _content(project: Project, report: Report, evidence: Evidence, asked: Asked) -> Content:
    """Return what is to be signed; its times are the server's."""
    clock, _ = spent.look_up(report.target.conninfo.as_login(), "")
    proven = evidence.situation.proof_report
    return Content(
        id=secrets.token_hex(16),
        plan=report.plan,
        asked=asked,
        place=report.target.masked,
        asked_by=f"{project.who.person} at {project.who.host}",
        requested_at=clock,
        expires_at=clock + report.tier.approve_within,
        statements=_statements(evidence, report.plan.steps),
        at_risk=tuple(mask(str(risk)) for risk in evidence.risks if risk.loses),
        vouched=proven.vouched if proven else None,
    )


def _wish(asked: Asked, operation: Operation) -> Wish:
    return Wish(
        retry=asked.retry,
        to=asked.to,
        seed_sets=asked.seed_sets,
        entry=asked.entry,
        backup=asked.backup,
        into=asked.into,
        restored=asked.restored,
        tables=asked.tables,
        back_how=asked.back_how,
        before=asked.before,
        no_backup_because=asked.no_backup_because,
        reason=asked.reason if operation.accepts else "",
    )


def _statements(evidence: Evidence, steps: tuple[object, ...]) -> tuple[tuple[str, ...], ...]:
    """Return what each revision executed in the rehearsal, where the plan holds to it."""
    step = next((each for each in steps if isinstance(each, ApplyRevisions | TakeBack)), None)
    if step is None or evidence.rehearsed is None or not step.statements:
        return ()
    rehearsed = evidence.rehearsed
    texts = tuple(tuple(each.text for each in rehearsed.of(revision.id)) for revision in step.revisions)
    # A file that is carried around holds no secret. Then the revisions' own files are what is to be read.
    return texts if all(mask(text) == text for each in texts for text in each) else ()


def _request(project: Project, console: Console, content: Content, known: Known, wanted: str) -> tuple[Key | None, str]:
    """Return whose key the plan is asked for with, and the signature. Without one, nobody has asked."""
    key = own_key(known.signers, ssh_keygen.ASKS, wanted)
    if key is None and wanted:
        raise UsageError(f"{wanted} is no key that config/allowed_signers names. Without --key nobody asks.")
    if key is not None:
        try:
            may_ask = project.surroundings.kind is Kind.TERMINAL
            return key, sign(content.text, key, ssh_keygen.ASKS, may_ask=may_ask)
        except ssh_keygen.SigningError as error:
            if wanted:
                raise
            console.say(f"  ! {error}")
    console.say("  asked for by nobody with a key: one more person must approve")
    return None, ""


def _approver(project: Project, paper: Paper, wanted: str) -> tuple[Key, Brought]:
    """Return the key of the person here, and who has signed before.

    RefusedError unless it is somebody who may agree: known, not the one who asks, and not for the second time.
    """
    known = known_signers(project.settings.root, paper.content.plan.operation)
    brought = bring(paper, known)
    if brought.forged:
        raise _refusal("E-SIGNATURE", brought.forged)
    key = own_key(known.signers, ssh_keygen.AGREES, wanted)
    if key is None:
        where = wanted or "~/.ssh"
        raise _refusal("E-SIGNERS", f"config/allowed_signers names no key that is in {where}.")
    person = key.signer.person
    if brought.requester is not None and person.is_also(brought.requester):
        raise _refusal("E-SELF", f"{person} has asked for this plan. Somebody else must agree to it.")
    if any(person.is_also(other) for other in brought.approvers):
        raise _refusal("E-SELF", f"{person} has approved this plan already. What counts is another person.")
    return key, brought


def _signed(text: str, key: Key) -> str:
    try:
        return sign(text, key, ssh_keygen.AGREES, may_ask=True)
    except ssh_keygen.SigningError as error:
        raise _refusal("E-SIGNATURE", str(error)) from None


def _refusal(code: str, saw: str) -> RefusedError:
    instead = "Somebody else who may sign, at a terminal: invoke approve plan.json"
    return RefusedError(code=code, saw=saw, why="Nothing was signed.", instead=instead)


def _tier(project: Project, paper: Paper) -> Tier:
    plan = paper.content.plan
    if plan.project != project.settings.project:
        saw = f"The plan is of project {plan.project[:40]!a}, and this is {project.settings.project}."
        raise RefusedError(code="E-OTHER-TARGET", saw=saw, why="Nothing was changed.", instead="Run: invoke status")
    known = {tier.name: tier for tier in project.settings.tiers}
    if plan.tier not in known:
        saw = f"The plan is of tier {plan.tier[:40]!a}, which this project does not have."
        raise RefusedError(code="E-OTHER-TARGET", saw=saw, why="Nothing was changed.", instead="Run: invoke status")
    return known[plan.tier]


@contextmanager
def _in_the_trail(project: Project, operation: str) -> Iterator[None]:
    """Write a refusal down that comes before there is a call that could."""
    try:
        yield
    except RefusedError as refused:
        detail = {"saw": refused.saw}
        project.trail().refusal(Act(operation=operation), code=refused.code, detail=detail)
        raise


def _act(operation: str, paper: Paper | None) -> Act:
    if paper is None:
        return Act(operation=operation)
    content = paper.content
    return Act(operation=operation, tier=content.plan.tier, target=content.place, plan=content.plan.hash)


def _people(count: int) -> str:
    return f"{count} {'person' if count == 1 else 'people'}"
