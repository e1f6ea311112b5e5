#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run Molecule scenarios, two side by side (the scenarios have hosts and networks of their own), or those that are named.
# With --sample, which continuous integration has time for, only one of the long ones, which SEED draws.
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

# `group` runs when it is named: its servers take one that is starved for five seconds, as beside another scenario on two
# cores, for lost.
left_out=(group)
if [[ ${1:-} == --sample ]]; then
  shift
  long=(alternative backup hardening remote rotation)
  : "${SEED:=$RANDOM}"
  drawn=${long[SEED % ${#long[@]}]}
  for name in "${long[@]}"; do [[ $name == "$drawn" ]] || left_out+=("$name"); done
  echo "Of the long scenarios only $drawn is run, drawn with SEED=$SEED: \`make molecule\` runs all of them."
fi
scenarios=("$@")
if ((${#scenarios[@]} == 0)); then
  # The longest first, roughly, so that none of those is left over at the end.
  while read -r _ file; do
    name=$(basename "$(dirname "$file")")
    [[ " ${left_out[*]} " == *" $name "* ]] || scenarios+=("$name")
  done < <(for file in molecule/*/molecule.yml; do echo "$(cat "${file%/*}"/*.yml | wc -c) $file"; done | sort -rn)
fi
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
