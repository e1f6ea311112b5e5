#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Assert that each password in the files opens its account, and print hashes of them and whether old ones are valid too.
#
# usage: passwords.sh HOME
set -euo pipefail
home=$1
query() { # user, password, statement
  printf '[client]\npassword="%s"\n' "$2" |
    docker exec -i mlflow_mysql_db mysql --defaults-extra-file=/dev/stdin --user="$1" --batch --skip-column-names \
      --execute="$3"
}
root=$(<"$home/secrets/root_password")
query mlflow_migrator "$(<"$home/secrets/migrator_password")" 'DO 1'
query mlflow_backup "$(<"$home/secrets/backup_password")" 'DO 1'
docker exec mlflow_mysql_db bash /usr/local/bin/mlflow-mysql-healthcheck
sha256sum "$home"/secrets/root_password "$home"/secrets/{migrator,backup}_password "$home"/secrets/container/mysql_password
query root "$root" "SELECT COUNT(*) FROM mysql.user WHERE user_attributes->>'\$.additional_password' IS NOT NULL" | sed 's/^/old: /'
find "$home/secrets" -name '*.new' -o -name rotating -o -name recover.sql | sed 's/^/left: /'
