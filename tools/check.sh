#!/bin/sh
# Runs the named checks (default: all), lets each finish, then reports; ends with 1 when any failed.
# What a check is stands here alone, so that `make check`, `make test` and CI cannot drift apart.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin

run_one() {
    case $1 in
        format) $bin/ruff format --check --quiet . ;;
        lint) $bin/ruff check --quiet . ;;
        types) $bin/mypy ;;
        imports) $bin/lint-imports --no-logo >"$log" 2>&1 || { cat "$log"; return 1; } ;;
        law) $bin/python -m pytest tests/law -q ;;
        *) echo "unknown check: $1 (format lint types imports law)" >&2; return 2 ;;
    esac
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=""
for name in ${*:-format lint types imports law}; do
    echo "check: $name"
    run_one "$name" || failed="$failed $name"
done
if [ -n "$failed" ]; then
    echo "check: FAILED:$failed" >&2
    exit 1
fi
echo "check: all passed"
