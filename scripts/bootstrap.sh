# Sourced by scripts/up, scripts/test and scripts/check: makes .venv and installs from a lock file.
#   ensure_venv LOCK    a .venv that has what LOCK says, and Everlog itself; nothing is done when it has

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=$venv/bin/python

_find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Everlog needs Python 3.11 or newer, and found none: install it (such as: apt-get install python3.11)" >&2
    return 1
}

_make_venv() {
    local base
    base=$(_find_python)
    echo "making $venv" >&2
    # Some systems ship Python without ensurepip: then the base's pip installs into the environment.
    "$base" -m venv --clear "$venv" >/dev/null 2>&1 || "$base" -m venv --clear --without-pip "$venv"
    if ! "$python" -m pip --version >/dev/null 2>&1; then
        "$base" -m pip --python "$python" install --quiet --disable-pip-version-check pip || {
            echo "pip is missing: install it (such as: apt-get install python3-pip python3-venv)" >&2
            return 1
        }
    fi
}

# pip, silent unless it fails.
_pip() {
    local said
    said=$("$python" -m pip --disable-pip-version-check "$@" 2>&1) || {
        echo "$said" >&2
        return 1
    }
}

_stamp_of() {
    cat "$root/$1" "$root/pyproject.toml" | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'
}

_is_installed() {
    local stamp=$venv/everlog-$1.stamp
    [[ -f $stamp && $(<"$stamp") == $(_stamp_of "$1") ]]
}

ensure_venv() {
    local lock=$1
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || _make_venv
    # The development lock has all that the other one has.
    if { _is_installed "$lock" || _is_installed requirements-dev.lock; } && "$python" -P -c 'import scripts.cli.main' 2>/dev/null; then
        return
    fi
    echo "installing from $lock" >&2
    _pip install --require-hashes -r "$root/$lock"
    _pip install --no-deps -e "$root"
    # So that the first start need not: every program imports its own modules.
    (cd "$root" && "$python" -m compileall -q logd partitiond metad sqld shared scripts) || true
    _stamp_of "$lock" >"$venv/everlog-$lock.stamp"
}
