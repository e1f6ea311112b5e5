#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run `ansible-test sanity` on the checkout, with the ansible-test, the Python and the pip that are first on PATH.
# Options are handed on, for instance: tools/sanity.sh --test validate-modules
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS

# Without its tool this test alone would be left out, with no more than a warning.
command -v shellcheck >/dev/null || { echo 'FAILED sanity: install the package shellcheck' >&2; exit 1; }

# ansible-test takes nothing but a real directory ansible_collections/NAMESPACE/NAME: it gets a copy.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
tree=$tmp/ansible_collections/mlflow_ops/backend_store
mkdir -p "$tree"
git ls-files -z -co --exclude-standard --deduplicate \
  | while IFS= read -rd '' file; do if [[ -e $file ]]; then printf '%s\0' "$file"; fi; done \
  | xargs -0 cp -p --parents -t "$tree"

# ansible-test keeps the environments of its tests below the home directory, here in .cache, and hides the caller's
# variables from pip. What pip is told of package indexes goes in by files: the user's own, and one made of the
# variables, which may hold a password and is removed at the end.
user_config=${XDG_CONFIG_HOME:-$HOME/.config}
export HOME=$PWD/.cache/sanity
mkdir -p "$HOME/.config" "$HOME/.ansible/test/cache" "$tmp/pip"
ln -sfn "$user_config/pip" "$HOME/.config/pip"
ln -sfn "$tmp/pip" "$HOME/.pip"
{ echo '[global]'; env | sed -nE 's/^PIP_((EXTRA_)?INDEX_URL|FIND_LINKS|TRUSTED_HOST|CERT)=/\1 = /p'; } >"$tmp/pip/pip.conf"

# In those environments ansible-test installs pip by a script from a web site of its own, unless it finds the script in
# its cache. The one made here installs the same version of pip from the package index.
python_version=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
pip_version=$(python - "$python_version" <<'EOF'
import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version=sys.argv[1]))["pip"])
EOF
)
cat >"$HOME/.ansible/test/cache/get_pip_${pip_version//./_}.py" <<EOF
import subprocess, sys
options = [option for option in sys.argv[1:] if option not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call(["$(command -v python)", "-m", "pip", "--python", sys.executable, "install", "-q", *options]))
EOF

# Every test runs, on this Python alone: others need not be installed.
result=PASSED
(cd "$tree" && ansible-test sanity --color no --python "$python_version" "$@") 2>&1 | tee "$tmp/log" || result=FAILED
echo "$result sanity: $(grep -c '^Running sanity test' "$tmp/log") tests ($((SECONDS - start)) s)"
[[ $result == PASSED ]]
