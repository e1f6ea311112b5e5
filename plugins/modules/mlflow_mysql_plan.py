#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_plan
short_description: Inspect a host and plan its MLflow backend store
version_added: 0.1.0
description:
  - Runs M(mlflow_ops.backend_store.mlflow_mysql_host_info) on the host. From its facts and from the variables of the
    role C(mlflow_mysql) it computes everything that the role's tasks need. It is one task and one round trip.
  - The result, registered as C(mlflow_mysql_store), is the only fact with which roles describe a store.
  - It has no passwords, only their paths.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._run.purpose
options:
  look:
    description:
      - What to inspect. V(all) is everything that a deploy depends on. V(store) is enough to recognise the existing
        store; the result has only what follows from that and from the variables. V(nothing) makes no round trip, and
        plans with O(found).
    type: str
    choices: [all, store, nothing]
    default: all
  found:
    description:
      - RV(host) of an earlier result, as the input for O(look=nothing). Without it the result has only what follows
        from the variables.
    type: dict
  subnets:
    description: The subnets of a Docker network that was created after the inspection of the host.
    type: list
    elements: str
  by_group:
    description: Whether this is a playbook for groups. Members of a group need one.
    type: bool
    default: false
  more_arguments:
    description: More arguments for the server.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Inspect the host
  mlflow_ops.backend_store.mlflow_mysql_plan:
  register: mlflow_mysql_store

- name: Fail if there are problems
  ansible.builtin.fail:
    msg: "{{ mlflow_mysql_store.problems | join('\n') }}"
  when: mlflow_mysql_store.problems | length > 0
"""

RETURN = r"""
accounts:
  description:
    - C(wanted), all accounts as M(mlflow_ops.backend_store.mlflow_mysql_account) takes them. In place of passwords from
      variables they have C(given); see P(mlflow_ops.backend_store.mlflow_mysql_with_passwords#filter).
    - C(user), the accounts of MLflow's user among them; C(hosts), the hosts that it may log in from; C(allowed_hosts),
      those of them that were set in variables; C(components), the required components of MySQL.
  returned: with O(look=all)
  type: dict
bare:
  description: Whether this is check mode on a host where modules cannot run, since it lacks their requirements.
  returned: with O(look=all)
  type: bool
connections:
  description:
    - C(server), the maximum number of connections of MLflow's workers; C(maximum), the number that the server accepts;
      C(needed), the number that it must accept; C(pool_size), C(pool_overflow) and C(pool_recycle), for MLflow's
      environment.
  returned: always
  type: dict
container:
  description:
    - C(uid), the server's user in the container; C(command), C(network), C(hostname) and C(etc_hosts), the options of
      the container; C(made), a digest of everything that defines it, and C(made_label), the label with that digest.
    - C(ours), C(running) and C(current), whether the existing container is the role's, runs, and is up to date;
      C(replaced), whether it is recreated rather than changed while it runs; C(published), the address at which it
      publishes MySQL's port. With O(look=store) only C(running) and C(published).
  returned: with O(look=all) and O(look=store)
  type: dict
context:
  description: Dictionary from the name of each file of the image's build context to its text.
  returned: when O(look=nothing) or the store's directory needs a change
  type: dict
data:
  description: C(there), whether a server's data exists, and the C(version) that wrote it, C(0) if it is unknown.
  returned: with O(look=all) and O(look=store)
  type: dict
endpoint:
  description: C(host), C(port), C(database) and C(user) of the store, for MLflow.
  returned: always
  type: dict
files:
  description: Like RV(context), for the files in the store's directory itself.
  returned: when O(look=nothing) or the store's directory needs a change
  type: dict
group:
  description:
    - C(members), the hosts of the group; C(addresses) and C(names), dictionaries from each host to its address and to
      its name among the servers; C(name), this host's name among them; C(hosts), the others' names and addresses;
      C(peers), the addresses that members connect from. All are empty for a standalone store.
  returned: always
  type: dict
host:
  description: The result of M(mlflow_ops.backend_store.mlflow_mysql_host_info).
  returned: with O(look=all) and O(look=store)
  type: dict
identity_problems:
  description: The problems of variables that name another store than the existing one.
  returned: with O(look=all) and O(look=store)
  type: list
  elements: str
image:
  description:
    - C(wanted), the reference of the target image, whose tag is the digest of its build context; C(own), the reference
      with this store's own tag; C(latest). C(id), its ID if it exists; C(current), whether it exists and has the
      store's own tag; C(due), whether it or its base image needs work; C(there), whether no other host needs to
      provide it; C(refresh), whether a refresh of the base image was requested.
    - C(base_is_there) and C(base_version), of the base image; C(base_is_ours), whether the role mysql_base_image
      provides it; C(replaced), references of images that are no longer needed; C(context_label) and
      C(context_digest).
  returned: with O(look=all)
  type: dict
label:
  description: The label that marks a store's objects in the engine and in MySQL.
  returned: always
  type: str
login:
  description:
    - The options with which root logs in, as the modules of the action group C(mlflow_ops.backend_store.mysql) take
      them.
    - C(login_host) and C(login_port) are where the server answers now. In check mode they may differ from where it
      will answer.
  returned: always
  type: dict
network:
  description: Name of the Docker network.
  returned: always
  type: str
passwords:
  description:
    - C(files), a dictionary from each account to the file with its password, for V(root), V(migrator), V(backup),
      V(user), V(first_root), and in a group V(group) and V(route); C(names), the same relative to C(secrets) of
      RV(paths); C(next_files) and C(next_names), the files for a rotation's new passwords.
    - C(given), the accounts whose passwords are in variables; C(generated), the names of the others, which are
      generated on the host; C(policy), the password policy.
  returned: always
  type: dict
paths:
  description:
    - The paths of the store. C(home), and in it C(build), C(data), C(run), C(secrets), C(mounted_secrets), C(tls),
      C(mounted_tls), C(tmp), C(socket), C(environment), C(group_authorities), C(recovery), C(rotating).
  returned: always
  type: dict
problems:
  description: The problems, each with the variable to set.
  returned: with O(look=all)
  type: list
  elements: str
rotation:
  description:
    - C(order), the accounts in the order in which a rotation gives them new passwords; C(users), their names;
      C(accounts) and C(next_accounts), dictionaries from each to accounts as
      M(mlflow_ops.backend_store.mlflow_mysql_account) takes them, with the current or with the next password; C(parts)
      and C(pause), the number of parts of the wait for clients, and the seconds of each.
  returned: with O(look=all)
  type: dict
settings:
  description: The user's settings by the server's own names, without prefixes such as C(loose_); numbers are integers.
  returned: always
  type: dict
sizes:
  description:
    - C(memory_mb) and C(buffer_pool_mb), V(null) if they are unknown; C(arguments), the server's arguments for them;
      C(pids_limit) and C(cpu_shares).
  returned: with O(look=all)
  type: dict
steps:
  description:
    - The due parts of the work, each V(true) or V(false). C(engine), C(prepare) and in it C(base), C(home), C(tls) and
      C(build), and C(container).
  returned: with O(look=all)
  type: dict
tls:
  description:
    - C(on), whether TLS is on; C(mounted), the path of the certificates in the container; C(sets), the certificates,
      each with C(name), C(names) and C(client); C(missing), the variables of files that are not set.
    - C(authorities), the text of the file of CAs, if certificates are given and due.
  returned: always
  type: dict
uid:
  description: The host's user ID for the server in the container, V(null) if it is unknown.
  returned: with O(look=all) and O(look=store)
  type: int
uri_tls:
  description: C(ssl_ca), C(ssl_cert) and C(ssl_key), the paths with which a client on this host verifies the server.
  returned: always
  type: dict
"""
