"""The states that what may run once starts from: an approval that nobody has used, a unit that nobody has taken."""

from __future__ import annotations

from dbtasks.approvals.document import Content, read
from tests.faults import states
from tests.faults.ground import NAMES, Ground
from tests.server.approvals_ground import anew, make_key, signed, signer

_PLAN = "plan.json"


def deploy(ground: Ground) -> None:
    """Let there be a PROD whose stamp knows who signs, and a plan of seeding it."""
    folder = ground.root.with_name("keys")
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / "anna").exists():
        for name in ("anna", "ben"):
            make_key(folder, name)
    text = "".join(signer(folder / name) for name in ("anna", "ben"))
    ground.project.file("config/allowed_signers", text)
    if NAMES["prod"] not in ground.databases("prod"):
        ground.sql("prod", f"CREATE DATABASE {NAMES['prod']}")
    ground.environ["database_url"] = ground.project.urls["database_url"] = ground.url("prod", NAMES["prod"])
    for words in ("adopt --tier=prod", "migrate --tier=prod"):
        done = ground.project.prod(words)
        assert done.code == 0, done.text
    unseeded(ground)
    ground.environ["USE_PROD_DATABASE"] = "true"
    ground.works(f"plan seed --tier=prod --out={_PLAN} --key={folder / 'anna'}")
    ground.papers = read((ground.root / _PLAN).read_text(encoding="utf-8")).content
    states.clear(ground, "prod", *states.STOCK)


def unseeded(ground: Ground) -> None:
    states.unseeded("prod")(ground)


def approved(ground: Ground) -> None:
    """Let rows be missing, and lay an approval down that nobody has used."""
    unseeded(ground)
    agree(ground)


def agree(ground: Ground) -> None:
    folder = ground.root.with_name("keys")
    ground.papers = anew(_papers(ground))
    paper = signed(ground.papers, folder / "anna", folder / "ben")
    (ground.root / _PLAN).write_text(paper.as_text(), encoding="utf-8")


def _papers(ground: Ground) -> Content:
    assert ground.papers is not None
    return ground.papers


def used(ground: Ground) -> int:
    """Return how often the approval that was laid down is spent: once, or not."""
    if ground.sql("prod", "SELECT to_regclass('dbtasks.spent')", database=NAMES["prod"]) == [(None,)]:
        return 0
    rows = ground.sql("prod", "SELECT id FROM dbtasks.spent WHERE id = %s", _papers(ground).id, database=NAMES["prod"])
    return len(rows)


def limited(ground: Ground) -> None:
    """Let rows be missing, and the one run of a day be there to be taken."""
    states.unseeded("int")(ground)
    give(ground)


def give(ground: Ground) -> None:
    """Let nobody have run anything yet."""
    if ground.sql("int", _USES, database="dbtasks") != [(None,)]:
        ground.sql("int", "DELETE FROM dbtasks.uses", database="dbtasks")


def taken(ground: Ground) -> int:
    """Return how many runs count."""
    if ground.sql("int", _USES, database="dbtasks") == [(None,)]:
        return 0
    return len(ground.sql("int", "SELECT id FROM dbtasks.uses", database="dbtasks"))


_USES = "SELECT to_regclass('dbtasks.uses')"
