#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
mysql=$1 # the version of the base image
# A process on a port, and a container on another.
setsid -f python3 -c 'import socket, time; s = socket.create_server(("127.0.0.1", 3399)); time.sleep(36000)' >/dev/null 2>&1
docker run -d --name stranger --network none --entrypoint sleep "mysql:$mysql" 36000 >/dev/null

# A MySQL data directory as far as preflight looks.
data_dir() { # NAME VERSION
  local data=/srv/$1/data
  mkdir -p "$data/mysql"
  touch "$data/mysql.ibd" "$data/ibdata1"
  [ -z "$2" ] || echo "{\"upgrade_history\": [{\"version\": \"$2\"}]}" >"$data/mysql_upgrade_history"
  chown -R 999:999 "$data"
}
data_dir newer 9.9.1
data_dir older 8.4.3
data_dir ancient ""
data_dir owned "$mysql-2"
chown -R 110:110 /srv/owned/data
mkdir -p /srv/foreign/data && echo precious >/srv/foreign/data/thesis.txt
mkdir -p /srv/readonly /srv/small
mount -t tmpfs -o ro tmpfs /srv/readonly
mount -t tmpfs -o size=64m tmpfs /srv/small
python3 -m venv --without-pip /opt/isolated
touch /srv/obstacles
