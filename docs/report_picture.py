"""Draw docs/report.png, docs/report-phone.png and docs/status.svg: python docs/report_picture.py

Three tiers of the sample application in a sandbox, on private servers, with a month of runs before them in the trail;
what is drawn is what `invoke report` and `invoke status` print there. Needs the group `browser`, and a Chromium.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pexpect
from picture import _run, _svg  # beside this file
from playwright.sync_api import sync_playwright

from dbtasks import trail_file
from dbtasks.effects import Effect
from dbtasks.trail import Act, Outcome, Trail, Who
from tests.outside import Finished
from tests.server.road import QUESTIONS, Project, phrase, project

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = ("anna", "ben", "cleo")
NEXT = '''"""Remember where each booking came from: the app, the site or the telephone."""
from alembic import op
import sqlalchemy as sa

revision, down_revision = "e902", "c41f"


def upgrade():
    op.add_column("bookings", sa.Column("source", sa.Text()))


def downgrade():
    op.drop_column("bookings", "source")
'''
WAIVERS = """waivers:
  - {rule: prefer-text-field, revision: c41f, reason: "the index is small, and was looked at", expires: EARLY}
  - {rule: drop-column, revision: 6bd3, reason: "both releases know the new columns", expires: LATE}
"""


def main() -> None:
    with project("instainstru") as made:
        for name in ("migrations", "seeds"):
            shutil.rmtree(made.root / name)
            shutil.copytree(ROOT / name, made.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "alembic.ini", made.root)
        past(made.root / "logs" / "database_audit.jsonl")
        today(made)
        done = made.invoke("report", USE_PROD_DATABASE="true", NO_COLOR=None)
        well(done)
        page = made.root / "logs" / "report.html"
        page.write_text(by_anna(page.read_text(encoding="utf-8")), encoding="utf-8")
        draw(page)
        lines = [by_anna(line) for line in _run(made.root, f"{sys.executable} -m invoke status", "")]
        lines = ["\x1b[1;37m$ invoke status\x1b[0m", *lines]
        Path(__file__).with_name("status.svg").write_text(_svg(lines, 132), encoding="utf-8")


def past(trail: Path) -> None:
    """Write a month of everyday runs, each with the time at which it would have been."""
    chance = random.Random(7)  # noqa: S311 - nothing is secret about it
    now = datetime.now(UTC)
    moments = sorted(now - timedelta(days=29) + timedelta(minutes=chance.randrange(28 * 24 * 60)) for _ in range(150))
    trail.parent.mkdir(exist_ok=True)
    with mock.patch.object(trail_file, "datetime", wraps=datetime) as clock:
        for number, moment in enumerate(each for each in moments if each.weekday() < 5 and 7 < each.hour < 19):
            clock.now.return_value = moment
            person, pid = chance.choice(PEOPLE), 4000 + number
            who = Who(person=person, host="desk", pid=pid, started="", surroundings="terminal", commit=None)
            everyday(Trail(trail, who), number, chance)


def everyday(trail: Trail, number: int, chance: random.Random) -> None:
    verb, tier = chance.choice(
        (("reset", "int"), ("reset", "int"), ("migrate", "stg"), ("seed", "stg"), ("migrate", "int"))
    )
    effect = Effect.DESTROY if verb == "reset" else Effect.CHANGE
    if number % 13 == 5:
        trail.refusal(Act(operation="reset", tier="prod", effect=Effect.DESTROY), code="E-NO-PERSON")
        return
    if number % 9 == 4:
        looked_at = ["int", "stg", "prod"]
        trail.note(Act(operation="score"), {"score": min(89, 40 + number // 2), "looked_at": looked_at})
        return
    entry = trail.intent(Act(operation=verb, tier=tier, effect=effect))
    failed = number % 11 == 7
    facts = {"error": "lock timeout on bookings, five times"} if failed else {"heads": ["c41f"]}
    outcome = Outcome.FAILED if failed else Outcome.DONE
    trail.result(entry, outcome=outcome, duration_ms=chance.randrange(40, 4000), detail=facts)


def today(made: Project) -> None:
    """Do what leaves the three tiers in different states: INT ahead, STG drifted, PROD backed up and one behind."""
    made.with_keys()
    day = datetime.now(UTC).date()
    early, late = (str(day + timedelta(days=days)) for days in (6, 40))
    made.file("config/waivers.yaml", WAIVERS.replace("EARLY", early).replace("LATE", late))
    well(made.invoke("reset"), made.invoke("reset --tier=stg"))
    made.urls["database_url"] = made.server_url("stg", "instainstru_prod")
    base = made.urls["database_url"].rpartition("/")[0]
    well(made.run([sys.executable, "-c", MADE, f"{base}/postgres"]))
    for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
        prod(made, words)
    prod(made, "backup --tier=prod")
    well(made.run([sys.executable, "-c", COUNTED, made.urls["database_url"]]))
    well(made.invoke("backup --tier=stg"))
    well(made.invoke("backups.verify --tier=stg"))
    made.file("migrations/versions/e902_booking_source.py", NEXT)
    well(made.invoke("migrate"))
    well(made.run([sys.executable, "-c", DRIFTED, f"{base}/instainstru_stg"]))
    made.invoke("reset --tier=prod", USE_PROD_DATABASE="true", CLAUDECODE="1")


def prod(made: Project, words: str) -> None:
    """Run a command on PROD as a person at a terminal does who means it."""
    with made.screen([sys.executable, "-m", "invoke", *words.split()], USE_PROD_DATABASE="true") as screen:
        while screen.child.expect_exact([*QUESTIONS, pexpect.EOF]) < len(QUESTIONS):
            screen.shown += screen.child.before + screen.child.after
            screen.child.send("yes\n" if screen.shown.endswith("access: ") else phrase(screen.shown))
        screen.shown += screen.child.before
        screen.child.close()
        if screen.child.exitstatus:
            raise SystemExit(screen.shown)


MADE = "import sys, psycopg; psycopg.connect(sys.argv[1], autocommit=True).execute('CREATE DATABASE instainstru_prod')"
COUNTED = "import sys, psycopg; psycopg.connect(sys.argv[1], autocommit=True).execute('ANALYZE')"
DRIFTED = "import sys, psycopg; psycopg.connect(sys.argv[1], autocommit=True).execute('CREATE INDEX ON bookings (id)')"


def well(*done: Finished) -> None:
    for each in done:
        if each.code:
            raise SystemExit(each.text)


def by_anna(text: str) -> str:
    """Return a text as it would be at somebody's desk."""
    text = re.sub(r"\broot on [\w.-]+", "anna on desk", text)
    text = re.sub(r"/(dev/shm|tmp)/[\w./-]*/project\b", "/home/anna/shop", text)
    text = re.sub(r"/\S+/bin/python", "python", text)
    return re.sub(r"(?<!:)\broot\b", "anna", text)  # a style sheet has a :root, and the page its hash


def draw(page: Path) -> None:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for name, width, height, scheme in (("report", 1080, 1580, "light"), ("report-phone", 390, 1500, "dark")):
            shown = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            shown.goto(page.as_uri())
            shown.screenshot(path=Path(__file__).with_name(f"{name}.png"))
        browser.close()


if __name__ == "__main__":
    main()
