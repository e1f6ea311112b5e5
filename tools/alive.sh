#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# alive.sh WHAT COMMAND...: runs the command, and says every ten seconds on standard error what is being waited for.
set -euo pipefail

what=$1
shift
(
  trap 'kill "$!" 2>/dev/null; exit 0' TERM
  seconds=0
  while true; do
    sleep 10 &
    wait "$!"
    seconds=$((seconds + 10))
    echo "  still: $what ($seconds s)" >&2
  done
) &
beat=$!
trap 'kill "$beat" 2>/dev/null || true' EXIT
"$@"
