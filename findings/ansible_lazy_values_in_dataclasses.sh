#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ansible-core 2.19.14, Python's dataclasses: a filter that returns dataclasses.asdict() of something that holds a part of
# a variable fails with ansible-core 2.19, and works with 2.18.
#
# Since 2.19 a filter gets variables as dictionaries and lists that are templated when they are read. They are subclasses of
# dict and list, they compare equal to plain ones, and copy.deepcopy() takes them. dataclasses.asdict() does not copy them
# so: it calls the type of each dictionary and list that it finds, and these types refuse to be called. What a unit test
# hands the same filter is plain, so that it passes.
#
# Seen: "Direct construction of lazy containers is not supported", where a filter's dataclass has a field with what was
# nested in its input. The fields by name (`{f.name: getattr(value, f.name) for f in fields(value)}`) are the way round it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir filter_plugins
cat >filter_plugins/hosts.py <<'PYTHON'
import copy
from dataclasses import asdict, dataclass, fields


@dataclass
class Host:
    members: list


def by_asdict(value):
    return asdict(Host(value["members"]))


def by_deepcopy(value):
    return copy.deepcopy(Host(value["members"])).__dict__


def by_fields(value):
    host = Host(value["members"])
    return {field.name: getattr(host, field.name) for field in fields(host)}


class FilterModule:
    def filters(self):
        return {"by_asdict": by_asdict, "by_deepcopy": by_deepcopy, "by_fields": by_fields}
PYTHON
cat >play.yml <<'YAML'
- hosts: localhost
  gather_facts: false
  vars:
    found: {members: [{host: 10.0.0.1}]}
  tasks:
    - ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.vars', 'how') }}: {{ found | by_fields if how == 'fields' else found | by_deepcopy if how == 'deepcopy'
          else found | by_asdict }}"
YAML

# What a run with this way of making a dictionary prints.
run() {
  ANSIBLE_LOCALHOST_WARNING=false "$1/bin/ansible-playbook" -i localhost, -c local -e "how=$2" play.yml 2>&1 || true
}

expected() {
  tr -s ' \n' ' ' <<<"$1" | grep -q "$2" || { printf 'expected "%s" of %s:\n%s\n' "$2" "$3" "$1" >&2; exit 1; }
}

for version in 2.18.19 2.19.14; do
  python3 -m venv "venv-$version"
  "venv-$version/bin/pip" install --quiet --disable-pip-version-check "ansible-core==$version"
done
for how in fields deepcopy asdict; do
  expected "$(run venv-2.18.19 $how)" "10.0.0.1" "$how with 2.18.19"
done
for how in fields deepcopy; do
  expected "$(run venv-2.19.14 $how)" "10.0.0.1" "$how with 2.19.14"
done
expected "$(run venv-2.19.14 asdict)" "Direct construction of lazy containers is not supported" "asdict with 2.19.14"
echo "as described"
