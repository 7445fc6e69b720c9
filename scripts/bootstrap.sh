# Sourced by scripts/up, scripts/test and scripts/check: makes .venv and installs from a lock file.
#   ensure_venv LOCK    a .venv that has what LOCK says, and Everlog itself; nothing is done when it has

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=$venv/bin/python
# The editable install names the checkout that made .venv; this may be another one that uses it (scripts/compile).
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}

# "<path> <CPU time of a fixed piece of work, in microseconds>" of a Python; fails for one that is older than 3.11.
_time_python() {
    "$1" -I -c '
import os, sys, time
if sys.version_info < (3, 11): sys.exit(1)
class Counter:
    def __init__(self): self.found = {}
    def add(self, number): self.found[number & 255] = (number, b"%d" % number)
def work():
    began, counter = time.process_time(), Counter()
    for number in range(20_000): counter.add(number)
    return time.process_time() - began
print(os.path.realpath(sys.executable), int(min(work() for _ in range(25)) * 1e6))' 2>/dev/null
}

# $EVERLOG_PYTHON, or the quickest that is found: a call costs up to a quarter more CPU on one that was built without
# its optimisations. Among those that hardly differ, the first of PATH. In rounds: a machine is slower at times.
_find_python() {
    local candidate path us round best=
    local -a found=()
    local -A times=()
    for round in 1 2 3; do
        for candidate in ${EVERLOG_PYTHON:-python3.11 python3.12 python3.13 python3 python /usr/bin/python3.11}; do
            read -r path us < <(_time_python "$candidate") || continue
            [[ -n ${times[$path]-} ]] || found+=("$path")
            ((${times[$path]-us} < us)) || times[$path]=$us
        done
    done
    for path in "${found[@]}"; do
        if [[ -z $best ]] || ((times[$path] * 100 < times[$best] * 96)); then
            best=$path
        fi
    done
    if [[ -z $best ]]; then
        echo "Everlog needs Python 3.11 or newer, and found none: install it (such as: apt-get install python3.11)" >&2
        return 1
    fi
    echo "$best"
}

# Some systems ship Python without pip: then another one's installs for it.
_make_pip() {
    "$python" -m pip --version >/dev/null 2>&1 && return
    local pip
    for pip in "$1 -m pip" pip3 pip "python3 -m pip" "python -m pip"; do
        if $pip --python "$python" install --quiet --disable-pip-version-check pip >/dev/null 2>&1; then
            return
        fi
    done
    echo "pip is missing: install it (such as: apt-get install python3-pip python3-venv)" >&2
    return 1
}

_make_venv() {
    local base
    base=$(_find_python)
    echo "making $venv with $("$base" -c 'import sys; print(sys.executable, sys.version.split()[0])')" >&2
    "$base" -m venv --clear "$venv" >/dev/null 2>&1 || "$base" -m venv --clear --without-pip "$venv"
    _make_pip "$base"
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
    # What pip installs by a setup.py of its own is not compiled where PYTHONDONTWRITEBYTECODE is set.
    "$python" -m compileall -q "$venv"/lib/python3*/site-packages/pysyncobj || true
    _stamp_of "$lock" >"$venv/everlog-$lock.stamp"
}
