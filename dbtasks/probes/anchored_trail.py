"""Whether somebody besides the trail itself knows it: anchors on the servers, and signatures of people."""

from __future__ import annotations

from collections.abc import Iterator

from dbtasks.probes.ground import Ground
from dbtasks.proof_view import prove, said
from dbtasks.safety import About, Finding, failed, passed, unknown

ABOUT = About(
    name="anchored_trail",
    promise="what the trail says is confirmed by servers or signatures, so that its end cannot be cut off unseen",
    feature=False,
)


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what those who know of the trail say of it."""
    proof = prove(ground.project)
    found = proof.verdict
    if not proof.ok:
        yield failed(next(iter(said(proof))).removesuffix("."), "invoke audit --verify")
        return
    if not found.proved:
        yield unknown("no server that was asked and no signature knows an entry of this trail", "invoke audit --verify")
        return
    beside = any(each.known.hashes and not each.with_target for each in proof.answers)
    if not (beside or proof.signed):
        saw = "its anchors lie in the databases that they are about: who can change one can change the other"
        yield failed(saw, "invoke audit --sign")
        return
    yield passed(f"proved up to entry {found.proved} of {found.last}")
