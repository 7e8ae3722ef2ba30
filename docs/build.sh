#!/usr/bin/env bash
# Build the documentation site into docs/_build/html, in an environment of its own. A warning is an error.
#
#   bash docs/build.sh           the site
#   bash docs/build.sh --links   also asks whether each external link answers (needs the network)
set -euo pipefail
cd "$(dirname "$0")/.."
[ -x .venv-docs/bin/python ] || python3 -m venv .venv-docs
.venv-docs/bin/python -m pip install --quiet --editable '.[docs]'
.venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going docs docs/_build/html
if [ "${1:-}" = --links ]; then
  .venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going -b linkcheck docs docs/_build/links
fi
echo "docs/_build/html/index.html"
