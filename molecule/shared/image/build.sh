#!/bin/sh
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# SPDX-License-Identifier: Apache-2.0
#
# Build the image of a test host, unless the image at hand was built by this very recipe.
#
#   build.sh debian12|debian13
#
# A host image is a bare Debian with an SSH server, as a provider of virtual machines hands it over:
# nothing in it that our roles are to install. It is made from Debian packages (mmdebstrap), because a
# registry cannot be reached everywhere. The last line of the output is "built" or "present".
# shellcheck disable=SC2016  # mmdebstrap's hooks get the root directory as their own $1
set -eu

platform=${1:?usage: build.sh debian12|debian13}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
image=mlflow-ops-host:$platform
here=$(cd "$(dirname "$0")" && pwd)

packages=openssh-server,sudo,python3,python3-apt,ca-certificates,iproute2,procps,init-system-helpers,mount
case $platform in
  debian12) suite=bookworm ;;
  debian13) suite=trixie packages=$packages,systemd-sysv,dbus,libpam-systemd ;;
  *) echo "no recipe for $platform: debian12 or debian13" >&2; exit 2 ;;
esac

# Scenarios that start side by side must not build the same image twice.
exec 9> "${TMPDIR:-/tmp}/mlflow-ops-host-$platform.lock"
flock 9

recipe=$(cat "$here/build.sh" "$here/host-init" | sha256sum | cut -d ' ' -f 1)
label=mlflow_ops.recipe
if [ "$(docker image inspect -f "{{ index .Config.Labels \"$label\" }}" "$image" 2> /dev/null)" = "$recipe" ]; then
  echo present
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The host keys and the machine id are each host's own, made at its first start by host-init.
# A mirror that lags behind is still signed: only the expiry date of its index is not looked at.
mmdebstrap --variant=apt --format=tar --include="$packages" \
  --aptopt='Acquire::Check-Valid-Until "false"' \
  --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt=force-unsafe-io \
  --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash ops' \
  --customize-hook='echo "ops ALL=(ALL) NOPASSWD: ALL" > "$1/etc/sudoers.d/ops" && chmod 0440 "$1/etc/sudoers.d/ops"' \
  --customize-hook='printf "PasswordAuthentication no\nPermitRootLogin no\nUseDNS no\n" > "$1/etc/ssh/sshd_config.d/host.conf"' \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* && : > "$1/etc/machine-id"' \
  --customize-hook="install -m 0755 '$here/host-init' \"\$1/usr/local/sbin/host-init\"" \
  "$suite" "$work/host.tar" \
  "deb $mirror/debian $suite main" \
  "deb $mirror/debian $suite-updates main" \
  "deb $mirror/debian-security $suite-security main"

docker import \
  --change 'ENTRYPOINT ["/usr/local/sbin/host-init"]' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change "LABEL $label=$recipe" \
  "$work/host.tar" "$image" > /dev/null
# What the tag named before has no name any more.
docker image prune --force --filter "label=$label" > /dev/null
echo built
