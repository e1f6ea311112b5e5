# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a host and plan its store, in one task. The documentation is in plugins/modules/mlflow_mysql_plan.py."""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import datetime, timezone
from typing import Any, Mapping

import ansible.template
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.advice import execute
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import (
    defaults,
    fact,
    group,
    plan,
    tls,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import (
    PREFIX,
    Host,
    Material,
    Options,
    Others,
    Passwords,
    Run,
    plain,
)

ROLE = defaults.ROLES / "mlflow_mysql"
HOST_INFO = "mlflow_ops.backend_store.mlflow_mysql_host_info"
# What the image is built from, and what lies beside it for whoever starts MLflow.
CONTEXT = ("Dockerfile", "my.cnf", "entrypoint.sh", "healthcheck.sh")
MEMBER_CONTEXT = ("member.sh",)
FILES = ("mlflow.env",)
# Variables of other roles that a plan depends on, and what the templates use that is no option of a plan.
OTHERS = (
    *("mysql_base_image_repository", "mysql_base_image_version", "mysql_base_image_refresh"),
    *("mysql_base_image_digest", "mysql_base_image_source", "mysql_base_image_archive"),
    *("docker_engine_host", "docker_engine_manage", "mlflow_backup_state"),
    *("mlflow_mysql_group_free_mb", "mlflow_mysql_tls_key_passphrase", "ansible_host", "ansible_managed"),
)
# Options of the container that the plan compares as its limits, and those that say how and not what.
CHANGEABLE = ("memory", "pids_limit", "cpu_shares", "restart_policy", "timeout", "pull")
ARGUMENT_SPEC: dict[str, Any] = {
    "look": {"type": "str", "choices": ["all", "store", "nothing"], "default": "all"},
    "found": {"type": "dict"},
    "subnets": {"type": "list", "elements": "str"},
    "by_group": {"type": "bool", "default": False},
    "recovers": {"type": "bool", "default": False},
    "restores": {"type": "bool", "default": False},
    "more_arguments": {"type": "list", "elements": "str", "default": []},
}

# Since ansible-core 2.19 only a text that says so is a template; before, each that is none must say so.
MARKS_TEMPLATES = hasattr(ansible.template, "trust_as_template")


def _untrusted(value: Any) -> Any:
    """Return a value that is no template, whatever it holds."""
    return value if MARKS_TEMPLATES else wrap_var(value)


def container_options() -> dict[str, Any]:
    """Return what the container is made with as the role's task writes it, before any value is put in."""
    tasks = defaults.read_yaml(ROLE / "tasks" / "run.yml")
    name = "community.docker.docker_container"
    (options,) = [task[name] for task in tasks if name in task]
    return {option: value for option, value in options.items() if option not in CHANGEABLE}


class ActionModule(ActionBase):
    """What ansible-core asks for."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the fact, see RETURN of the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        known = task_vars or {}
        variables = self._variables(known)
        outline = self._outline(variables, known, arguments)
        rendered = {}
        if arguments["look"] != "store":
            rendered = render(self._loader, self._templar, outline, variables)
        found = arguments["found"]
        if arguments["look"] != "nothing":
            look = host_options(outline, rendered) if rendered else store_options(outline)
            found = execute(self, module_name=HOST_INFO, module_args=look, task_vars=known)
            for name in ("ansible_facts", "warnings", "deprecations"):
                if name in found:
                    result[name] = found.pop(name)
            if found.get("failed") or found.get("unreachable"):
                return {**result, **found}
            found = {name: value for name, value in found.items() if name not in ("changed", "invocation")}
            found = {name: value for name, value in found.items() if not name.startswith("_ansible")}
        result.update(changed=False)
        if found is None or not found["home"]["current"]:
            # Long, and of use only to who makes the files.
            result.update(rendered)
        if arguments["look"] == "store":
            result.update(fact.store_facts(outline, found))
        elif found is None:
            result.update(fact.outline_facts(outline))
        else:
            whole = plan.plan(outline, Host.of(found), arguments["subnets"])
            result.update(fact.facts(whole))
            if whole.tls_due and outline.options.tls == "provided":
                result["tls"]["authorities"] = self._authorities(outline, known)
        return result

    def _variables(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all variables that a plan depends on."""
        names = [PREFIX + option.name for option in fields(Options)]
        names += [f"{PREFIX}{account.name}_password" for account in fields(Passwords)]
        return {
            name: plain(self._templar.template(known[name])) for name in (*names, *OTHERS) if name in known
        }

    def _outline(
        self, variables: Mapping[str, Any], known: dict[str, Any], arguments: Mapping[str, Any]
    ) -> plan.Outline:
        missing = [option.name for option in fields(Options) if PREFIX + option.name not in variables]
        if missing:
            raise AnsibleActionFail(
                f"this is a task of the role mlflow_mysql, whose defaults it needs: {missing[0]}"
            )
        options = Options.of(variables)
        archive = variables.get("mysql_base_image_archive")
        run = Run(
            name=str(known["inventory_hostname"]),
            ansible_host=variables.get("ansible_host"),
            check=bool(self._task.check_mode),
            members=self._members(options.group, known),
            container_options=container_options(),
            by_group=arguments["by_group"],
            recovers=arguments["recovers"],
            restores=arguments["restores"],
            more_arguments=arguments["more_arguments"],
        )
        others = Others.of(variables, archive_is_there=bool(archive) and os.path.isfile(str(archive)))
        given = Passwords.of(variables)
        outline = plan.outline(options, others, given, run)
        if options.tls != "provided" or outline.tls.missing:
            return outline
        return plan.with_material(outline, self._material(outline, variables, known))

    def _members(self, name: str | None, known: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
        """Return the hosts of the inventory's group, with what tells their addresses."""
        members = [] if name is None else known["groups"].get(name, [])
        variables = group.ADDRESS_VARIABLES
        return {
            str(host): {variable: plain(known["hostvars"][host].get(variable)) for variable in variables}
            for host in members
        }

    def _material(
        self, outline: plan.Outline, variables: Mapping[str, Any], known: dict[str, Any]
    ) -> dict[str, Material]:
        """Return the certificates that were given; nothing of a key but the digest of its public half."""
        options = outline.options
        passphrase = variables.get("mlflow_mysql_tls_key_passphrase")
        files = {
            "server": (options.tls_certificate, options.tls_key),
            "client": (options.tls_client_certificate, options.tls_client_key),
        }
        found = {}
        for one in outline.tls.sets:
            certificate, key = (self._text(str(path), known) for path in files[one.name])
            texts = tls.Texts(self._text(str(options.tls_ca), known), certificate, key, passphrase)
            found[one.name] = tls.material(texts, one, datetime.now(timezone.utc))
        return found

    def _authorities(self, outline: plan.Outline, known: dict[str, Any]) -> str:
        """Return the text of the file of authorities; what cannot be read is a problem of the plan."""
        options = outline.options
        given = {"server": options.tls_certificate, "client": options.tls_client_certificate}
        certificates = [self._text(str(given[one.name]), known) or "" for one in outline.tls.sets]
        return tls.authorities(self._text(str(options.tls_ca), known) or "", certificates)

    def _text(self, path: str, known: dict[str, Any]) -> str | None:
        """Return the text of a file of the user's, which may be in a directory ``files``, or in a vault."""
        lookup = lookup_loader.get("ansible.builtin.file", loader=self._loader, templar=self._templar)
        try:
            (text,) = lookup.run([path], variables=known)
        except (AnsibleError, UnicodeDecodeError):
            return None
        return str(text)


def render(
    loader: Any, templar: Any, outline: plan.Outline, variables: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Return the texts of the files that the store has on its host: ``context`` and ``files``.

    The role's templates know the variables of a plan only, and the part of the fact that needs no host.
    """
    lookup = lookup_loader.get("ansible.builtin.template", loader=loader, templar=templar)
    secrets = {f"{PREFIX}{account.name}_password" for account in fields(Passwords)}
    secrets.add("mlflow_mysql_tls_key_passphrase")
    values = {name: _untrusted(value) for name, value in variables.items() if name not in secrets}
    values["mlflow_mysql_store"] = _untrusted(fact.outline_facts(outline))

    def rendered(name: str) -> str:
        (text,) = lookup.run([str(ROLE / "templates" / f"{name}.j2")], variables={**values})
        return str(text)

    context = CONTEXT if outline.options.group is None else (*CONTEXT, *MEMBER_CONTEXT)
    return {
        "context": {name: rendered(name) for name in context},
        "files": {name: rendered(name) for name in FILES},
    }


def host_options(outline: plan.Outline, rendered: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the options of mlflow_mysql_host_info for all that a plan depends on."""
    options = outline.options
    found = store_options(outline)
    found["home"].update(rendered)
    return {
        **found,
        "images": [options.base_image, f"{options.image}:latest"],
        "image": options.image,
        "bind_address": options.bind_address,
        "port": options.port,
        "tls": outline.tls.inspected,
    }


def store_options(outline: plan.Outline) -> dict[str, Any]:
    """Return the options of mlflow_mysql_host_info for what tells one store from another."""
    options = outline.options
    return {
        "home": {"path": options.home, "uid": plan.UID, "generate": outline.passwords.generated},
        "container": options.container_name,
        "data_dir": outline.paths.data,
        "network": outline.network,
    }
