#!/usr/bin/env bash
# Run lint, type checks and tests, after installing what they need: MariaDB and Chromium on Debian and Ubuntu (with --all also strace,
# faketime, gpsd, Mosquitto, socat and gpsbabel), and the Python packages in an environment of their own, .venv-test.
#
#   bash tests/run.sh              the page, the interfaces, the store, the formats: what a change breaks first
#   bash tests/run.sh --all        also faults, hostile input, devices, accessibility, sign-in, migrations, roll-ups against a recomputation,
#                                  the package (THOROUGH in tests/conftest.py), and tests that measure times; .ci/run does this
#   bash tests/run.sh --long       all tests, with coverage: floods, a million rows, known vulnerabilities (needs the network)
#   bash tests/run.sh ARGUMENT...  pytest with these arguments
set -euo pipefail
cd "$(dirname "$0")/.."

all= long=
case "${1:-}" in
  --all) all=yes ;;
  --long) all=yes long=yes ;;
esac
missing=()
command -v mariadb-install-db >/dev/null || missing+=(mariadb-server)
# The shell of Chromium without a user interface takes half as much of a core; not every distribution has it.
browsers=(chromium-headless-shell chromium chromium-browser google-chrome)
if ! command -v "${browsers[@]}" >/dev/null; then
  apt-cache show chromium-headless-shell >/dev/null 2>&1 && missing+=(chromium-headless-shell) || missing+=(chromium)
fi
if [ -n "$all" ]; then
  for program in strace faketime socat gpsbabel gpsd mosquitto; do
    # Some live in /usr/sbin, which is not in everybody's PATH.
    command -v "$program" "/usr/sbin/$program" >/dev/null || missing+=("$program")
  done
  command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
fi
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "Please install with your system's packages: ${missing[*]}, then run this again." >&2
    exit 2
  fi
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "As root, please run: apt-get install ${missing[*]}" >&2; exit 2; }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# mariadbd lives in /usr/sbin, which is not in everybody's PATH.
export PATH="$PATH:/usr/sbin"
# Where this is set, each of some hundred processes compiles its modules anew: pytest collects in 17 s instead of 6, in each worker.
unset PYTHONDONTWRITEBYTECODE
[ -x .venv-test/bin/python ] || python3 -m venv .venv-test
.venv-test/bin/python -m pip install --quiet uv
# A sixth of pip's time. It does not read pip's configuration: where that leads elsewhere, pip installs.
.venv-test/bin/uv pip install --quiet --python .venv-test/bin/python --editable '.[test]' ||
  .venv-test/bin/python -m pip install --quiet --editable '.[test]'
# The type checker of the page's JavaScript, where Node.js is there; its test is skipped elsewhere.
if command -v npm >/dev/null && [ ! -x .venv-test/node_modules/.bin/tsc ]; then
  npm install --loglevel=error --no-save --no-fund --no-audit --prefix .venv-test typescript@7 >/dev/null
fi
if [ -n "$long" ] && command -v npm >/dev/null && [ ! -d .venv-test/node_modules/signalk-server ]; then
  npm install --loglevel=error --no-save --no-fund --no-audit --prefix .venv-test typescript@7 signalk-server@2.23.0 >/dev/null
fi
run=.venv-test/bin
"$run/ruff" check .
"$run/ruff" format --check .
"$run/mypy"
if [ "$#" -gt 0 ] && [ -z "$all" ]; then
  exec "$run/pytest" "$@"
fi
# Most tests wait, for a browser or a deadline: three at a time keep two cores busy.
together=(--numprocesses 3 --dist worksteal)
status=0
if [ -z "$long" ]; then
  "$run/pytest" "${together[@]}" -m "not thorough and not alone and not long and not cluster" || status=1
  if [ -n "$all" ]; then
    "$run/pytest" "${together[@]}" -m "thorough and not alone and not long and not cluster" || status=1
    "$run/pytest" -m "alone and not long" || status=1
  else
    echo "Left out here: bash tests/run.sh --all"
  fi
  echo "Not run here: real MySQL and several servers, bash tests/cluster/run.sh; packages and documentation site, bash tests/release.sh"
  exit "$status"
fi
# Coverage slows a server down, so faults, hostile input and the page are run without it.
slow=(tests/page tests/faults tests/hostile)
rm -f .coverage .coverage.*
"$run/pytest" "${together[@]}" -m "not alone and not cluster" "${slow[@]/#/--ignore=}" --cov --cov-report=term || status=1
"$run/pytest" "${together[@]}" -m "not alone and not cluster" "${slow[@]}" || status=1
"$run/pytest" -m alone || status=1
exit "$status"
