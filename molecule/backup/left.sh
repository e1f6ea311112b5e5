#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What restores and backups left on the host, besides the stores and the backups.
docker ps --all --format '{{.Names}}' | grep -vx -e mlflow_mysql_db -e beside
find /srv/mlflow-mysql /srv/beside -maxdepth 2 \( -name '.partial*' -o -name 'clone-*' -o -name 'restore-*' -o -name 'drill-*' \
  -o -name data.restored -o -name 'data.swapped-*' -o -name '.data.*' \)
