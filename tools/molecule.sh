#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run Molecule scenarios, two side by side (the scenarios have hosts and networks of their own), or those that are named.
# Each writes to a log of its own, which is printed whole when it fails; what failed in it is said once more at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache/molecule-logs

# Molecule fetches nothing and writes its own configuration; ours is for playbooks.
unset ANSIBLE_CONFIG

run() {
  local scenario=$1 log=.cache/molecule-logs/$1.log start=$SECONDS
  if molecule test -s "$scenario" >"$log" 2>&1; then
    echo "PASSED molecule $scenario ($((SECONDS - start)) s)"
  else
    echo "::: the log of the scenario $scenario"
    cat "$log"
    echo "FAILED molecule $scenario ($((SECONDS - start)) s)"
    touch "${log%.log}.failed"
    return 1
  fi
}
export -f run

scenarios=("$@")
if ((${#scenarios[@]} == 0)); then
  # `group` runs when it is named: its servers take one that is starved for five seconds, as beside another scenario on two
  # cores, for lost.
  for file in molecule/*/molecule.yml; do
    name=$(basename "$(dirname "$file")")
    [[ $name == group ]] || scenarios+=("$name")
  done
fi
# The images of the hosts are made once, before two scenarios want them at the same time.
for image in debian12 debian13; do molecule/shared/image/build.sh "$image"; done
rm -f .cache/molecule-logs/*.failed
status=0
printf '%s\n' "${scenarios[@]}" | xargs -P 2 -I {} bash -c 'run {}' || status=$?
for failed in .cache/molecule-logs/*.failed; do
  [[ -e $failed ]] || break
  log=${failed%.failed}.log
  echo "::: what failed in the scenario $(basename "$log" .log)"
  sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E -A 12 '(fatal|failed): \[|^CRITICAL|Idempotence test failed' | tail -n 26 || true
done
((status == 0))
