#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the documentation of the official mysql image says of its entrypoint, as far as the recipe depends on it: what is
# refused, values pasted into SQL, a server for the scripts of /docker-entrypoint-initdb.d, nothing noticed of a kill.
set -eo pipefail

file_env() {
  local name=$1 file_name=$1_FILE
  if [ -n "${!name}" ] && [ -n "${!file_name}" ]; then
    echo "both $name and $file_name are set (but are exclusive)" >&2
    exit 1
  fi
  if [ -n "${!file_name}" ]; then export "$name"="$(<"${!file_name}")"; fi
  unset "$file_name"
}

as_root() { mysql --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "$1") --protocol=socket -uroot "${@:2}"; }

if [ "$1" = mysqld ]; then
  if [ "$(id -u)" = 0 ]; then
    find /var/lib/mysql /var/run/mysqld ! -user mysql -exec chown mysql {} +
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
  fi
  for name in MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD MYSQL_ROOT_PASSWORD; do file_env "$name"; done
  if [ ! -d /var/lib/mysql/mysql ]; then
    if [ -z "$MYSQL_ROOT_PASSWORD$MYSQL_ALLOW_EMPTY_PASSWORD$MYSQL_RANDOM_ROOT_PASSWORD" ]; then
      echo 'Database is uninitialized and password option is not specified' >&2
      exit 1
    fi
    "$@" --initialize-insecure --default-time-zone=SYSTEM
    "$@" --skip-networking --mysqlx=OFF --default-time-zone=SYSTEM &
    until as_root '' -e 'DO 1' 2>/dev/null; do sleep 0.2; done
    [ -n "$MYSQL_INITDB_SKIP_TZINFO" ] || mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null | as_root '' mysql
    as_root '' -e "CREATE DATABASE \`$MYSQL_DATABASE\`; ALTER USER 'root'@'localhost' IDENTIFIED BY '$MYSQL_ROOT_PASSWORD'"
    as_root "$MYSQL_ROOT_PASSWORD" -e "CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
      GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%'"
    for file in /docker-entrypoint-initdb.d/*.sh; do
      # shellcheck disable=SC1090 # the user's scripts
      . "$file"
    done
    as_root "$MYSQL_ROOT_PASSWORD" -e SHUTDOWN
    wait
  fi
fi
exec "$@"
