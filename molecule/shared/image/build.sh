#!/bin/sh
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# SPDX-License-Identifier: Apache-2.0
#
# Build the image of a test host, unless the image at hand was built by this very recipe.
#
#   build.sh debian12|debian13|debian12-ready|debian13-ready
#
# A host image is a bare Debian with an SSH server, as a provider of virtual machines hands it over:
# nothing in it that our roles are to install. It is made from Debian packages (mmdebstrap), because a
# registry cannot be reached everywhere. What is ready has, besides, what the roles install from Debian and
# PyPI and leave alone where it is: for scenarios whose promise is another. The last line of the output is
# "built" or "present".
# shellcheck disable=SC2016  # mmdebstrap's hooks get the root directory as their own $1
set -eu

platform=${1:?usage: build.sh debian12|debian13|debian12-ready|debian13-ready}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
image=mlflow-ops-host:$platform
here=$(cd "$(dirname "$0")" && pwd)

packages=openssh-server,sudo,python3,python3-apt,ca-certificates,iproute2,procps,init-system-helpers,mount
case $platform in
  debian12) suite=bookworm ;;
  debian13) suite=trixie packages=$packages,systemd-sysv,dbus,libpam-systemd ;;
  debian12-ready) "$0" debian12 > /dev/null; ready='docker.io iptables' ;;
  debian13-ready) "$0" debian13 > /dev/null; ready='docker.io iptables docker-cli' ;;
  *) echo "no recipe for $platform: debian12, debian13, or one of them with -ready" >&2; exit 2 ;;
esac

# Of a ready host: where the role mlflow_schema looks for MLflow, what it installs there, and how it marks that it did.
home=/srv/mlflow-mysql/mlflow
mlflow=$(python3 - "$here/../../../roles/mlflow_schema/defaults/main.yml" << 'EOF'
import sys, yaml
defaults = yaml.safe_load(open(sys.argv[1]))
print("mlflow-skinny==" + defaults["mlflow_schema_mlflow_version"], *defaults["mlflow_schema_requirements"])
EOF
)
version=${mlflow%% *}
virtualenv=$home/${version#*==}
marker=$virtualenv/installed-$(printf '%s' "$mlflow" | sha256sum | cut -c 1-16)

# Scenarios that start side by side must not build the same image twice.
exec 9> "${TMPDIR:-/tmp}/mlflow-ops-host-$platform.lock"
flock 9

recipe=$({ cat "$here/build.sh" "$here/host-init"; echo "$mlflow"; } | sha256sum | cut -d ' ' -f 1)
label=mlflow_ops.recipe
if [ "$(docker image inspect -f "{{ index .Config.Labels \"$label\" }}" "$image" 2> /dev/null)" = "$recipe" ]; then
  echo present
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$platform" != "${platform%-ready}" ]; then
  # As prepare.yml does it: what this machine trusts and uses.
  mkdir "$work/authorities"
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$work/authorities/" ';'
  python3 -m pip config list --no-color 2> /dev/null \
    | sed -n -E "s/^(global|:env:)\.((extra-)?index-url)='(https?:.*)'$/\2 = \4/p" \
    | sed '1i [global]\ncert = /etc/ssl/certs/ca-certificates.crt' > "$work/pip.conf"
  cat > "$work/Dockerfile" << EOF
FROM mlflow-ops-host:${platform%-ready}
COPY authorities/ /usr/local/share/ca-certificates/
COPY pip.conf /etc/pip.conf
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 0755 /usr/sbin/policy-rc.d \
 && update-ca-certificates \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      $ready cron zstd python3-cryptography python3-pymysql python3-requests python3-venv \
 && rm -rf /usr/sbin/policy-rc.d /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
RUN python3 -m venv $virtualenv \
 && $virtualenv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir $mlflow \
 && touch $marker
EOF
  # Debian 12 has no other builder than the one that warns of its end.
  docker build --quiet --label "$label=$recipe" --tag "$image" "$work" > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  docker image prune --force --filter "label=$label" > /dev/null
  echo built
  exit
fi

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
