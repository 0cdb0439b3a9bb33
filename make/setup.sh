#!/bin/sh
# Makes .venv with everything that this project needs. `make setup` runs it, and so does every other target: where
# nothing has changed it ends at once. Called in the project's folder. PYTHON names the interpreter to use.

set -eu

stamp=.venv/.setup
newest="python3.14 python3.13 python3.12 python3.11 python3 python"

fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 2
}

# What .venv was made from: a changed pyproject.toml, or a folder that was moved, means doing it again.
wanted() {
    cksum < pyproject.toml
    pwd -P
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' > /dev/null 2>&1; }

# A name on PATH is not enough: version switchers put names there that only print an error.
find_python() {
    lacking=
    for name in ${PYTHON:+"$PYTHON"} $newest; do
        if is_new_enough "$name"; then
            if can_make_venv "$name"; then
                printf '%s\n' "$name"
                return
            fi
            lacking=${lacking:-$name}
        fi
        if [ -n "${PYTHON:-}" ]; then
            [ -n "$lacking" ] || fail "PYTHON=$PYTHON is not a Python 3.11 or newer."
            break
        fi
    done
    [ -z "$lacking" ] || explain_no_venv "$lacking"
    explain_no_python
}

explain_no_venv() {
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "$1 lacks the modules venv and ensurepip, which belong to Python but come apart on some systems." \
        "On Debian and Ubuntu: apt install python$version-venv" \
        "Then run make again. Another Python: make setup PYTHON=/path/to/python"
}

explain_no_python() {
    found=$(python3 --version 2> /dev/null) || found="no python3"
    fail "this needs Python 3.11 or newer with venv; found on PATH: $found." \
        "On Debian and Ubuntu: apt install python3 python3-venv. On macOS: brew install python. Elsewhere: python.org" \
        "Then run make again. A Python that is not on PATH: make setup PYTHON=/path/to/python"
}

# The groups of pyproject.toml, as lines: pip reads them by itself only since 25.1.
development() {
    .venv/bin/python - << 'END'
import tomllib

with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]


def lines(name):
    for each in groups[name]:
        yield from lines(each["include-group"]) if isinstance(each, dict) else (each,)


print("\n".join(lines("dev")))
END
}

if [ -e "$stamp" ]; then
    if [ "$(cat "$stamp")" = "$(wanted)" ] && .venv/bin/python -c '' 2> /dev/null; then
        exit 0
    fi
elif [ -e .venv ]; then
    fail ".venv is there, but was not made by make." "Move it away, then run make again: mv .venv .venv.mine"
fi

make_venv() {
    python=$(find_python)
    printf 'Setting up .venv with %s: about a minute, most of it pip.\n' "$("$python" --version)" >&2
    # Emptied by us, so that the stamp stands before anything else does: what is interrupted is begun anew.
    rm -rf .venv
    mkdir .venv
    echo unfinished > "$stamp"
    "$python" -m venv .venv || fail "$python could not make .venv. See the lines above."
}

if [ "$(sed -n 2p "$stamp" 2> /dev/null)" = "$(pwd -P)" ] && .venv/bin/python -m pip --version > /dev/null 2>&1; then
    echo 'Bringing .venv up to date: pyproject.toml has changed.' >&2
    echo unfinished > "$stamp"
else
    make_venv
fi

development > .venv/development.txt
.venv/bin/python -m pip --disable-pip-version-check --no-input install --quiet --quiet \
    --requirement .venv/development.txt --editable '.[embedded,nox]' ||
    fail "pip could not install what the project needs. See the lines above; run make again to go on."
.venv/bin/python -m compileall -q dbtasks migrations tasks.py || true # a read-only cache only costs time

wanted > "$stamp"
