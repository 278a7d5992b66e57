#!/bin/sh
# Prints the path of a uv; installs one into .tools if the machine has none.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if command -v uv >/dev/null 2>&1; then
    command -v uv
    exit 0
fi
if [ ! -x "$root/.tools/bin/uv" ]; then
    python=${PYTHON:-python3}
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Rapport needs Python 3.11 or newer as '$python'. Set PYTHON=/path/to/python3.11." >&2
        exit 1
    fi
    if "$python" -m venv "$root/.tools" >/dev/null 2>&1; then
        "$root/.tools/bin/python" -m pip install --quiet 'uv>=0.8' >&2
    elif "$python" -m pip --version >/dev/null 2>&1; then
        # A Python without venv (Debian's, without python3-venv): put uv alone beside it.
        rm -rf "$root/.tools"
        "$python" -m pip install --quiet --prefix "$root/.tools" --ignore-installed 'uv>=0.8' >&2
        found=$(find "$root/.tools" -type f -name uv -perm -u+x | head -n 1)
        mkdir -p "$root/.tools/bin"
        [ "$found" = "$root/.tools/bin/uv" ] || ln -sf "$found" "$root/.tools/bin/uv"
    else
        echo "This Python has neither venv nor pip. Install uv, or python3-venv, and try again." >&2
        exit 1
    fi
fi
echo "$root/.tools/bin/uv"
