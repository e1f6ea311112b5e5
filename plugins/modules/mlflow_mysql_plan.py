#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_plan
short_description: Look at a host and say what its MLflow backend store must be
version_added: 0.1.0
description:
  - Runs M(mlflow_ops.backend_store.mlflow_mysql_host_info) on the host, and computes from what it finds and from
    the variables of the role C(mlflow_mysql) everything that the role's tasks decide on. It is one task and one
    round trip.
  - The result, registered as C(mlflow_mysql_store), is the one fact by which roles know a store.
  - No password is in it, only where they lie.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._run.purpose
options:
  look:
    description:
      - What to look at. V(all) is everything that a deploy depends on. V(store) is what tells the store that is there
        from another one, and the result has only what follows from that and from the variables. V(nothing) makes no
        round trip, and plans with O(found).
    type: str
    choices: [all, store, nothing]
    default: all
  found:
    description:
      - RV(host) of an earlier result, with which to plan where O(look=nothing). Without it the result has only what
        follows from the variables.
    type: dict
  subnets:
    description: The networks of a Docker network that was made since the host was looked at.
    type: list
    elements: str
  by_group:
    description: Whether this is a playbook for groups, which a member's host belongs to.
    type: bool
    default: false
  more_arguments:
    description: Arguments that the server is started with besides.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at the host
  mlflow_ops.backend_store.mlflow_mysql_plan:
  register: mlflow_mysql_store

- name: Fail if anything stands in the way
  ansible.builtin.fail:
    msg: "{{ mlflow_mysql_store.problems | join('\n') }}"
  when: mlflow_mysql_store.problems | length > 0
"""

RETURN = r"""
accounts:
  description:
    - C(wanted), all accounts as M(mlflow_ops.backend_store.mlflow_mysql_account) takes them, but for passwords that
      are in variables, for which they have C(given); see
      P(mlflow_ops.backend_store.mlflow_mysql_given_passwords#filter).
    - C(user), those of MLflow's user among them; C(hosts), from where it may come; C(allowed_hosts), what of that was
      said; C(components), the components of MySQL that are to be there.
  returned: with O(look=all)
  type: dict
bare:
  description: Whether this is check mode on a host that lacks what modules need, so that they cannot run.
  returned: with O(look=all)
  type: bool
connections:
  description:
    - C(server), how many connections the workers of MLflow can take; C(maximum), how many the server allows;
      C(needed), how many it must; C(pool_size), C(pool_overflow) and C(pool_recycle), for MLflow's environment.
  returned: always
  type: dict
container:
  description:
    - C(uid), the server's user in it; C(command), C(network), C(hostname) and C(etc_hosts), with which the
      container is run; C(made), a digest of all that it is made of, and C(made_label), the label that has it.
    - C(ours), C(running) and C(current), whether the one that is there is the role's, runs, and is what is wanted;
      C(replaced), whether it is replaced rather than changed while it runs; C(published), where it publishes MySQL's
      port. With O(look=store) only C(running) and C(published).
  returned: with O(look=all) and O(look=store)
  type: dict
context:
  description: Dictionary from the name of each file that the image is built from to its text.
  returned: when O(look=nothing) or something is to be done in the store's directory
  type: dict
data:
  description: C(there), whether a server's data is there, and the C(version) that wrote it, C(0) if it cannot be told.
  returned: with O(look=all) and O(look=store)
  type: dict
endpoint:
  description: C(host), C(port), C(database) and C(user), by which MLflow knows the store.
  returned: always
  type: dict
files:
  description: The same as RV(context), of the files in the store's directory itself.
  returned: when O(look=nothing) or something is to be done in the store's directory
  type: dict
group:
  description:
    - C(members), the hosts of the group; C(addresses) and C(names), dictionaries from each to its address and to what
      the servers call it; C(name), what they call this one; C(hosts), the others' names and addresses; C(peers), from
      where members come. All are empty for a store by itself.
  returned: always
  type: dict
host:
  description: What M(mlflow_ops.backend_store.mlflow_mysql_host_info) returned.
  returned: with O(look=all) and O(look=store)
  type: dict
identity_problems:
  description: Those of the problems that say that the variables name another store than the one that is there.
  returned: with O(look=all) and O(look=store)
  type: list
  elements: str
image:
  description:
    - C(wanted), the reference of the image, whose tag is the digest of what it is built from; C(own), that of this
      store's; C(latest). C(id), its ID if it is there; C(current), whether it is there and is the store's own;
      C(due), whether something is to be done for it or its base image; C(there), whether nobody needs to hand it
      out; C(refresh), whether the base image was asked for anew.
    - C(base_is_there) and C(base_version), of the base image; C(base_is_ours), whether the role mysql_base_image
      provides it; C(replaced), references of images that are not needed any more; C(context_label) and
      C(context_digest).
  returned: with O(look=all)
  type: dict
label:
  description: The label by which what belongs to a store is known, in the engine and in MySQL.
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
    - C(files), a dictionary from each account to the file with its password, of V(root), V(migrator), V(backup),
      V(user), V(first_root), and in a group V(group) and V(route); C(names), the same below RV(paths) C(secrets);
      C(next_files) and C(next_names), where a rotation keeps new ones.
    - C(given), the accounts whose passwords are in variables; C(generated), the names of the others, which are made
      on the host; C(policy), the policy for passwords.
  returned: always
  type: dict
paths:
  description:
    - Where everything of the store lies. C(home), and in it C(build), C(data), C(run), C(secrets),
      C(mounted_secrets), C(tls), C(mounted_tls), C(tmp), C(socket), C(environment), C(group_authorities),
      C(recovery), C(rotating).
  returned: always
  type: dict
problems:
  description: What is wrong, each with the variable to set.
  returned: with O(look=all)
  type: list
  elements: str
rotation:
  description:
    - C(order), the accounts in the order in which a rotation gives them new passwords; C(users), their names;
      C(accounts) and C(next_accounts), dictionaries from each to accounts as
      M(mlflow_ops.backend_store.mlflow_mysql_account) takes them, with its password or with the next one; C(parts)
      and C(pause), in how many parts of how many seconds it waits for clients.
  returned: with O(look=all)
  type: dict
settings:
  description: The user's settings by the server's own names, without prefixes such as C(loose_); numbers are integers.
  returned: always
  type: dict
sizes:
  description:
    - C(memory_mb) and C(buffer_pool_mb), V(null) where they cannot be told; C(arguments), what of that the server
      is told; C(pids_limit) and C(cpu_shares).
  returned: with O(look=all)
  type: dict
steps:
  description:
    - Which parts of the work are due, each V(true) or V(false). C(engine), C(prepare) and in it C(base), C(home),
      C(tls) and C(build), and C(container).
  returned: with O(look=all)
  type: dict
tls:
  description:
    - C(on), whether there is TLS; C(mounted), where the container sees the certificates; C(sets), whose
      certificates there are, each with C(name), C(names) and C(client); C(missing), the variables of files that are
      not set.
    - C(authorities), the text of the file of authorities where certificates are given and due.
  returned: always
  type: dict
uid:
  description: The user ID by which the host knows the server in the container, V(null) if that cannot be told.
  returned: with O(look=all) and O(look=store)
  type: int
uri_tls:
  description: C(ssl_ca), C(ssl_cert) and C(ssl_key), paths that a client on this host verifies the server with.
  returned: always
  type: dict
"""
