#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Build the base image from Debian's packages.
# shellcheck disable=SC2016  # the hooks are expanded by mmdebstrap
#
# usage: build.sh REFERENCE SERIES SUITE MIRROR WORK_DIRECTORY [APT_OPTION...]
set -eu
reference=$1 series=$2 suite=$3 mirror=$4 work=$5
shift 5
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tarball=$work/rootfs.tar
trap 'rm -f "$tarball"' EXIT

for option in "$@"; do
  set -- "$@" --aptopt="$option"
  shift
done

# No documentation, no translations: they are a fifth of the size and nobody reads them in a container.
# Zones of leap seconds are nobody's. mysqld runs as uid and gid 999, as in the official image, so that data directories can be exchanged.
TMPDIR=$work mmdebstrap --variant=essential --include=mysql-server-core,mysql-client-core,tzdata,tzdata-legacy,bzip2,xz-utils,zstd \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --skip=cleanup/run "$@" \
  --customize-hook='echo mysql:x:999: >>"$1/etc/group"' \
  --customize-hook='echo mysql:x:999:999:MySQL:/var/lib/mysql:/usr/sbin/nologin >>"$1/etc/passwd"' \
  --customize-hook='for d in run/mysqld var/lib/mysql var/lib/mysql-files; do
      rm -rf "$1/$d"; mkdir -p "$1/$d"; chown 999:999 "$1/$d"; done' \
  --customize-hook='chmod 1777 "$1/run/mysqld"; chmod 0750 "$1/var/lib/mysql-files"' \
  --customize-hook='rm -rf "$1/usr/share/zoneinfo/right" "$1/usr/share/zoneinfo/posix"' \
  --customize-hook='mkdir -p "$1/docker-entrypoint-initdb.d" "$1/etc/mysql/conf.d"' \
  --customize-hook="cp '$here/my.cnf' \"\$1/etc/mysql/my.cnf\"" \
  --customize-hook="install -m 0755 '$here/docker-entrypoint.sh' \"\$1/usr/local/bin/docker-entrypoint.sh\"" \
  --customize-hook="chroot \"\$1\" mysqld --version >'$work/version'" \
  "$suite" "$tarball" "$mirror"

version=$(sed -n 's/.* Ver \([0-9.]*\).*/\1/p' "$work/version")
case $version in
  "$series".*) ;;
  *)
    echo "Debian $suite has MySQL $version, not a $series release" >&2
    exit 3
    ;;
esac

docker import \
  --change "LABEL mlflow_ops.base_image.source=debian mlflow_ops.base_image.mysql_version=$version" \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change "ENV MYSQL_MAJOR=$series" \
  --change "ENV MYSQL_VERSION=$version" \
  --change 'VOLUME /var/lib/mysql' \
  --change 'EXPOSE 3306 33060' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' \
  --change 'CMD ["mysqld"]' \
  "$tarball" "$reference" >/dev/null
echo "$version"
