#!/bin/sh
# Database tasks for those who like scripts: each option is the task of that name, with its exit code.

set -u

usage() {
    cat << 'END'
usage: manage_db.sh --reset <tier> | --undo <tier> | --prune <tier> | --prepare <tier> | --seed <tier>
                    | --migrate <tier> | --audit <tier> | --status [<tier>]  [-- <more arguments for the task>]

  --reset <tier>     build the database anew from migrations and seeds, then swap it in
  --undo <tier>      bring back what the last reset replaced
  --prune <tier>     drop what was kept, once its retention has ended
  --prepare <tier>   keep what makes the next reset a rename
  --seed <tier>      add the seed rows that are missing; what people changed stays
  --migrate <tier>   apply the pending revisions; the rows stay
  --audit <tier>     show who did what, and whether it worked
  --status [<tier>]  show every tier at a glance
  --help             this text

For example: ./manage_db.sh --reset stg -- --dry-run
Exit codes: 0 done, 1 failed, 2 usage or settings, 3 refused, 4 not confirmed, 130 interrupted.
END
}

misused() {
    printf 'manage_db.sh: %s\n\n' "$1" >&2
    usage >&2
    exit 2
}

# The folder of this file, also when it was called through links.
project() {
    file=$0
    case $file in */*) ;; *) file=$(command -v -- "$file") || exit ;; esac
    while [ -L "$file" ]; do
        link=$(readlink "$file") || exit
        case $link in /*) file=$link ;; *) file=$(dirname "$file")/$link ;; esac
    done
    CDPATH='' cd "$(dirname "$file")" && pwd -P
}

[ $# -gt 0 ] || misused 'name a task.'
case $1 in
    --reset | --undo | --prune | --prepare | --seed | --migrate | --audit | --status) task=${1#--} ;;
    --help | -h) usage && exit 0 ;;
    *) misused "unknown option: $1" ;;
esac
shift

tier=
case ${1:-} in
    '' | -*) [ "$task" = status ] || misused "--$task needs a tier, for example: --$task int" ;;
    *) tier=$1 && shift ;;
esac
case $tier in *[!A-Za-z0-9_-]*) misused 'a tier is one word of letters, digits, _ and -.' ;; esac

if [ $# -gt 0 ]; then
    [ "$1" = -- ] || misused "unexpected: $1. Arguments for the task come after two dashes."
    shift
fi

root=$(project) || {
    echo 'manage_db.sh: cannot find the folder that this script is in.' >&2
    exit 2
}
cd "$root" || exit 2
invoke=$root/.venv/bin/invoke
if [ ! -x "$invoke" ]; then
    invoke=$(command -v invoke) || {
        echo 'manage_db.sh: invoke is not installed. Set the project up first: make setup' >&2
        exit 2
    }
fi

exec "$invoke" "$task" ${tier:+"--tier=$tier"} "$@"
