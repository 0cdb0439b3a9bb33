#!/bin/sh
# The main job, by the commands that people type. Each is shown, then run just as shown; nothing else happens here.
# Called in the project's folder.

set -u
PATH="$PWD/.venv/bin:$PATH"
export PATH

run() {
    printf '\n$ %s\n' "$1"
    sh -c "$1"
}

must() {
    run "$1" && return
    code=$?
    printf 'exit %s\nThe demo stops here.\n' "$code"
    exit "$code"
}

# Reads no answer from a terminal, so that it goes the same way for everybody. Where STG holds rows from an earlier
# run nobody is there to give them up: the guard refuses with exit code 3, and STG is brought up to date instead.
build_stg() {
    run 'invoke reset --tier=stg < /dev/null' && return
    code=$?
    printf 'exit %s\n' "$code"
    [ "$code" -eq 3 ] || exit "$code"
    must 'invoke migrate --tier=stg < /dev/null'
    must 'invoke seed --tier=stg < /dev/null'
}

must 'invoke reset --tier=int'
build_stg
must 'invoke check'
must 'invoke status'

run 'USE_PROD_DATABASE=true invoke reset --tier=prod < /dev/null'
code=$?
printf 'exit %s\n' "$code"
[ "$code" -eq 3 ] || {
    echo 'PROD was not refused. The demo stops here.'
    exit 1
}

must 'invoke audit'
must 'invoke audit --verify'
