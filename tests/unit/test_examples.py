"""The workflows in `examples/` name tasks and flags that exist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.docs_commands import problems

WORKFLOW = Path(__file__).parents[2] / "examples" / "github_actions" / "deploy.yml"


def lines(document: Any) -> list[str]:
    """Return every line of shell that the jobs run."""
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def test_the_deployment_names_tasks_that_exist_and_goes_the_whole_way() -> None:
    found = lines(yaml.safe_load(WORKFLOW.read_text()))

    assert [problem for line in found for problem in problems(line, frozenset(), frozenset())] == []
    assert [line.split()[1] for line in found if line.startswith("invoke ")] == ["plan", "apply"]
