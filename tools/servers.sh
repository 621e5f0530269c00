#!/bin/sh
# Installs the servers that tests and benchmarks put beside the gateway, from the distribution: nginx, chromium,
# postgresql, redis-server, mariadbd, ...
# Names that are there already are passed over. Without root or apt-get nothing is done, and whoever needs
# a server says by name that it is missing. Called by the tests themselves; safe to call again.
set -eu

wanted=""
for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 && continue
    case $name in
        nginx) wanted="$wanted nginx-light" ;;
        mariadbd) wanted="$wanted mariadb-server" ;;
        systemd-analyze) wanted="$wanted systemd" ;;
        *) wanted="$wanted $name" ;;
    esac
done
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$wanted (not root, or no apt-get)" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1  # installed, not started
install="apt-get install --yes --quiet --no-install-recommends"
# shellcheck disable=SC2086 -- a list of names
$install $wanted >/dev/null 2>&1 || { apt-get update --quiet >/dev/null 2>&1 && $install $wanted >/dev/null; }
