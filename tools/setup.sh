#!/bin/sh
# Makes .venv from uv.lock on a machine that has nothing but Python 3.11 (or newer).
# uv itself comes, pinned, into .venv-bootstrap; nothing outside this folder is changed
# except uv's own download cache. Called by `make setup`; safe to call again.
set -eu
UV_VERSION=0.13.8
cd "$(dirname "$0")/.."

find_python() {
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3 python; do
        # sys.executable, not the name: a version manager's shim may point elsewhere tomorrow
        "$name" -c 'import sys, venv, ensurepip; sys.version_info >= (3, 11) or sys.exit(1); print(sys.executable)' \
            2>/dev/null && return 0
    done
    echo "taskgate needs Python 3.11 or newer with its venv module, and none was found on PATH." >&2
    echo "Install one (Debian and Ubuntu: apt install python3.11 python3.11-venv)," >&2
    echo "or name it: make setup PYTHON=/path/to/python3.11" >&2
    return 1
}

python=$(find_python)
uv=.venv-bootstrap/bin/uv
if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
    echo "setup: uv $UV_VERSION into .venv-bootstrap"
    "$python" -m venv --clear .venv-bootstrap
    .venv-bootstrap/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION"
fi

# uv trusts only the authorities it was built with; a company's own ones stand in the system's store.
if [ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ] || [ "$(uname)" = Darwin ]; then
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"
fi

echo "setup: .venv from uv.lock"
unset VIRTUAL_ENV || true
UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=.venv \
    "$uv" sync --locked --all-extras --python "$python" --quiet
