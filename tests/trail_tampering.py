"""What somebody may do to a trail, and what of it is seen: by its chain alone, by anchors, by signatures.

The table in docs/trail.md is what `table` gives: a test compares.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dbtasks.anchored import Answer
from dbtasks.anchors import Known, Replaced
from dbtasks.approvals import ssh_keygen
from dbtasks.approvals.signers import Signers, read
from dbtasks.proof_view import Proof, weigh
from dbtasks.rotation import Rotation, files_aside, trail_files
from dbtasks.signed_heads import SIGNS, add, check, file_of, head_now
from dbtasks.tiers import Colour, Consent, Loss, Tier
from dbtasks.trail import Act, Trail, whoami
from dbtasks.trail_file import START, Link, first_hash, parse_link, seal
from tests.server.approvals_ground import make_key, signer

SEED = Act(operation="seed", tier="stg")
STG = Tier(
    name="stg", label="STG", colour=Colour.YELLOW, url_variable="u", may_lose=Loss.ASKED, consent=Consent.QUESTION
)
ENTRIES, ANCHORED, SIGNED = 30, range(2, 29, 2), 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A trail of several files, an older copy of it, what a server keeps of it, and who may sign."""

    path: Path
    older: Path
    chain: str
    hashes: dict[int, str]
    signers: Signers
    mallory: Path


def lay(folder: Path) -> Ground:
    """Write a trail of thirty entries, every other one anchored, the twentieth signed, the last two after all that."""
    path, older = folder / "logs" / "audit.jsonl", folder / "older"
    keys = folder / "keys"
    keys.mkdir()
    anna, mallory = make_key(keys, "anna"), make_key(keys, "mallory")
    trail = Trail(path, whoami("terminal", Path("/")), Rotation(size_bytes=3_000))
    hashes: dict[int, str] = {}
    for number in range(1, ENTRIES + 1):
        trail.note(SEED, {"number": number})
        assert trail.written is not None
        hashes[number] = trail.written.hash
        if number == 15:
            shutil.copytree(path.parent, older)
        if number == SIGNED:
            head = head_now("shop", hashes[1], trail.written)
            add(path, replace(head, signature=ssh_keygen.sign(head.text, anna, SIGNS, may_ask=False)))
    known = {number: hashes[number] for number in ANCHORED}
    return Ground(path=path, older=older, chain=hashes[1], hashes=known, signers=read(signer(anna)), mallory=mallory)


# What is done


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def second(ground: Ground) -> Path:
    """Return a file in the middle, which was put aside."""
    return files_aside(ground.path)[1]


def edit(ground: Ground) -> None:
    path = second(ground)
    path.write_bytes(path.read_bytes().replace(b'"operation":"seed"', b'"operation":"sand"', 1))


def remove(ground: Ground) -> None:
    first, _, *others = lines(second(ground))
    second(ground).write_bytes(b"".join([first, *others]))


def insert(ground: Ground) -> None:
    first, *others = lines(second(ground))
    second(ground).write_bytes(b"".join([first, first, *others]))


def reorder(ground: Ground) -> None:
    one, two, *others = lines(second(ground))
    second(ground).write_bytes(b"".join([two, one, *others]))


def cut(ground: Ground) -> None:
    """Cut the end off, down to entry 10."""
    for file in reversed(trail_files(ground.path)):
        kept = [line for line in lines(file) if (link := parse_link(line[:-1])) is not None and link.entry <= 10]
        if kept:
            file.write_bytes(b"".join(kept))
            return
        file.unlink()


def cut_late(ground: Ground) -> None:
    """Cut off what nobody outside knows of yet."""
    kept = [line for line in lines(ground.path) if (link := parse_link(line[:-1])) is not None and link.entry <= 28]
    ground.path.write_bytes(b"".join(kept))


def rewrite(ground: Ground, *, first: int) -> None:
    """Write everything anew from an entry on, with hashes that are right."""
    link: Link = START
    for file in trail_files(ground.path):
        new = []
        for line in lines(file):
            number, body = link.entry + 1, line.split(b",", 2)[2].rsplit(b',"prev"', 1)[0]
            changed = body.replace(b'"seed"', b'"sand"') if number >= first else body
            moment = line.split(b'"', 6)[5].decode()
            new.append(seal(link, moment, changed))
            found = parse_link(new[-1][:-1])
            assert found is not None
            link = found
        file.write_bytes(b"".join(new))


def replace_by_older(ground: Ground) -> None:
    for file in trail_files(ground.path):
        file.unlink()
    for file in ground.older.glob("audit*.jsonl"):
        shutil.copy(file, ground.path.parent / file.name)


def forge_head(ground: Ground) -> None:
    """Write everything anew from entry 12 on, and sign the new head with a key that nobody knows."""
    rewrite(ground, first=12)
    entries = [parse_link(line[:-1]) for file in trail_files(ground.path) for line in lines(file)]
    link = next(link for link in entries if link is not None and link.entry == SIGNED)
    head = head_now("shop", ground.chain, link)
    file_of(ground.path).unlink()
    add(ground.path, replace(head, signature=ssh_keygen.sign(head.text, ground.mallory, SIGNS, may_ask=False)))


def delete_all(ground: Ground) -> None:
    for file in trail_files(ground.path):
        file.unlink()


def begin_anew(ground: Ground) -> None:
    delete_all(ground)
    Trail(ground.path, whoami("terminal", Path("/"))).note(SEED)


def remove_a_file(ground: Ground) -> None:
    second(ground).unlink()


def swap_files(ground: Ground) -> None:
    one, two, *_ = files_aside(ground.path)
    aside = one.with_name("aside")
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


ATTACKS: dict[str, Callable[[Ground], None]] = {
    "an entry is edited": edit,
    "an entry is removed": remove,
    "an entry is put in": insert,
    "two entries change places": reorder,
    "the end is cut off": cut,
    "the end is cut off behind the last anchor": cut_late,
    "all is written anew from entry 12 on, with hashes that are right": lambda ground: rewrite(ground, first=12),
    "all is written anew from the first entry on": lambda ground: rewrite(ground, first=1),
    "an older copy is put in its place": replace_by_older,
    "all is written anew, and its head signed with a key of their own": forge_head,
    "every file is taken away": delete_all,
    "every file is taken away, and work goes on": begin_anew,
    "a file that was put aside is taken away": remove_a_file,
    "two files get each other's names": swap_files,
}

# What it is seen by


def known(ground: Ground) -> Answer:
    """Return what a server would answer, which knows nothing of what was done: see `anchors.read`."""
    chain = first_hash(ground.path)
    if chain == ground.chain:
        return Answer(tier=STG, known=Known(hashes=ground.hashes))
    other = Replaced(chain=ground.chain, entry=max(ground.hashes), at=datetime.now(UTC))
    return Answer(tier=STG, known=Known(hashes={}, others=(other,)))


def seen(ground: Ground, *, anchors: bool, signatures: bool) -> Proof:
    signed = tuple(check(ground.path, ground.signers)) if signatures else ()
    return weigh(ground.path, (known(ground),) if anchors else (), signed)


def tried(ground: Ground, attack: str) -> tuple[Proof, Proof, Proof]:
    """Do it, look by each, and put everything back."""
    folder, kept = ground.path.parent, ground.path.parent.with_name("kept")
    shutil.copytree(folder, kept)
    try:
        ATTACKS[attack](ground)
        return (
            seen(ground, anchors=False, signatures=False),
            seen(ground, anchors=True, signatures=False),
            seen(ground, anchors=False, signatures=True),
        )
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


def table(ground: Ground) -> str:
    """Return the table for people: what each of them sees."""
    head = ["what is done", "the chain alone", "with anchors", "with a signed head"]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * 4, *(_row(ground, each) for each in ATTACKS)))


def _row(ground: Ground, attack: str) -> list[str]:
    return [attack, *("not seen" if proof.ok else "caught" for proof in tried(ground, attack))]
