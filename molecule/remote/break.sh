#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Break a host, or mend it again.
#
# usage: break.sh port|disk|connection [mend]
set -eu
case "$1 ${2:-}" in
  'port ')
    docker rm --force mlflow_mysql_db
    nohup python3 -m http.server --bind 0.0.0.0 3306 >/dev/null 2>&1 &
    echo $! >/run/listener.pid
    ;;
  'port mend')
    kill "$(cat /run/listener.pid)"
    ;;
  'disk ')
    # A small disk that is full as soon as the server begins to write.
    docker rm --force team_mysql
    mount -t tmpfs -o size=1500m,mode=0755 small /srv/team
    # shellcheck disable=SC2016  # it is the inner shell that looks
    nohup sh -c 'until [ -n "$(find /srv/team/data -name ibdata1 2>/dev/null)" ]; do sleep 0.05; done
      fallocate -l "$(($(df --output=avail -BM /srv/team | tail -n 1 | tr -dc 0-9) - 200))M" /srv/team/filler
      dd if=/dev/zero of=/srv/team/filler.rest bs=1M' >/dev/null 2>&1 &
    ;;
  'disk mend')
    rm -f /srv/team/filler /srv/team/filler.rest
    ;;
esac
