"""Who may do what, by whole processes. What is refused here is refused before any server is asked."""

from __future__ import annotations

import getpass
import json
import subprocess
from pathlib import Path

from tests.server.road import Project

PEOPLE = """
people:
  ada: {{os_user: {user}, git_email: ada@example.org}}
  job: {{ci: {{GITHUB_REF: refs/heads/main}}}}
"""
MAIN = {"CI": "true", "GITHUB_REF": "refs/heads/main"}


def test_what_is_not_for_a_person_is_refused_and_in_the_trail_and_looking_goes_on(tmp_path: Path) -> None:
    nowhere = {"stg_database_url": "postgresql://ada@127.0.0.1:1/small_stg"}
    project = Project(root=tmp_path, urls=nowhere).write()
    project.edit("config/tiers.yaml", "\ntiers:\n", f"{PEOPLE.format(user=getpass.getuser())}\ntiers:\n")
    project.edit("config/tiers.yaml", "    after: int\n", "    after: int\n    allow: {ada: [undo], job: [undo]}\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    config = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    stranger = project.invoke("undo --tier=stg", **config)
    subprocess.run(["git", "-C", str(tmp_path), "config", "user.email", "ada@example.org"], check=True)
    ada = project.invoke("seed --tier=stg", **config)
    job = project.invoke("undo --tier=stg", CI="true", GITHUB_REF="refs/heads/other", **config)
    looked = project.invoke("audit --format=json")

    for done, who, whom in (
        (stranger, "whoever config/tiers.yaml does not know", "It is for ada, job."),
        (ada, "ada", "It is for nobody there."),
        (job, "whoever config/tiers.yaml does not know", "It is for ada, job."),
    ):
        assert done.code == 3, done.text
        assert f"is not for {who}." in done.err, done.text
        assert whom in done.err, done.text
    assert [entry["outcome"] for entry in project.trail()] == ["E-NOT-ALLOWED"] * 3
    assert looked.code == 0, looked.text
    for environ in ({}, MAIN):
        allowed = project.invoke("undo --tier=stg", **config, **environ)
        assert "cannot be reached" in allowed.err, allowed.text


def test_what_an_agent_tried_stands_in_status_and_audit_finds_it(tmp_path: Path) -> None:
    project = Project(root=tmp_path).write()
    before = project.invoke("status --format=json", stg_database_url=None)
    for words in ("seed --tier=prod", "migrate --tier=prod"):
        assert project.invoke(words, CLAUDECODE="1", USE_PROD_DATABASE="true").code == 3
    assert project.invoke("migrate --tier=prod").code == 3  # a person's
    shown, told = project.invoke("status"), project.invoke("status --format=json")
    found = project.invoke("audit --agent --format=json")

    assert json.loads(before.out)["agents"] == []
    assert "AI agents were refused 2 times in a week, the last: migrate of PROD" in shown.out, shown.text
    assert "(E-AGENT). See: invoke audit --agent" in shown.out
    assert [each["code"] for each in json.loads(told.out)["agents"]] == ["E-AGENT", "E-AGENT"]
    assert [each["intent"]["operation"] for each in json.loads(found.out)] == ["seed", "migrate"]
