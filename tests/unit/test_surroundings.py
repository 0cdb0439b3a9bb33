"""What a process is, from its environment and its streams."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from dbtasks.surroundings import (
    AGENT_MARKER_FILES,
    AGENT_MARKERS,
    CI_MARKERS,
    PYTEST_MARKERS,
    RELOADER_MARKERS,
    Kind,
    Process,
    Surroundings,
    recognise,
)
from dbtasks.tiers import Marker
from tests.unit.guard_cells import INT, PROD, STG

PERSON = Process(environ={}, stdin_is_terminal=True, stderr_is_terminal=True)
RUNTIME = (
    INT,
    replace(PROD, runtime_markers=(Marker(variable="FLY_APP_NAME"), Marker(variable="ROLE", value="web"))),
)


def at_a_terminal(**environ: str) -> Process:
    return replace(PERSON, environ=environ)


def kinds(*processes: Process) -> list[Kind]:
    return [recognise(process, RUNTIME).kind for process in processes]


@pytest.mark.parametrize("value", ["", "0", "false", "1"], ids=["empty", "0", "false", "1"])
@pytest.mark.parametrize("marker", AGENT_MARKERS)
def test_an_agents_marker_counts_by_its_presence(marker: str, value: str) -> None:
    expected = Surroundings(kind=Kind.AGENT, because=f"{marker} is set")

    assert recognise(at_a_terminal(**{marker: value})) == expected


@pytest.mark.parametrize("value", ["", "0", "1"], ids=["empty", "0", "1"])
@pytest.mark.parametrize("marker", PYTEST_MARKERS)
def test_a_child_of_pytest_is_known_by_what_it_inherits(marker: str, value: str) -> None:
    expected = Surroundings(kind=Kind.PYTEST, because=f"{marker} is set")

    assert recognise(at_a_terminal(**{marker: value})) == expected


def test_a_process_that_has_loaded_pytest_is_under_pytest() -> None:
    expected = Surroundings(kind=Kind.PYTEST, because="pytest is loaded in this process")

    assert recognise(replace(PERSON, pytest_imported=True)) == expected


@pytest.mark.parametrize("marker", CI_MARKERS)
def test_a_ci_services_marker_counts_unless_it_says_no(marker: str) -> None:
    said = [
        recognise(at_a_terminal(**{marker: value})) for value in ("true", "1", "https://ci", "false", "False", "0", "")
    ]

    ci = Surroundings(kind=Kind.CI, because=f"{marker} is set")
    person = Surroundings(kind=Kind.TERMINAL, because="standard input and standard error are a terminal")
    assert said == [ci, ci, ci, person, person, person, person]


@pytest.mark.parametrize(
    ("environ", "because"),
    [
        ({"OR_APP_NAME": "Aider"}, "OR_APP_NAME is Aider"),
        ({"REPLIT_SESSION": "agent-42"}, "REPLIT_SESSION names an agent"),
    ],
)
def test_an_agents_marker_that_people_share_counts_by_its_value(environ: dict[str, str], because: str) -> None:
    assert recognise(at_a_terminal(**environ)) == Surroundings(kind=Kind.AGENT, because=because)


@pytest.mark.parametrize(
    "environ",
    [
        {"OR_APP_NAME": "MyApp"},
        {"REPLIT_SESSION": "my-agent-42"},
        {"REPL_ID": "x"},
        {"CURSOR_TRACE_ID": "x"},
        {"COPILOT_MODEL": "x"},
        {"MY_AGENT": "1"},
        {"TERM": "xterm", "USER": "anna"},
    ],
    ids="+".join,
)
def test_what_people_have_in_their_environment_makes_no_agent_of_them(environ: dict[str, str]) -> None:
    assert kinds(at_a_terminal(**environ)) == [Kind.TERMINAL]


def test_an_agents_marker_file_counts() -> None:
    (path,) = AGENT_MARKER_FILES
    found = [recognise(replace(PERSON, marker_files=files)).because for files in ((path,), ("/opt/other",))]

    assert found == ["/opt/.devin exists", "standard input and standard error are a terminal"]


def test_more_agents_can_be_declared_and_none_taken_away() -> None:
    declared = [recognise(at_a_terminal(**{name: ""}), (), ("OUR_BOT",)).because for name in ("OUR_BOT", "CLAUDECODE")]

    assert declared == ["OUR_BOT is set", "CLAUDECODE is set"]
    assert recognise(at_a_terminal(OUR_BOT="")).kind is Kind.TERMINAL


SIGNS = {
    Kind.PYTEST: {"PYTEST_VERSION": "9"},
    Kind.AGENT: {"CLAUDECODE": "1"},
    Kind.CI: {"CI": "true"},
    Kind.RUNTIME: {"FLY_APP_NAME": "shop"},
    Kind.TERMINAL: {"TERM": "xterm"},
}


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(SIGNS, 2)], ids=lambda kind: kind.value)
def test_of_two_signs_the_stricter_kind_wins(first: Kind, second: Kind) -> None:
    assert kinds(at_a_terminal(**SIGNS[second], **SIGNS[first])) == [first]


@pytest.mark.parametrize(
    ("stdin", "stderr", "expected"),
    [
        (True, True, Surroundings(kind=Kind.TERMINAL, because="standard input and standard error are a terminal")),
        (True, False, Surroundings(kind=Kind.SCRIPT, because="standard error is not a terminal")),
        (False, True, Surroundings(kind=Kind.SCRIPT, because="standard input is not a terminal")),
        (False, False, Surroundings(kind=Kind.SCRIPT, because="standard input is not a terminal")),
    ],
    ids=["both", "stdin only", "stderr only", "neither"],
)
def test_a_person_is_there_only_where_both_streams_are_a_terminal(
    stdin: bool, stderr: bool, expected: Surroundings
) -> None:
    assert recognise(Process(environ={}, stdin_is_terminal=stdin, stderr_is_terminal=stderr)) == expected


@pytest.mark.parametrize(
    ("environ", "because"),
    [
        ({"FLY_APP_NAME": "shop"}, "FLY_APP_NAME marks the managed runtime of PROD"),
        ({"ROLE": "web"}, "ROLE marks the managed runtime of PROD"),
    ],
)
def test_a_declared_marker_makes_a_managed_runtime_of_its_tier(environ: dict[str, str], because: str) -> None:
    expected = Surroundings(kind=Kind.RUNTIME, because=because, runtime_tier="prod")

    assert recognise(at_a_terminal(**environ), RUNTIME) == expected


@pytest.mark.parametrize("environ", [{"FLY_APP_NAME": ""}, {"ROLE": "worker"}, {"ROLE": ""}], ids=str)
def test_an_empty_or_another_value_makes_no_runtime(environ: dict[str, str]) -> None:
    assert kinds(at_a_terminal(**environ)) == [Kind.TERMINAL]


def test_a_marker_that_no_tier_declares_makes_no_runtime() -> None:
    assert recognise(at_a_terminal(FLY_APP_NAME="shop"), (INT, STG)).kind is Kind.TERMINAL


@pytest.mark.parametrize("kind", [Kind.PYTEST, Kind.AGENT, Kind.CI])
def test_only_a_runtime_carries_a_runtimes_tier(kind: Kind) -> None:
    assert recognise(at_a_terminal(**SIGNS[kind], FLY_APP_NAME="shop"), RUNTIME).runtime_tier is None


@pytest.mark.parametrize("marker", RELOADER_MARKERS)
def test_a_reloaders_marker_is_noted_beside_the_kind(marker: str) -> None:
    found = [recognise(process).reloaded for process in (at_a_terminal(**{marker: "true"}), PERSON)]

    assert found == [True, False]


def test_a_worker_process_counts_as_reloaded() -> None:
    script = replace(PERSON, stdin_is_terminal=False, is_worker=True)

    assert [recognise(each).reloaded for each in (replace(PERSON, is_worker=True), script)] == [True, True]
