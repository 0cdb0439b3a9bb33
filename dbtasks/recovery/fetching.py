"""The program that the recovered server calls for each file of the log, and what it tells of what went wrong."""

from __future__ import annotations

import shlex
from pathlib import Path

from dbtasks.masking import mask
from dbtasks.recovery.engines import Fetching

_PAUSES_S = ("0.2", "1")
_LONGEST = 300

# A file that is known to be there tells "not there" from "not reached"; then both are asked for again. The server takes
# exit codes above 125 for the end of the recovery, and 128 + SIGTERM for its own shutdown.
_SCRIPT = """\
#!/bin/sh
killed() {{ test "$1" -gt 128 && test "$1" -lt 193; }}
or() {{
  code=$?
  killed $code || code=$1
  return $code
}}
fetch() {{
  {body}
}}
get() {{
  fetch "$1" "$2" > {said} 2>&1
}}
for pause in {pauses} 0; do
  get "$1" "$2"
  code=$?
  test $code = 0 && exit 0
  rm -f "$2"
  if test $code = 1; then
    get {known} "$2.known"
    code=$?
    if test $code = 0 && test -s "$2.known"; then
      rm -f "$2.known"
      printf '%s\\n' "$1" >> {missing}
      exit 1
    fi
    rm -f "$2.known"
    killed $code || code=201
  fi
  sleep $pause
done
killed $code && exit 202
test $code = 201 && exit 201
exit 200
"""


def script(fetching: Fetching, known: str, folder: Path, pauses_s: tuple[str, ...] = _PAUSES_S) -> str:
    """Return the program. `known` is a file that is there as long as the archive can be reached."""
    return _SCRIPT.format(
        body=fetching.body,
        known=known,
        said=shlex.quote(str(folder / "said")),
        missing=shlex.quote(str(folder / "missing")),
        pauses=" ".join(pauses_s),
    )


def files(folder: Path) -> tuple[Path, ...]:
    """Return the files that the program writes to, made if they are not there."""
    found = (folder / "said", folder / "missing")
    for path in found:
        path.touch()
    return found


def missing(folder: Path) -> tuple[str, ...]:
    """Return the names that were asked for and not there, in the order in which they were."""
    return tuple(_text(folder / "missing").splitlines())


def said(folder: Path) -> str:
    """Return the last line that fetching wrote; it may be a team's own command, so without secrets."""
    lines = [line.strip() for line in _text(folder / "said").splitlines() if line.strip()]
    return mask(lines[-1])[:_LONGEST] if lines else ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
