"""Fixtures that several files here use: real servers, each started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbtasks import embedded
from dbtasks.programs import find_server_programs
from tests import launcher
from tests.outside import Sandbox, sandbox
from tests.server.seeding import seed_server as seed_server
from tests.server.shop import shop as shop
from tests.server.shop import shop_server as shop_server


@pytest.fixture(scope="session")
def server() -> Iterator[embedded.Server]:
    """A private throw-away server in a project of its own."""
    with sandbox() as box:
        yield embedded.ensure(box.root, embedded.Kind.THROWAWAY)


@pytest.fixture(scope="session")
def external() -> Iterator[launcher.External]:
    """A server that dbtasks did not start, of another major version than the embedded one."""
    bindir = launcher.installed(other_than=find_server_programs().major)
    if bindir is None:
        pytest.skip("no PostgreSQL of another major version is installed on this machine")
    with launcher.external(bindir) as running:
        yield running


@pytest.fixture
def fresh() -> Iterator[Sandbox]:
    """A sandbox in which nothing was started yet."""
    with sandbox() as box:
        yield box
