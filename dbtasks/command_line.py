"""The edge to Invoke: a Task that turns our errors into sentences and exit codes, and reads the command line once.

Safety does not live here: a task's body calls the pipeline, which asks the guard, however the body was reached.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from invoke.context import Context
from invoke.tasks import Task

from dbtasks.conninfo import mask, mask_exception
from dbtasks.console import Console
from dbtasks.errors import DbtasksError, InterruptedByPersonError, UsageError

FORMATS = ("text", "json")

# What a command leaves behind is the operating system's to clear away. Without this, Python looks twice through all of
# it for circles, which is a fifth of the time that a short command takes.
atexit.register(gc.freeze)
gc.set_threshold(20_000)  # and meanwhile it looks less often: most of what a command makes are modules


class GuardedTask(Task[Callable[..., Any]]):
    """An Invoke task of ours. It sees its arguments and cannot be skipped or deduplicated, as a pre-task could."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with told(Console(), as_json=kwargs.get("format_") == "json"):
            if args and isinstance(args[0], Context):
                one_tier_only(sys.argv[1:])
                nothing_unread(sys.argv[1:])
                if args[0].config.run.dry:
                    self._be_dry(kwargs)
            return super().__call__(*args, **kwargs)

    def _be_dry(self, kwargs: dict[str, Any]) -> None:
        """Keep what `invoke --dry` promises, or refuse: Invoke itself would run the body all the same."""
        if "dry_run" in kwargs:
            kwargs["dry_run"] = True
        elif self.name not in LOOKING_TASKS:
            raise UsageError(f"{self.name} has no dry run. Run it without --dry.")

    # Invoke takes two tasks with one body for the same and runs only the first (its issue 536).
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@contextmanager
def told(console: Console, *, as_json: bool = False) -> Iterator[None]:
    """Turn what the block raises into a sentence for people, or JSON for scripts, and an exit code."""
    try:
        yield
    except DbtasksError as error:
        console.say(str(error))
        if error.before:
            console.say(f"  so far       {' · '.join(_so_far(each) for each in error.before)}")
        if as_json:
            with suppress(DbtasksError):  # said already, where it is standard output that failed
                told = {**error.as_data(), "message": mask(str(error))}
                console.data({"error": told, **({"tiers": list(error.before)} if error.before else {})})
        end(error.exit_code)
    except KeyboardInterrupt:
        console.say("Interrupted.")
        end(InterruptedByPersonError.exit_code)
    except (SystemExit, GeneratorExit):
        raise
    except Exception as error:  # the one broad handler: a bug must not show a secret in its traceback
        path = _keep(error)
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        console.say(f"This is a bug in dbtasks or in the project's own code: {said}\n  {path}")
        end(1)


def _so_far(tier: Mapping[str, object]) -> str:
    """Return what became of one tier of a walk, in a few words.

    >>> _so_far({"tier": "int", "verdict": "done", "result": {"applied": ["r4", "r5"]}})
    'INT done (r4, r5)'
    """
    result = tier.get("result")
    applied = result.get("applied", []) if isinstance(result, Mapping) else []
    return f"{str(tier['tier']).upper()} {tier['verdict']}" + (f" ({', '.join(applied)})" if applied else "")


def end(code: int) -> NoReturn:
    """End the command. `invoke` passes SystemExit through untouched."""
    raise SystemExit(code)


def _keep(error: BaseException) -> str:
    """Write the masked traceback to a file and return a sentence that says where it is."""
    path = Path("logs") / f"dbtasks-error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(mask_exception(error), encoding="utf-8")
    except OSError as problem:
        return f"Its traceback could not be written to {path}: {problem.strerror}."
    return f"The traceback, without secrets, is in {path}."


def one_tier_only(words: list[str]) -> None:
    """Refuse a command line where one task names a tier and another leaves it out.

    >>> one_tier_only(["reset", "--tier=int", "seed", "--tier", "int"])
    >>> one_tier_only(["reset", "--tier=prod", "seed"])
    Traceback (most recent call last):
    dbtasks.errors.UsageError: reset names its tier and seed does not. Name the tier of each, or run them one by one.
    """
    said = [(task, any(word.startswith(("--tier", "--through")) for word in flags)) for task, *flags in _tasks(words)]
    named = [task for task, names_tier in said if names_tier]
    implied = [task for task, names_tier in said if not names_tier]
    if named and implied:
        raise UsageError(
            f"{named[0]} names its tier and {implied[0]} does not. Name the tier of each, or run them one by one."
        )


def nothing_unread(words: list[str]) -> None:
    """Refuse words after two dashes that nobody would read: a `--dry-run` among them would be none.

    >>> nothing_unread(["reset", "--tier=int", "run", "--", "psql", "--dry-run"])
    >>> nothing_unread(["reset", "--tier=int", "--", "--dry-run"])
    Traceback (most recent call last):
    dbtasks.errors.UsageError: reset takes nothing after --, and would not read --dry-run. Leave the two dashes out.
    """
    task, rest = next(reversed(_tasks(words)), ["run"])[0], after_two_dashes(words)
    if rest and task != "run":
        raise UsageError(
            f"{task} takes nothing after --, and would not read {' '.join(rest)}. Leave the two dashes out."
        )


def _tasks(words: list[str]) -> list[list[str]]:
    """Return the tasks for one tier each, with the words up to the next one."""
    segments: list[list[str]] = []
    for word in words[: words.index("--")] if "--" in words else words:
        if word in TIER_TASKS:
            segments.append([word])
        elif segments:
            segments[-1].append(word)
    return segments


_CHANGING = (
    "reset",
    "undo",
    "seed",
    "migrate",
    "downgrade",
    "prepare",
    "prune",
    "adopt",
    "restore",
    "harden",
    "backups.prune",
)
_SHOWING = ("drift", "shell", "run", "backup", "backups.verify", "recover")
TIER_TASKS = frozenset({*_CHANGING, *_SHOWING})
LOOKING_TASKS = frozenset({"status", "check", "lint", "audit"})


def checked_format(format_: str) -> bool:
    """Return whether JSON is wanted; UsageError for a format that does not exist."""
    if format_ not in FORMATS:
        raise UsageError(f"--format: expected {' or '.join(FORMATS)}, found {format_!r}.")
    return format_ == "json"


def whole_number(flag: str, text: str) -> int:
    """Return a flag's whole number; UsageError where it is none (Invoke itself would show a traceback)."""
    if not text.isascii() or not text.replace(",", "").isdigit():
        raise UsageError(f"{flag}: expected a whole number, found {text!r}.")
    return int(text.replace(",", ""))


def after_two_dashes(argv: list[str]) -> tuple[str, ...]:
    """Return the command after `--`, word by word; Invoke's own remainder loses the quoting.

    >>> after_two_dashes(["invoke", "run", "--tier=stg", "--", "psql", "-c", "select 1"])
    ('psql', '-c', 'select 1')
    """
    return tuple(argv[argv.index("--") + 1 :]) if "--" in argv else ()
