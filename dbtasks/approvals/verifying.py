"""From a plan on paper to the people whose signatures stand under it."""

from __future__ import annotations

from pathlib import Path

from dbtasks.approvals import signature, ssh_keygen
from dbtasks.approvals.document import Content, Paper
from dbtasks.approvals.signers import Signers, fingerprint, read
from dbtasks.brought import Brought, Person
from dbtasks.effects import Operation, Stamping
from dbtasks.errors import RefusedError, SettingsError
from dbtasks.project_files import read_project_file
from dbtasks.settings import SIGNERS_BEFORE, SIGNERS_FILE
from dbtasks.signers_file import signers_digest
from dbtasks.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Who may sign, and the digest of the file that says so."""

    signers: Signers
    digest: str


def known_signers(root: Path, operation: Operation) -> Known:
    """Return who may sign. RefusedError where the file is missing or has mistakes: then nobody may.

    Who may sign in the future is agreed to by those who may until then. Which file that is, nobody need believe: the
    stamp has its digest.
    """
    changes = operation.stamps is Stamping.ANY and (root / SIGNERS_BEFORE).exists()
    file = SIGNERS_BEFORE if changes else SIGNERS_FILE
    try:
        text = read_project_file(root, root / file, shown=file.as_posix()).text
    except SettingsError as error:
        raise _nobody(tuple(str(each) for each in error.mistakes)) from None
    found = read(text)
    if found.mistakes:
        raise _nobody(tuple(str(each) for each in found.mistakes))
    return Known(signers=found, digest=signers_digest(text))


def bring(paper: Paper, known: Known) -> Brought:
    """Return who asks and who agrees. With a signature that is none, `forged` says which."""
    content, forged = paper.content, ""
    requester: Person | None = None
    approvers: list[Person] = []
    if paper.request:
        asked = _person(paper.request, content.text, ssh_keygen.ASKS, known.signers)
        requester, forged = (asked, "") if isinstance(asked, Person) else (None, f"Who asks for it {asked}.")
    for number, each in enumerate(paper.agreements, start=1):
        agreed = _person(each.signature, content.agreed(each.reason), ssh_keygen.AGREES, known.signers)
        if isinstance(agreed, Person):
            approvers.append(agreed)
        else:
            forged = forged or f"Approval {number} {agreed}."
    return _brought(content, known, requester, tuple(approvers), forged)


def _brought(
    content: Content, known: Known, requester: Person | None, approvers: tuple[Person, ...], forged: str
) -> Brought:
    plan = content.plan
    return Brought(
        id=content.id,
        plan=plan.hash,
        server=plan.server,
        oid=plan.target.oid if plan.target else None,
        requester=requester,
        approvers=approvers,
        signers=known.digest,
        requested_at=content.requested_at,
        expires_at=content.expires_at,
        forged=forged,
        vouched=content.vouched,
    )


def _person(armored: str, text: str, namespace: str, signers: Signers) -> Person | str:
    """Return whose signature over a text this is, else what is wrong with it, as the end of a sentence."""
    found = signature.parse(armored)
    if found is None:
        return "has no signature that can be read"
    if found.namespace != namespace:
        return f"has a signature for something else ({found.namespace[:30]!a})"
    signer = signers.of(found.blob, namespace)
    if signer is None:
        return f"signed with a key that {SIGNERS_FILE.as_posix()} does not name for it ({fingerprint(found.blob)})"
    try:
        held = ssh_keygen.holds(found, text, signer.key)
    except ssh_keygen.SigningError as error:
        return f"has a signature that cannot be checked. {str(error).removesuffix('.')}"
    return signer.person if held else f"has a signature of {signer.person} that is not over this plan"


def _nobody(mistakes: tuple[str, ...]) -> RefusedError:
    return RefusedError(
        code="E-SIGNERS",
        saw="\n  ".join(mistakes),
        why=f"Without a whole {SIGNERS_FILE.as_posix()} nobody's signature counts. Nothing was changed.",
        instead="Mend that file, then look at it with: ssh-keygen -Y find-principals",
    )
