#!/usr/bin/env bash
# Run the tests of several servers: of a MySQL replication group, of several SpeedDash servers and workers with and without Redis; and those
# of the store, the interfaces, the page and the faults again, on a real MySQL. They need Redis, and MySQL's current server in a folder,
# .mysql-test (700 MB), which is made from Debian unstable. For Debian and Ubuntu, as root, after `bash tests/run.sh --all`, which installs the rest.
#
#   bash tests/cluster/run.sh              every fault, once or twice
#   bash tests/cluster/run.sh ARGUMENT...  pytest with these arguments; `-m cluster --cycles 50` for the long run
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" -ne 0 ]; then
  echo "The tests of a cluster run MySQL in a root folder of its own, which needs root." >&2
  exit 2
fi
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v faketime >/dev/null || missing+=(faketime)
command -v nginx >/dev/null || missing+=(nginx-light)
command -v caddy >/dev/null || missing+=(caddy)
command -v ip >/dev/null || missing+=(iproute2)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
root=${TEST_MYSQL_ROOT:-.mysql-test}
if [ ! -x "$root/usr/sbin/mysqld" ]; then
  # From the mirror that this machine uses for its own packages.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1 || true)
  [ -n "${TEST_MYSQL_ROOT:-}" ] || rm -rf "$root"  # what an interrupted run has left
  debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core sid "$root" ${mirror:+"$mirror"} >/dev/null
fi
export TEST_MYSQL_ROOT="$PWD/$root" PATH="$PATH:/usr/sbin"
[ "$root" = "${root#/}" ] || TEST_MYSQL_ROOT=$root
# A server that joins the group may take minutes on a busy machine.
patient=(-o faulthandler_timeout=600)
if [ "$#" -gt 0 ]; then
  exec .venv-test/bin/pytest "${patient[@]}" "$@"
fi
status=0
.venv-test/bin/pytest "${patient[@]}" tests/cluster -m cluster || status=1
.venv-test/bin/pytest --numprocesses 2 --real-mysql -k mysql -m "not long and not alone" \
  tests/store tests/live tests/api tests/alerts tests/history tests/network || status=1
# From the browser to the database, and what happens when either server dies.
.venv-test/bin/pytest --numprocesses 2 --real-mysql -k "mysql or test_page" -m "not long and not alone and not cluster" \
  tests/page/test_page.py tests/test_server.py tests/faults tests/cli || status=1
exit "$status"
