#!/usr/bin/env bash
# The report's page in a headless Chromium, which is installed where we are root.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v chromium > /dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium fonts-dejavu-core
fi
make test-browser
