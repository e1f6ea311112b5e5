#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: look_for_secrets.sh HOME CONTAINER
set -euo pipefail
home=$1 container=$2 found=0 looked=0
image=$(docker inspect --format '{{.Image}}' "$container")
top=$(docker top "$container" -eo pid | tail -n +2)
evidence=$(mktemp -d)
trap 'rm -rf "$evidence"' EXIT
docker inspect "$container" >"$evidence/container"
docker inspect "$image" >"$evidence/image"
docker history --no-trunc "$image" >"$evidence/history"
docker logs "$container" >"$evidence/log" 2>&1
cat "$home"/build/* >"$evidence/build-context"
# Some end meanwhile, as what a member waits with does; the server stays.
for pid in $top; do
  { tr '\0' '\n' <"/proc/$pid/environ" >>"$evidence/environment"; } 2>/dev/null || continue
  { tr '\0' '\n' <"/proc/$pid/cmdline" >>"$evidence/arguments"; } 2>/dev/null || continue
done
grep -q mysqld "$evidence/arguments"
for secret in "$home"/secrets/*_password "$home"/secrets/container/*; do
  looked=$((looked + 1))
  if grep -lF -f "$secret" "$evidence"/*; then
    echo "has the content of $secret"
    found=1
  fi
  [ "$(stat -c %a "$secret")" = 400 ] || [ "$(stat -c '%a %u:%g' "$secret")" = '440 0:999' ] || {
    echo "$secret has the mode $(stat -c '%a %u:%g' "$secret")"
    found=1
  }
done
[ "$looked" -ge 2 ] || { echo "there were no secrets to look for"; exit 1; }
user=$(ps -o uid= -p "$(docker top "$container" -eo pid,comm | awk '$2 == "mysqld" {print $1}')")
[ "$user" -eq 999 ] || { echo "mysqld runs as uid $user"; exit 1; }
exit "$found"
