"""Heads of a trail that people have signed: which entry it had reached, and its hash, under their SSH key.

They stand beside the trail in a file of their own, one JSON object a line, and may be copied anywhere: who takes the
file away has taken the signatures away, and can make none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dbtasks.approvals import signature, ssh_keygen
from dbtasks.approvals.signers import Signers
from dbtasks.errors import TrailError
from dbtasks.trail_file import Link
from dbtasks.values import dataclass

SIGNS = "trail@dbtasks"
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """One line of the file. `chain` is the hash of the trail's first entry."""

    project: str
    chain: str
    entry: int
    hash: str
    at: str
    signature: str = ""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    @property
    def text(self) -> str:
        """What is signed."""
        names = ("project", "chain", "entry", "hash", "at")
        return "".join(["The head of an audit trail\n", *(f"{name}: {getattr(self, name)}\n" for name in names)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A line of the file and whose it is; `problem` is what is wrong with it."""

    line: int
    head: SignedHead | None = None
    person: str = ""
    problem: str = ""


def file_of(trail: Path) -> Path:
    """Return the file in which a trail's signed heads stand."""
    return trail.with_suffix(".heads")


def head_now(project: str, chain: str, link: Link) -> SignedHead:
    """Return what there is to sign."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return SignedHead(project=project, chain=chain, entry=link.entry, hash=link.hash, at=at)


def add(trail: Path, head: SignedHead) -> None:
    """Add a signed head to the file."""
    names = ("project", "chain", "entry", "hash", "at", "signature")
    line = json.dumps({name: getattr(head, name) for name in names})
    try:
        with file_of(trail).open("a", encoding="ascii") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise TrailError(f"{file_of(trail)} cannot be written: {error.strerror}. Nothing was kept.") from None


def is_there(trail: Path) -> bool:
    return file_of(trail).exists()


def check(trail: Path, signers: Signers) -> Iterator[Checked]:
    """Yield what each line of the file comes to."""
    try:
        text = file_of(trail).read_text("utf-8", "replace")[:_LONGEST]
    except FileNotFoundError:
        return
    except OSError as error:
        raise TrailError(f"{file_of(trail)} cannot be read: {error.strerror}.") from None
    for number, line in enumerate(text.splitlines(), start=1):
        head = _parsed(line)
        if head is None:
            yield Checked(line=number, problem="is no signed head")
            continue
        said, good = _signer(head, signers)
        yield Checked(line=number, head=head, person=said if good else "", problem="" if good else said)


def _parsed(line: str) -> SignedHead | None:
    try:
        head = SignedHead(**json.loads(line))
        whole = head.moment.tzinfo is not None and type(head.entry) is int and head.entry > 0
    except (TypeError, ValueError):
        return None
    texts = (head.project, head.chain, head.hash, head.signature)
    return head if whole and all(isinstance(each, str) for each in texts) else None


def _signer(head: SignedHead, signers: Signers) -> tuple[str, bool]:
    """Return who has signed a head and that it holds, else what is wrong with it."""
    found = signature.parse(head.signature)
    if found is None or found.namespace != SIGNS:
        return "has no signature of a trail's head", False
    signer = signers.of(found.blob, SIGNS)
    if signer is None:
        return "is signed with a key that config/allowed_signers does not name for it", False
    at = head.moment
    if (signer.valid_after and at < signer.valid_after) or (signer.valid_before and at >= signer.valid_before):
        return f"is signed by {signer.person} at a time at which that key did not count", False
    if not ssh_keygen.holds(found, head.text, signer.key):
        return f"has a signature of {signer.person} that is not over this head", False
    return str(signer.person), True
