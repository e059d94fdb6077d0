# shellcheck shell=bash
# Copyright (c) 2026, the howdah.postgresql authors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What bin/quickstart and bin/test set up alike: a virtual environment with pinned requirements, and a tree in
# which Ansible finds this checkout as the collection howdah.postgresql. To be sourced under `set -euo pipefail`:
#
#   source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib.sh"
#   howdah_setup run       # for users: what the controller needs; or `test`: that, and the development tools
#
# Afterwards these are set and exported:
#   HOWDAH_ROOT               the checkout
#   HOWDAH_VENV               the virtual environment; its bin/ is first on PATH
#   HOWDAH_TREE               the folder that holds ansible_collections/; also ANSIBLE_COLLECTIONS_PATH

HOWDAH_ROOT=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
HOWDAH_VENV=$HOWDAH_ROOT/.venv
export HOWDAH_ROOT HOWDAH_VENV

# --- Words and times -------------------------------------------------------------------------------

howdah_say() { printf '%s\n' "$*"; }

howdah_die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Milliseconds of the wall clock.
howdah_now() {
    local now=${EPOCHREALTIME/[.,]/}
    printf '%s' "${now%???}"
}

# howdah_seconds START: seconds since START (of howdah_now), with one decimal.
howdah_seconds() {
    local passed=$(($(howdah_now) - $1))
    printf '%d.%d' $((passed / 1000)) $((passed % 1000 / 100))
}

HOWDAH_TIMES=()

# howdah_timed LABEL COMMAND …: runs the command and notes how long it took for howdah_times.
howdah_timed() {
    local label=$1 start status=0
    shift
    start=$(howdah_now)
    "$@" || status=$?
    HOWDAH_TIMES+=("$(printf '%7s s  %s' "$(howdah_seconds "$start")" "$label")")
    return "$status"
}

# Prints what howdah_timed noted, a line each.
howdah_times() { ((${#HOWDAH_TIMES[@]} == 0)) || printf '%s\n' "${HOWDAH_TIMES[@]}"; }

# howdah_quiet LOG COMMAND …: keeps the command's output in LOG, and shows its end when the command fails.
howdah_quiet() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 </dev/null || status=$?
    ((status == 0)) || tail -n 20 -- "$log" >&2
    return "$status"
}

# --- Python ----------------------------------------------------------------------------------------

# howdah_python_of COMMAND: prints the interpreter behind the command (a pyenv shim is a script), if it can
# make virtual environments and ansible-core 2.19 runs on it; else fails. Debian splits off ensurepip.
howdah_python_of() {
    "$1" -I -c '
import sys
if not (3, 11) <= sys.version_info < (3, 14):
    sys.exit(1)
import ensurepip, venv
print(sys.executable)' 2>/dev/null
}

howdah_find_python() {
    local command
    for command in python3 python3.11 python3.12 python3.13 /usr/bin/python3; do
        howdah_python_of "$command" && return
    done
    return 1
}

howdah_apt_install() {
    local log=$1
    shift
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -q -y)
    # The package lists of a fresh machine may be missing or old: refresh them only then.
    "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1 </dev/null ||
        { howdah_quiet "$log" "${apt[@]}" update &&
            howdah_quiet "$log" "${apt[@]}" install --no-install-recommends "$@"; }
}

# Prints the path of a usable interpreter; on Debian, root installs one if need be.
howdah_python() {
    howdah_find_python && return
    local advice='Install one (on Debian 12: apt-get install python3-venv), or put it first on PATH.'
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        howdah_die "There is no Python 3.11, 3.12 or 3.13 with venv and ensurepip here. $advice"
    fi
    local log
    log=$(mktemp)
    howdah_say 'Installing python3-venv …' >&2
    howdah_apt_install "$log" python3 python3-venv ||
        howdah_die "python3-venv could not be installed; apt-get's last words are above."
    rm -f -- "$log"
    howdah_find_python || howdah_die "Debian's python3 here is no Python 3.11, 3.12 or 3.13. $advice"
}

# --- Virtual environment ---------------------------------------------------------------------------

# howdah_requirements LEVEL: the requirement files of a level, `run` or `test`.
howdah_requirements() {
    case $1 in
        run) printf '%s\n' "$HOWDAH_ROOT/bin/requirements/run.txt" ;;
        test) printf '%s\n' "$HOWDAH_ROOT/bin/requirements/run.txt" "$HOWDAH_ROOT/bin/requirements/test.txt" ;;
        *) howdah_die "howdah_setup knows the levels run and test, not '$1'." ;;
    esac
}

# howdah_venv_state LEVEL: what the stamp of a finished environment says. It names the place, because
# environments do not survive a move.
howdah_venv_state() {
    local -a files
    mapfile -t files < <(howdah_requirements "$1")
    printf '%s\n' "$HOWDAH_VENV"
    cat -- "${files[@]}"
}

# howdah_venv_ready LEVEL: whether the environment holds exactly the pins of the level.
howdah_venv_ready() {
    local stamp=$HOWDAH_VENV/.howdah-$1
    [[ -x $HOWDAH_VENV/bin/python && -r $stamp && $(<"$stamp") == "$(howdah_venv_state "$1")" ]]
}

# Makes an empty environment, unless the one that is there is ours and works.
howdah_venv_base() {
    local place=$HOWDAH_VENV/.howdah-place python
    if [[ -e $HOWDAH_VENV && ! -e $place ]]; then
        howdah_die "$HOWDAH_VENV was not made by this script: move it away, and run this again."
    fi
    if [[ -e $place && $(<"$place") == "$HOWDAH_VENV" ]] &&
        howdah_python_of "$HOWDAH_VENV/bin/python" >/dev/null &&
        "$HOWDAH_VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(howdah_python) || exit 1
    howdah_say "Making a virtual environment with $python …"
    rm -rf -- "$HOWDAH_VENV"
    mkdir -- "$HOWDAH_VENV"
    printf '%s\n' "$HOWDAH_VENV" >"$place"
    "$python" -m venv -- "$HOWDAH_VENV" || howdah_die "$python could not make the environment $HOWDAH_VENV."
}

# howdah_count WORD TOTAL: passes nothing on; on a terminal it counts lines that begin with WORD.
howdah_count() {
    local terminal=0
    [[ -t 2 ]] && terminal=1
    awk -v word="$1" -v total="$2" -v terminal="$terminal" '
        index($0, word) == 1 && terminal { printf "\r  %d of %d", ++n, total > "/dev/stderr" }
        END { if (n) printf "\r\033[K" > "/dev/stderr" }'
}

howdah_pip_install() {
    local log=$HOWDAH_VENV/.howdah-pip.log file total
    local -a files wanted=()
    mapfile -t files < <(howdah_requirements "$1")
    for file in "${files[@]}"; do wanted+=(-r "$file"); done
    total=$(grep -hc '==' -- "${files[@]}" | awk '{ sum += $1 } END { print sum }')
    howdah_say "Installing $total Python packages …"
    # The lists are fully resolved, so pip need not resolve them again.
    if ! "$HOWDAH_VENV/bin/python" -m pip install --no-input --no-deps --progress-bar off \
        --disable-pip-version-check "${wanted[@]}" 2>&1 </dev/null |
        tee -- "$log" | howdah_count Collecting "$total"; then
        grep -v '^WARNING: Location' -- "$log" | tail -n 15 >&2
        howdah_die "pip could not install the Python packages; its last words are above, all of them in $log."
    fi
}

# howdah_venv LEVEL: makes or refreshes the environment; a finished one costs a few milliseconds.
howdah_venv() {
    local level=$1 part start lock
    howdah_venv_ready "$level" && return
    command -v flock >/dev/null || howdah_die 'The program flock is missing (on Debian: package util-linux).'
    exec {lock}>"$HOWDAH_VENV.lock"
    flock -n "$lock" || { howdah_say 'Waiting for another set-up of this checkout …' && flock "$lock"; }
    if ! howdah_venv_ready "$level"; then
        start=$(howdah_now)
        howdah_venv_base
        howdah_pip_install "$level"
        for part in run test; do
            howdah_venv_state "$part" >"$HOWDAH_VENV/.howdah-$part"
            [[ $part != "$level" ]] || break
        done
        howdah_say "The Python environment is ready ($(howdah_seconds "$start") s)."
    fi
    exec {lock}>&-
}

# --- Collections tree ------------------------------------------------------------------------------

# Ansible finds collections only as ansible_collections/<namespace>/<name>: a link to the checkout, outside of it.
howdah_tree() {
    local cache hash link
    export HOME=${HOME:-$(getent passwd "$EUID" | cut -d: -f6)}
    cache=${XDG_CACHE_HOME:-$HOME/.cache}
    hash=$(printf '%s' "$HOWDAH_ROOT" | sha256sum)
    export HOWDAH_TREE=$cache/howdah/${hash:0:16}
    link=$HOWDAH_TREE/ansible_collections/howdah/postgresql
    if [[ $(readlink -- "$link") != "$HOWDAH_ROOT" ]]; then
        mkdir -p -- "${link%/*}"
        ln -sfn -- "$HOWDAH_ROOT" "$link"
    fi
    export ANSIBLE_COLLECTIONS_PATH=$HOWDAH_TREE
}

# --- All of it -------------------------------------------------------------------------------------

# howdah_setup LEVEL: everything above; LEVEL is `run` or `test`.
howdah_setup() {
    # Ansible refuses to start under a locale that is not UTF-8; a fresh machine may have set none.
    export LC_ALL=C.UTF-8
    # They would send the environment's Python to other people's packages.
    unset PYTHONHOME PYTHONPATH
    howdah_venv "$1"
    howdah_tree
    export PATH=$HOWDAH_VENV/bin:$PATH
}
