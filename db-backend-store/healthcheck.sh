#!/bin/bash
#
# Ansible managed
#
# A login over TCP as MLflow's user. A ping is not enough: `mysqladmin ping` calls a refused login a success, and the
# socket is answered by the server that the entrypoint runs for a moment while it initialises.
set -eu
user=${MYSQL_USER:-mlflowusr}
if [[ -n ${MYSQL_USER_FILE:-} ]]; then user=$(<"$MYSQL_USER_FILE"); fi
# Where the account wants a client's certificate there is one.
tls=()
if [[ -r /etc/mysql/tls/client-key.pem ]]; then
  tls=(--ssl-cert=/etc/mysql/tls/client-cert.pem --ssl-key=/etc/mysql/tls/client-key.pem)
fi
# The container's own name is its address in the network, from which the account may come.
# The password reaches the client through a pipe: it is in no argument, no environment and no file.
log_in() {
  local password=${1//\\/\\\\}
  password=${password//\"/\\\"}
  mysql --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "${password//$'\n'/\\n}") \
    --user="$user" --host="$HOSTNAME" --protocol=tcp "${tls[@]}" --connect-timeout=4 --batch --skip-column-names \
    --execute='DO 1' 2>&1
}
# The one that was generated with the data, else as entrypoint.sh takes it.
known=
for file in /var/lib/mysql/.mlflow-passwords/mysql_password "${MYSQL_PASSWORD_FILE:-}" /run/secrets/mysql_password; do
  if [[ -f $file ]]; then
    known=$(<"$file")
    break
  elif [[ $file == "${MYSQL_PASSWORD_FILE:-}" && -n ${MYSQL_PASSWORD:-} ]]; then
    known=$MYSQL_PASSWORD
    break
  fi
done
answer=$(log_in "$known") && exit 0
if [[ $answer == *"ERROR 1045 "* ]]; then
  # The container was run anew on its data, without the password: that the server answers is all that can be seen.
  if [[ -z $known ]]; then exit 0; fi
  echo "$user is refused with the password that the container was given: the data directory keeps the one of its first start." \
    "Give that one, or change it with ALTER USER."
fi
echo "$answer"
exit 1
