#!/usr/bin/env bash
# The study on a real SLURM: daemons on this host, started by the tests. Packages are installed where we are root.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v slurmctld > /dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
        slurmctld slurmd slurmdbd slurm-client munge mariadb-server-core mariadb-client-core
fi
make test-slurm
