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
# Where the account wants a client's certificate there is one.
tls=()
if [[ -r /etc/mysql/tls/client-key.pem ]]; then
  tls=(--ssl-cert=/etc/mysql/tls/client-cert.pem --ssl-key=/etc/mysql/tls/client-key.pem)
fi
# The container's own name is its address in the network, from which the account may come.
# The password reaches the client through a pipe: it is in no argument, no environment and no file.
exec mysql --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "$password") \
  --user=mlflowusr --host="$HOSTNAME" --protocol=tcp "${tls[@]}" --connect-timeout=4 --batch --skip-column-names \
  --execute='DO 1'
