#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Print what a refused run must leave as it was: containers, the latest image, passwords, and the directories of others.
set -euo pipefail
docker ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort
docker image ls --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -E ':latest|^mysql' | sort
find /srv/mlflow-mysql/secrets -type f -exec sha256sum {} + | sort
find /srv/newer /srv/older /srv/ancient /srv/owned /srv/foreign /srv/readonly /srv/small /srv/fresh \
  -printf '%p %m %u %s %T@\n' 2>/dev/null | sort || true
