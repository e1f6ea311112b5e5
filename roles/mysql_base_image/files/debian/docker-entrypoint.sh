#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Entrypoint of the base image that mysql_base_image builds from Debian's MySQL packages.
# It offers the interface that the documentation of the official `mysql` image describes.
#
# A new data directory is made in a staging directory inside it and moved into place last, so that
# an initialisation that fails or is killed never leaves something that looks like a MySQL data directory.
set -Eeuo pipefail
shopt -s nullglob

log() { printf '%s [entrypoint] %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; }
die() { log "ERROR: $*"; exit 1; }

# Set the variable $1 from the file named by $1_FILE. A password stays a shell variable: exported, it would
# stand in the environment of mysqld for everyone who may read /proc. Scripts may want the others.
from_file() {
  local name=$1 file_name="$1_FILE"
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    die "both $name and $file_name are set; set only one of them"
  fi
  if [[ -n ${!file_name:-} ]]; then
    [[ -r ${!file_name} ]] || die "$file_name names ${!file_name}, which uid $(id -u) cannot read"
    printf -v "$name" '%s' "$(<"${!file_name}")"
  fi
  if [[ $name == *PASSWORD ]]; then export -n "${name?}"; else export "${name?}"; fi
}

sql_string() { # a single-quoted SQL literal
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\'/\'\'}
  text=${text//$'\n'/\\n}
  printf "'%s'" "$text"
}

# shellcheck disable=SC2016 # SQL's backquotes
identifier() { printf '`%s`' "${1//\`/\`\`}"; }

# `_` and `%` are wildcards in the database name of a GRANT.
grant_pattern() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//_/\\_}
  text=${text//%/\\%}
  identifier "$text"
}

# Run a command as a child that a SIGTERM reaches at once: bash itself would only act on it afterwards.
child=
run() {
  "$@" &
  child=$!
  local status=0
  wait "$child" || status=$?
  child=
  return "$status"
}

datadir=$(my_print_defaults mysqld | sed -n 's/^--datadir=//p' | tail -n 1)
datadir=${datadir:-/var/lib/mysql}
# Not a hidden name: InnoDB does not look for its tablespaces below one. What begins with .mlflow- is of an image built on this.
stage=$datadir/mysql_base_image_initialising
accounts=

abandon() {
  local status=$?
  trap - EXIT
  # shellcheck disable=SC2015 # either may fail
  if [[ -n $child ]]; then kill -TERM "$child" 2>/dev/null && wait "$child" || true; fi
  [[ -z $accounts ]] || rm -f "$accounts"
  log "initialisation did not finish (status $status); the data directory is left empty"
  clear_unfinished
  exit "$status"
}

# Only called while the staging directory exists, which is made only in an empty data directory:
# all that is there comes from an initialisation that never finished.
clear_unfinished() {
  find "$datadir" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '.mlflow-*' ! -name "${stage##*/}" -exec rm -rf {} +
  rm -rf "$stage"
}

check_settings() {
  local given=0 name
  for name in MYSQL_ROOT_PASSWORD MYSQL_ALLOW_EMPTY_PASSWORD MYSQL_RANDOM_ROOT_PASSWORD; do
    [[ -z ${!name:-} ]] || given=1
  done
  ((given)) || die "the data directory is new and no root password is given: set one of" \
    "MYSQL_ROOT_PASSWORD, MYSQL_ROOT_PASSWORD_FILE, MYSQL_ALLOW_EMPTY_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD"
  [[ ${MYSQL_USER:-} != root ]] || die "MYSQL_USER cannot be root; MYSQL_ROOT_PASSWORD sets root's password"
  [[ -z ${MYSQL_USER:-} || -n ${MYSQL_PASSWORD:-} ]] \
    || die "MYSQL_USER is set without a password: set MYSQL_PASSWORD or MYSQL_PASSWORD_FILE"
}

accounts_sql() {
  local password=${MYSQL_ROOT_PASSWORD:-} root_host=${MYSQL_ROOT_HOST-%} host
  if [[ -n ${MYSQL_RANDOM_ROOT_PASSWORD:-} ]]; then
    password=$(head -c 24 /dev/urandom | base64)
    log "GENERATED ROOT PASSWORD: $password"
  fi
  for host in localhost "$root_host"; do
    [[ -n $host ]] || continue
    local account
    account="'root'@$(sql_string "$host")"
    [[ $host == localhost ]] || printf 'CREATE USER %s;\n' "$account"
    printf 'ALTER USER %s IDENTIFIED BY %s;\n' "$account" "$(sql_string "$password")"
    [[ $host == localhost ]] || printf 'GRANT ALL ON *.* TO %s WITH GRANT OPTION;\n' "$account"
    [[ -z ${MYSQL_ONETIME_PASSWORD:-} ]] || printf 'ALTER USER %s PASSWORD EXPIRE;\n' "$account"
    [[ $root_host != localhost ]] || break
  done
  if [[ -n ${MYSQL_DATABASE:-} ]]; then
    # The session that reads the file begins with the collation that MySQL was compiled with, not the configured one.
    printf 'SET SESSION collation_server = @@global.collation_server;\n'
    printf 'CREATE DATABASE IF NOT EXISTS %s;\n' "$(identifier "$MYSQL_DATABASE")"
  fi
  if [[ -n ${MYSQL_USER:-} ]]; then
    account="$(sql_string "$MYSQL_USER")@'%'"
    printf 'CREATE USER %s IDENTIFIED BY %s;\n' "$account" "$(sql_string "$MYSQL_PASSWORD")"
    if [[ -n ${MYSQL_DATABASE:-} ]]; then
      printf 'GRANT ALL ON %s.* TO %s;\n' "$(grant_pattern "$MYSQL_DATABASE")" "$account"
    fi
  fi
}

# As the official image does it: named time zones work, and a setting may name one.
time_zones_sql() {
  [[ -z ${MYSQL_INITDB_SKIP_TZINFO:-} ]] || return 0
  echo 'USE mysql;'
  mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null
}

client() { # the client on the temporary server, as root
  local escaped=${root_password//\\/\\\\}
  escaped=${escaped//\"/\\\"}
  escaped=${escaped//$'\n'/\\n}
  mysql --defaults-extra-file=<(printf '[client]\nuser=root\npassword="%s"\n' "$escaped") \
    --protocol=socket --socket="$stage_socket" "$@"
}

run_scripts() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    log "running $file"
    # shellcheck disable=SC1090 # the user's scripts
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) client "${MYSQL_DATABASE:-}" <"$file" ;;
      *.sql.gz) gzip -dc "$file" | client "${MYSQL_DATABASE:-}" ;;
      *.sql.bz2) bzip2 -dc "$file" | client "${MYSQL_DATABASE:-}" ;;
      *.sql.xz) xz -dc "$file" | client "${MYSQL_DATABASE:-}" ;;
      *.sql.zst) zstd -dc "$file" | client "${MYSQL_DATABASE:-}" ;;
      *) log "ignoring $file" ;;
    esac
  done
}

# The scripts want a server: one that listens on a private socket only.
with_temporary_server() {
  stage_socket=/tmp/initialising.sock
  root_password=${MYSQL_ROOT_PASSWORD:-}
  [[ -z ${MYSQL_RANDOM_ROOT_PASSWORD:-} ]] \
    || die "/docker-entrypoint-initdb.d needs MYSQL_ROOT_PASSWORD, not MYSQL_RANDOM_ROOT_PASSWORD"
  "$@" --datadir="$stage" --skip-networking --mysqlx=OFF --socket="$stage_socket" --default-time-zone=SYSTEM &
  child=$!
  local tries=0
  until client -e 'DO 1' 2>/dev/null; do
    kill -0 "$child" 2>/dev/null || die "the temporary server ended; its messages stand above"
    ((++tries < 300)) || die "the temporary server did not answer within 60 s"
    sleep 0.2
  done
  run_scripts
  kill -TERM "$child"
  wait "$child"
  child=
}

initialise() {
  trap abandon EXIT
  trap 'exit 143' TERM
  trap 'exit 130' INT
  accounts=$(mktemp)
  { accounts_sql && time_zones_sql; } >"$accounts"
  log "initialising $datadir"
  run "$@" --initialize-insecure --datadir="$stage" --init-file="$accounts" --default-time-zone=SYSTEM
  rm -f "$accounts"
  local scripts=(/docker-entrypoint-initdb.d/*)
  ((${#scripts[@]} == 0)) || with_temporary_server "$@"
  find "$stage" -mindepth 1 -maxdepth 1 ! -name mysql -exec mv -t "$datadir" {} +
  mv "$stage/mysql" "$datadir"
  rmdir "$stage"
  trap - EXIT TERM INT
  log "initialised; starting the server"
}

[[ ${1:-} != -* ]] || set -- mysqld "$@"
[[ ${1:-} == mysqld ]] || exec "$@"
for argument in "$@"; do
  case $argument in --help | -h | -\? | --verbose | --version | -V) exec "$@" ;; esac
done

# Before the chown: nothing of someone else's is touched, not even its owner.
if [[ -d $datadir && ! -d $datadir/mysql && ! -e $stage \
  && -n $(find "$datadir" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '.mlflow-*' -print -quit) ]]; then
  die "$datadir is not empty and is not a MySQL data directory: mount an empty one, or one made by MySQL"
fi

if [[ $(id -u) == 0 ]]; then
  mkdir -p "$datadir"
  find "$datadir" /var/run/mysqld /var/lib/mysql-files ! -user mysql -exec chown mysql:mysql {} +
  exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
fi

[[ -w $datadir ]] || die "uid $(id -u) cannot write to $datadir: chown the mounted directory to $(id -u):$(id -g)"
if [[ ! -d $datadir/mysql ]]; then
  if [[ -e $stage ]]; then
    log "an earlier initialisation did not finish; starting it over"
    clear_unfinished
  fi
  for name in MYSQL_ROOT_PASSWORD MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do
    from_file "$name"
  done
  check_settings
  mkdir "$stage"
  initialise "$@"
elif [[ -d $stage ]]; then
  rmdir "$stage"
fi
unset MYSQL_ROOT_PASSWORD MYSQL_PASSWORD
exec "$@"
