#!/bin/bash
#
# Ansible managed
#
# A login over TCP as MLflow's user. A ping is not enough: `mysqladmin ping` calls a refused login a success, and the
# socket is answered by the server that the entrypoint runs for a moment while it initialises.
set -eu
password=$(</run/secrets/mysql_password)
password=${password//\\/\\\\}
password=${password//\"/\\\"}
# The password reaches the client through a pipe: it is in no argument, no environment and no file.
exec mysql --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "$password") \
  --user=mlflowusr --host=127.0.0.1 --protocol=tcp --connect-timeout=4 --batch --skip-column-names \
  --execute='DO 1'
