#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Start Docker Engine as the user ops, and wait until it answers.
set -eu
# What a machine has, and a host in a container lacks: the device of virtual networks, and /proc and /sys that are not
# covered in part, without which no user may mount them anew.
mkdir -p /dev/net /mnt/proc /mnt/sys
[ -e /dev/net/tun ] || mknod -m 0666 /dev/net/tun c 10 200
mount -t proc proc /mnt/proc
mount -t sysfs -o ro sysfs /mnt/sys

# What a login would make.
install -d -m 0755 /run/user
install -d -m 0700 -o ops -g ops /run/user/1000
install -d -m 0710 -o ops -g ops /srv/rootless-docker
start-stop-daemon --start --background --no-close --chuid ops:ops --pidfile /run/rootless-docker.pid --make-pidfile \
  --exec /usr/bin/env -- HOME=/home/ops USER=ops XDG_RUNTIME_DIR=/run/user/1000 \
  PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
  /usr/share/docker.io/contrib/dockerd-rootless.sh --data-root=/srv/rootless-docker >/var/log/rootless-docker.log 2>&1
for _ in $(seq 60); do
  DOCKER_HOST=unix:///run/user/1000/docker.sock docker version >/dev/null 2>&1 && exit
  sleep 0.5
done
tail -n 20 /var/log/rootless-docker.log >&2
exit 1
