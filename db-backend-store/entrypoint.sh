#!/bin/bash
#
# Ansible managed
#
# A new data directory gets its passwords from files that are mounted, else from `-e` variables, else they are generated here.
# All the rest is the base image's own entrypoint.
set -Eeuo pipefail
umask 077

data=/var/lib/mysql
# In the data directory: whoever has the data has them. mysqld looks at no name that begins with a period.
kept=$data/.mlflow-passwords
time_zones=$data/.mlflow-time-zones
unfinished=$data/.mlflow-initialising
# Memory, gone with the container. The server's user may not be allowed to read what is mounted.
handed=/dev/shm/mlflow-passwords
# Made by the Dockerfile where the base image's entrypoint would take an initialisation that was killed for a whole one.
finish=/docker-entrypoint-initdb.d/zz-mlflow.sh
# Made on the host once the store answered. A disk that is not mounted is not to be taken for a new store.
made=/var/run/mysqld/store-made

log() { printf '%s [mlflow] %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >&2; }
die() { log "ERROR: $*"; exit 1; }
to_mysql() { if [[ $(id -u) == 0 ]]; then chown -R mysql:mysql "$@"; fi; }

# Where the password with the variable $1 and the file name $2 is, whoever gave it.
find_password() {
  local variable=$1 name=$2 file_variable=$1_FILE file=/run/secrets/$2
  if [[ -n ${!variable:-} ]]; then
    [[ -z ${!file_variable:-} ]] || die "both $variable and $file_variable are set; set only one of them"
    [[ ! -f $file || $(<"$file") == "${!variable}" ]] \
      || die "$variable is set and $file is mounted with another password; give only one of them"
    printf '%s\n' "${!variable}" >"$handed/$name"
    rm -f "$kept/$name"
    return
  fi
  if [[ -n ${!file_variable:-} ]]; then file=${!file_variable}; fi
  if [[ -n ${!file_variable:-} || -e $file ]]; then
    [[ ! -d $file ]] || die "$file is a directory: Docker makes one where the file that is to be mounted does not exist"
    [[ -r $file ]] || die "$file, which is to hold a password ($file_variable), cannot be read by uid $(id -u)"
    [[ -n $(<"$file") ]] || die "$file is empty; it is to hold a password ($file_variable)"
    cat "$file" >"$handed/$name"
    rm -f "$kept/$name"
    return
  fi
  if [[ ! -e $kept/$name ]]; then
    mkdir -p "$kept"
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$kept/.$name"
    mv "$kept/.$name" "$kept/$name"
    sync "$kept/$name" "$kept"
    to_mysql "$kept"
  fi
  cp "$kept/$name" "$handed/$name"
}

# In the SQL literal and in the option file into which the official image pastes it.
pasted() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\'/\\\'}
  text=${text//\"/\\\"}
  printf '%s' "${text//$'\n'/\\n}"
}

prepare_new() {
  local name file_name
  # What is not set with -e is the image's.
  for name in MYSQL_ROOT_HOST MYSQL_DATABASE MYSQL_USER; do
    file_name=${name}_FILE
    if [[ -n ${!file_name:-} ]]; then unset "$name"; fi
  done
  [[ ${MYSQL_USER:-} != root ]] || die "MYSQL_USER cannot be root; MYSQL_ROOT_PASSWORD sets root's password"
  rm -rf "$handed"
  mkdir "$handed"
  if [[ -z ${MYSQL_ALLOW_EMPTY_PASSWORD:-}${MYSQL_RANDOM_ROOT_PASSWORD:-} ]]; then
    find_password MYSQL_ROOT_PASSWORD mysql_root_password
    export MYSQL_ROOT_PASSWORD_FILE=$handed/mysql_root_password
    unset MYSQL_ROOT_PASSWORD
  fi
  if [[ -n ${MYSQL_USER:-}${MYSQL_USER_FILE:-} ]]; then
    find_password MYSQL_PASSWORD mysql_password
    export MYSQL_PASSWORD_FILE=$handed/mysql_password
    unset MYSQL_PASSWORD
  fi
  if ! grep -q mysql_base_image_initialising "$(command -v docker-entrypoint.sh)"; then
    for name in "$handed"/*; do
      if [[ -e $name ]]; then
        pasted "$(<"$name")" >"$name.pasted"
        mv "$name.pasted" "$name"
      fi
    done
  fi
  to_mysql "$handed"
  if [[ -e $finish ]]; then
    : >"$unfinished"
    to_mysql "$unfinished"
  fi
}

# The time zone of the settings, if it is one that has a name.
named_time_zone() {
  local zone
  zone=$({
    cat /etc/mysql/conf.d/*.cnf 2>/dev/null || true
    printf '%s\n' "$@"
  } | sed -nE "s/^[[:space:]]*(--)?(loose[-_])?default[-_]time[-_]zone[[:space:]]*=[[:space:]]*['\"]?([^'\"[:space:]]*).*/\3/p" | tail -n 1)
  if [[ $zone == [A-Za-z]* && ${zone^^} != SYSTEM ]]; then printf '%s' "$zone"; fi
}

# A store that was made without the tables of time zones gets them once the settings name one, without which the server would
# not start. Whether they are there is not asked: it takes a server to see.
load_time_zones() {
  local statements=/dev/shm/mlflow-time-zones.sql user=()
  log "loading the tables of time zones, for default_time_zone"
  {
    echo 'SET SESSION sql_log_bin = 0; USE mysql;'
    mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null
    echo 'SHUTDOWN;'
  } >"$statements"
  to_mysql "$statements"
  if [[ $(id -u) == 0 ]]; then user=(--user=mysql); fi
  # As a child, so that a stop of the container reaches it.
  "$@" "${user[@]}" --default-time-zone=SYSTEM --skip-networking --mysqlx=OFF --loose-group-replication-start-on-boot=OFF \
    --socket=/tmp/mlflow-time-zones.sock --pid-file=/tmp/mlflow-time-zones.pid --init-file="$statements" &
  child=$!
  trap 'kill -TERM "$child"; wait "$child"; exit 143' TERM INT
  wait "$child" || die "the server that was to load the time zones ended; its messages stand above"
  trap - TERM INT
  rm -f "$statements"
  : >"$time_zones"
  to_mysql "$time_zones"
}

[[ ${1:-} != -* ]] || set -- mysqld "$@"
[[ ${1:-} == mysqld ]] || exec docker-entrypoint.sh "$@"
for argument in "$@"; do
  case $argument in --help | -h | -\? | --verbose | --version | -V | --validate-config) exec docker-entrypoint.sh "$@" ;; esac
done

[[ -w $data ]] || die "uid $(id -u) cannot write to $data: chown the mounted directory to $(id -u):$(id -g)"
if [[ -e $unfinished ]]; then
  log "an earlier initialisation did not finish; starting it over"
  find "$data" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '.mlflow-*' -exec rm -rf {} +
fi
if [[ ! -d $data/mysql ]]; then
  # The base image's entrypoint of Debian's packages clears its own staging directory.
  if [[ ! -e $data/mysql_base_image_initialising ]]; then
    foreign=$(find "$data" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name '.mlflow-*' -print -quit)
    # A member gets its data from the group.
    [[ -n $foreign || ! -e $made || " $* " == *group-replication-group-name* ]] \
      || die "$data is empty, and this store has been made already: mount the disk of its data, or restore a backup; to make a" \
        "new store, remove this one first (the playbook remove, with mlflow_mysql_purge_data=true)"
    [[ -z $foreign ]] || die "$data is not empty and is not a MySQL data directory: mount an empty one, or one made by MySQL"
  fi
  prepare_new
else
  unset MYSQL_ROOT_PASSWORD MYSQL_PASSWORD MYSQL_ROOT_PASSWORD_FILE MYSQL_PASSWORD_FILE
  if [[ ! -e $time_zones && -d /usr/share/zoneinfo && -n $(named_time_zone "$@") ]]; then load_time_zones "$@"; fi
fi
if [[ -e $kept ]]; then
  here=mlflow_mysql_db
  if [[ $HOSTNAME =~ ^[0-9a-f]{12}$ ]]; then here=$HOSTNAME; fi
  log "the passwords were generated; to read them: docker exec $here tail -v -n +1 $(echo "$kept"/*)"
fi
umask 022
exec docker-entrypoint.sh "$@"
