"""`audit --verify` and `audit --sign`: is the trail the one that was written, and who says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from dbtasks import signed_heads
from dbtasks.anchored import Answer, ask, heads, replaced
from dbtasks.anchors import Replaced
from dbtasks.approval_rules import refuse_approver
from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.keys import own_key
from dbtasks.approvals.verifying import known_signers
from dbtasks.console import Console
from dbtasks.errors import RefusedError, TrailError
from dbtasks.operations import status
from dbtasks.project import Project
from dbtasks.signed_heads import SIGNS, Checked, SignedHead
from dbtasks.trail import Act
from dbtasks.trail_file import Link
from dbtasks.trail_proof import Verdict, chain_of, verify, writable_by_others
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is known of the trail: by its chain, by the servers, by those who signed, and what stood there before."""

    verdict: Verdict
    answers: tuple[Answer, ...]
    signed: tuple[Checked, ...] = ()
    others: tuple[Replaced, ...] = ()
    problem: str = ""
    writable: tuple[Path, ...] = ()

    @property
    def ok(self) -> bool:
        """An earlier trail is excused by a person who has signed for this one since."""
        forged = any(each.problem for each in self.signed)
        since = max((each.head.moment for each in self.signed if each.head), default=_NEVER)
        return self.verdict.ok and not forged and not self.problem and all(each.at < since for each in self.others)


_NEVER = datetime.min.replace(tzinfo=UTC)


def prove(project: Project) -> Proof:
    """Return what can be proved of the project's trail. TrailError: it cannot be read."""
    trail, problem = project.settings.trail, ""
    signed: tuple[Checked, ...] = ()
    if signed_heads.is_there(trail):
        try:
            signed = tuple(signed_heads.check(trail, known_signers(project.settings.root, status.OPERATION).signers))
        except RefusedError as refused:
            problem = f"Signed heads cannot be checked: {refused.saw}"
    return weigh(trail, tuple(ask(project)), signed, problem)


def weigh(trail: Path, answers: tuple[Answer, ...], signed: tuple[Checked, ...], problem: str = "") -> Proof:
    """Return what servers and people who have signed prove of a trail."""
    chain = chain_of(trail)
    ours = tuple(each for each in signed if each.problem or (each.head is not None and each.head.chain == chain))
    known = heads(answers)
    for head in (each.head for each in ours if each.head is not None and not each.problem):
        known[head.entry] = head.hash if known.get(head.entry, head.hash) == head.hash else ""
    signed_others = (each.head for each in signed if each.head is not None and each not in ours)
    others = replaced((*(other for each in answers for other in each.known.others), *map(_replaced, signed_others)))
    return Proof(
        verdict=verify(trail, known),
        answers=answers,
        signed=ours,
        others=others,
        problem=problem,
        writable=writable_by_others(trail),
    )


def _replaced(head: SignedHead) -> Replaced:
    return Replaced(chain=head.chain, entry=head.entry, at=head.moment)


def show(project: Project, console: Console, *, as_json: bool) -> bool:
    """Write what verifying found, and return whether the trail holds."""
    proof = prove(project)
    if as_json:
        console.data(as_data(proof))
    else:
        for line in (*said(proof), *_about(proof)):
            console.text(line)
    return proof.ok


def said(proof: Proof) -> Iterator[str]:
    """Yield what verifying found, in sentences."""
    found = proof.verdict
    torn = f" {len(found.torn)} torn by a crash: line {', '.join(map(str, found.torn))}." if found.torn else ""
    if found.bad_line is not None:
        yield f"The trail is broken at line {found.bad_line} of {found.bad_file}: {found.why}.{torn}"
        yield (
            f"Proved up to entry {found.proved}." if found.proved else "No anchor and no signature confirms any of it."
        )
    elif not found.count:
        yield "There is no entry: nothing was recorded yet, or the file was taken away."
    else:
        yield f"The chain holds: {found.count} entries, the last is {found.last}.{torn}"
        if found.proved:
            yield f"Proved up to entry {found.proved}, {found.last - found.proved} after the last anchor."
        else:
            yield "No anchor confirms it: that its end was not cut off cannot be seen from the file alone."
    for other in proof.others:
        words = f"Another trail stood here, up to entry {other.entry} on {other.at.astimezone():%d %b %Y %H:%M}"
        yield f"{words}, and is not here any more. Put its file back, or sign for this one: invoke audit --sign"


def _about(proof: Proof) -> Iterator[str]:
    for answer in proof.answers:
        label = f"  [{answer.tier.label}]"
        if answer.problem:
            yield f"{label} {answer.problem}"
        elif answer.known.hashes:
            where = (
                "with the target: who can change one can change the other" if answer.with_target else "on its server"
            )
            yield f"{label} anchors up to entry {max(answer.known.hashes)}, {where}"
        else:
            yield f"{label} no anchor"
    for each in proof.signed:
        if each.problem or each.head is None:
            yield f"  line {each.line} of the signed heads {each.problem}"
        else:
            yield f"  signed by {each.person} up to entry {each.head.entry}, {each.head.at}"
    if proof.problem:
        yield f"  {proof.problem}"
    for file in proof.writable:
        yield f"  ! {file.name} can be written by others than its owner. Mend that: chmod go-w {file.name}"


def as_data(proof: Proof) -> dict[str, object]:
    """Return it as plain data."""
    found = proof.verdict
    anchors = [
        {"tier": each.tier.name, "last": max(each.known.hashes, default=0), "with_target": each.with_target}
        | {"problem": each.problem or None}
        for each in proof.answers
    ]
    signed = [
        {
            "entry": each.head.entry if each.head else None,
            "person": each.person or None,
            "problem": each.problem or None,
        }
        for each in proof.signed
    ]
    return {
        "ok": proof.ok,
        "entries": found.count,
        "last": found.last,
        "proved": found.proved,
        "after": found.last - found.proved,
        "anchored": found.anchored,
        "bad_line": found.bad_line,
        "bad_file": found.bad_file or None,
        "why": found.why or proof.problem or None,
        "torn": list(found.torn),
        "anchors": anchors,
        "signatures": signed,
        "writable_by_others": [file.name for file in proof.writable],
        "replaced": [{"entry": each.entry, "at": str(each.at)} for each in proof.others],
    }


def sign(project: Project, console: Console, key: str) -> None:
    """Sign the trail's head with the key of the person at this terminal, once it holds."""
    try:
        refused = refuse_approver(project.surroundings)
        if refused is not None:
            instead = "A person who may sign, at a terminal: invoke audit --sign"
            raise replace(refused, instead=instead).error()
        signers = known_signers(project.settings.root, status.OPERATION).signers
        found = own_key(signers, SIGNS, key)
        if found is None:
            raise RefusedError(
                code="E-SIGNERS",
                saw=f"config/allowed_signers names no key that is in {key or '~/.ssh'} and may sign a trail.",
                why="Nothing was signed.",
                instead="See which keys it names: ssh-keygen -Y find-principals",
            )
    except RefusedError as error:
        project.trail().refusal(Act(operation="audit"), code=error.code, detail={"saw": error.saw})
        raise
    proof, trail = prove(project), project.settings.trail
    chain = chain_of(trail)
    if not proof.verdict.ok or not chain:
        raise TrailError("The trail does not hold, and nothing was signed. What is wrong: invoke audit --verify")
    link = Link(entry=proof.verdict.last, hash=proof.verdict.head)
    head = signed_heads.head_now(project.settings.project, chain, link)
    signed = ssh_keygen.sign(head.text, found.path, SIGNS, may_ask=True)
    signed_heads.add(trail, replace(head, signature=signed))
    file = signed_heads.file_of(trail).name
    console.say(
        f"  {found.signer.person} has signed entry {head.entry}, {head.hash[:16]}: {file}. Keep a copy elsewhere."
    )
