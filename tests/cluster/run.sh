#!/usr/bin/env bash
# Run the tests of a cluster, after making what they need: MySQL's current server in a folder, .mysql-test (700 MB), from Debian unstable.
# For Debian and Ubuntu, as root; `bash tests/run.sh` makes the rest.
#
#   bash tests/cluster/run.sh              every fault, once or twice
#   bash tests/cluster/run.sh ARGUMENT...  pytest with these arguments; --cycles 50 for the long run
set -euo pipefail
cd "$(dirname "$0")/../.."

root=${SPEEDDASH_TEST_MYSQL:-.mysql-test}
if [ ! -x "$root/usr/sbin/mysqld" ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "The tests of a cluster run MySQL in a root folder of its own, which needs root." >&2
    exit 2
  fi
  if ! command -v debootstrap >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  fi
  # From the mirror that this machine uses for its own packages.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)
  rm -rf "$root"
  debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core sid "$root" ${mirror:+"$mirror"} >/dev/null
fi
export SPEEDDASH_TEST_MYSQL="$PWD/$root" PATH="$PATH:/usr/sbin"
[ "$root" = "${root#/}" ] || SPEEDDASH_TEST_MYSQL=$root
# A server that joins the group may take minutes on a busy machine.
exec .venv-test/bin/pytest tests/cluster -m cluster -o faulthandler_timeout=600 "$@"
