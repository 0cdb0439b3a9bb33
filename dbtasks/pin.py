"""Holds a test process, and the Python processes that it starts, to the default tier.

`dbtasks.pth` runs at each start of Python. It calls `watch` at once in a child of a test, else when the first module of
pytest is imported, so that no option of pytest comes before it.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # the real one would import `typing` at each start of Python
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from dbtasks.settings import Settings

UNDER_PYTEST = "DBTASKS_UNDER_PYTEST"  # the process id of the first pytest; its children inherit it
MARKERS = (UNDER_PYTEST, "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_VERSION")
PINNED_PROJECT = "DBTASKS_PINNED_PROJECT"  # the folder that a child stays held to, wherever it is started
PINNED_DATABASE = "DBTASKS_PINNED_DATABASE"  # the name of the default tier's own database, beside its clones
HANDED = ("DBTASKS_HANDED_TIER", "DBTASKS_HANDED_URL")  # what `invoke run` gave to the command that runs pytest
_FILE = os.path.join("config", "tiers.yaml")  # noqa: PTH118  # pathlib is dear at each start of Python
# The packages that speak to PostgreSQL, whose modules `dbtasks.reach` holds, and what else could be used to do so.
DRIVERS = frozenset(
    {
        *("psycopg", "psycopg_binary", "psycopg_c", "psycopg_pool", "psycopg2", "asyncpg", "pg8000", "sqlalchemy"),
        *("psqlpy", "psycopg2cffi", "_pg", "pg", "postgresql", "adbc_driver_postgresql"),
    }
)
_HEARD = frozenset({"import", "socket.connect", "socket.getaddrinfo", "ctypes.dlsym", "ctypes.dlsym/handle"})


def watch(*looked_for: Any) -> ModuleSpec | None:
    """Pin this process if it is a test's child, and keep watching for pytest. `looked_for` is what is imported now."""
    watchers = [finder for finder in sys.meta_path if isinstance(finder, Watcher)]
    watcher = watchers[0] if watchers else Watcher()
    if not watchers:
        sys.meta_path.insert(0, watcher)
    if any(marker in os.environ for marker in MARKERS):
        PIN.hold_here()
    return watcher.find_spec(*looked_for) if looked_for else None


class Watcher:
    """Sees pytest being imported. It finds nothing itself, and whoever merely looks for pytest does not wake it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if PIN.root and name.partition(".")[0] in DRIVERS:
            # By name, as below: what holds the drivers stands above this module.
            spec: ModuleSpec | None = _reach().find(self, name, path, target)
            return spec
        if not name.startswith("_pytest."):
            return None
        if not PIN.root:
            PIN.hold_here()
        return self._hooked(name, path, target) if name == "_pytest.config" else None

    def _hooked(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        """Return what the others find, so that our plugin is in place once the module is loaded."""
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None or spec.loader is None:
            return spec
        loader = spec.loader

        def exec_module(module: ModuleType) -> None:
            del loader.__dict__["exec_module"]
            loader.exec_module(module)
            _always_join(module.PytestPluginManager)

        loader.__dict__["exec_module"] = exec_module
        return spec


def _reach() -> Any:
    """Return what holds the drivers; a process that uses none never loads it."""
    from importlib import import_module

    return import_module("dbtasks.reach")


def _hear(event: str, arguments: Sequence[Any], heard: frozenset[str] = _HEARD) -> None:
    """See what Python is about to do. Python offers no way to take such a hook out again."""
    if event not in heard:  # a default, since the module's own names go first when Python ends
        return
    if event != "import":
        _reach().hear(event, arguments)
    elif not (sys.meta_path and isinstance(sys.meta_path[0], Watcher)):
        # It comes first, for a finder before it would answer alone.
        sys.meta_path[:] = [Watcher(), *(finder for finder in sys.meta_path if not isinstance(finder, Watcher))]


def _always_join(manager: Any) -> None:
    """Make every plugin manager of pytest begin with our plugin: nothing on the command line comes before that."""
    from importlib import import_module

    begin = manager.__init__

    def begin_with_us(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        # By name: the plugin stands above everything, this module under most, and it imports pytest.
        import_module("dbtasks.pytest_plugin").join(self)

    manager.__init__ = begin_with_us


class Names:
    """The environment variables that a project's settings speak of, in upper case: spellings differ in case only."""

    def __init__(self, settings: Settings) -> None:
        urls = [name for tier in settings.tiers for name in tier.url_variables]
        self.flags = frozenset(tier.flag.upper() for tier in settings.tiers if tier.flag)
        self.default = settings.default.url_variable
        self.tiers = frozenset(name.upper() for name in urls) - {self.default.upper()}
        self.others = tuple(
            name
            for name in dict.fromkeys((*settings.migrations.url_variables, *urls))
            if name.upper() != self.default.upper()
        )


def changes(environ: Mapping[str, str], names: Names, url: str, drivers: Mapping[str, str]) -> dict[str, str | None]:
    """Return what must be set, or with `None` removed, so that the environment leads to `url` and nowhere else.

    Without a URL the variables become empty: one that is set is not set again by an application's `load_dotenv()`.
    What a `_FILE` of theirs names is a way in as well.
    """
    own = (names.default,) if url else ()
    gone = names.flags | {f"{name}_FILE".upper() for name in (*names.others, *own)}
    wanted: dict[str, str | None] = {name: None for name in environ if name.upper() in gone or _never(name)}
    for name in (*names.others, *own):
        for spelling in _spellings(name):
            wanted[spelling] = url.replace("://", f"{drivers.get(name.upper(), '')}://", 1)
    return {name: value for name, value in wanted.items() if environ.get(name) != value}


def blind_changes(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return what to remove where the settings cannot be read: whatever looks like a flag of ours or a way in."""
    return {
        name: None
        for name, value in environ.items()
        if _never(name)
        or (name.upper().startswith("USE_") and name.upper().endswith("_DATABASE"))
        or value.lower().startswith(("postgres:", "postgresql:", "postgresql+"))
    }


def driver(url: str) -> str:
    """Return the driver that SQLAlchemy is to use, as the URL names it.

    >>> driver("postgresql+asyncpg://anna@db-7/shop"), driver("postgresql://anna@db-7/shop")
    ('+asyncpg', '')
    """
    scheme, _, rest = url.partition("://")
    _, plus, name = scheme.partition("+")
    return f"{plus}{name}" if rest and name.isalnum() else ""


def project_around(start: str) -> str:
    """Return the nearest folder, from `start` upwards, that holds `config/tiers.yaml`; empty where none does."""
    here = os.path.realpath(start)
    while not os.path.lexists(os.path.join(here, _FILE)):  # noqa: PTH118
        here, below = os.path.dirname(here), here  # noqa: PTH120
        if here == below:
            return ""
    return here


class Pin:
    """What one process is held to. `ignored` are the flags that were on; `problem` is why settings cannot be read."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self.environ = environ
        self.is_child = UNDER_PYTEST in environ
        self.root = ""
        self.settings: Settings | None = None
        self.names: Names | None = None
        self.problem: Exception | None = None
        self.url = ""
        self.ignored: dict[str, str] = {}
        self.elsewhere: set[str] = set()  # URLs that other tiers' variables held
        self.entered: set[tuple[str, int]] = set()  # the servers that our own code may work on
        self.cleared: tuple[str, str] | None = None  # the only database, by server and oid, of one who migrates it
        self._drivers: dict[str, str] = {}
        self._inherited = environ.get(PINNED_PROJECT, "") if self.is_child else ""
        self.database = environ.get(PINNED_DATABASE, "") if self.is_child else ""
        self._heard = False

    def hold_here(self) -> None:
        """Pin this process if its working directory is in a project, or if its parent was pinned to one."""
        try:
            start = os.getcwd()  # noqa: PTH109
        except OSError:  # the folder was removed
            start = ""
        root = self._inherited or (project_around(start) if start else "")
        if root:
            self.hold(root)

    def hold(self, root: str) -> None:
        """Pin this process to the default tier of the project in `root`. Never raises: see `problem`.

        A child stays with its parent's project.
        """
        root = self._inherited or root
        self.environ.setdefault(UNDER_PYTEST, str(os.getpid()))
        self.environ[PINNED_PROJECT] = root
        if self.root != root:
            self.url = ""
        self.root = root
        try:
            from pathlib import Path

            from dbtasks.settings import load

            self.settings, self.problem = load(Path(root)), None
            self.names = Names(self.settings)
        except Exception as problem:  # nothing may break Python's start; pytest is stopped with it later
            self.settings, self.names, self.problem = None, None, problem
        if self.names is not None:
            self._drivers = {name.upper(): self._driver(name) for name in self.names.others} | self._drivers
            if self.is_child and not self.url:
                self.url = self._value(self.names.default)
        self.again()
        self._hold_drivers()

    def enter(self, host: str, port: int) -> None:
        """Let our own code, and nobody else, work on a server: the default tier's, or a scratch one."""
        self.entered.add((host, port))

    def point(self, url: str, drivers: Mapping[str, str]) -> None:
        """Lead every variable to `url` from now on. `drivers` are of variables, where the environment named none."""
        self.url = url
        if not self.database:  # the first is the default tier's own, what comes later are clones of it
            from dbtasks.conninfo import parse

            self.database = self.environ[PINNED_DATABASE] = parse(url, variable=self.root).database
        self._drivers |= {name.upper(): driver for name, driver in drivers.items() if driver}
        self.again()

    def again(self) -> None:
        """Set right what was changed since, as an application does that loads its `.env` over the environment."""
        if not self.root:
            return
        if self._heard and "dbtasks.reach" in sys.modules:
            self._hold_drivers()
        environ, url = self.environ, self.url
        wanted = changes(environ, self.names, url, self._drivers) if self.names else blind_changes(environ)
        for name, value in wanted.items():
            if value is None:
                self._remember_flag(name)
                del self.environ[name]
            else:
                self._remember_place(name)
                self.environ[name] = value

    def _hold_drivers(self) -> None:
        """Hold the drivers that are loaded, and hear of everything that could lead around them."""
        if self.environ is not os.environ:
            return  # the pin of a test of ours
        if not self._heard:
            sys.addaudithook(_hear)
            self._heard = True
        if not DRIVERS.isdisjoint(sys.modules):
            try:
                _reach().hold_loaded()
            except Exception as problem:
                self.problem = self.problem or problem

    def _remember_place(self, name: str) -> None:
        """Keep where another tier is, before its variable leads to the default one."""
        before = self.environ.get(name, "")
        if before and before != self.url and self.names is not None and name.upper() in self.names.tiers:
            self.elsewhere.add(before)

    def _remember_flag(self, name: str) -> None:
        value = self.environ[name].lower()
        if self.names is not None and name.upper() in self.names.flags and value not in ("", "false"):
            self.ignored[name] = "true" if value == "true" else "..."  # any other text is not shown

    def _value(self, name: str) -> str:
        return next((self.environ[each] for each in _spellings(name) if self.environ.get(each)), "")

    def _driver(self, name: str) -> str:
        return driver(self._value(name))


def _never(name: str) -> bool:
    return name.startswith("PG") or name in HANDED


def _spellings(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((name, name.lower(), name.upper())))


PIN = Pin(os.environ)
