# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says what is wrong with certificates before they go to a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_tls_material
author: The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Say what is wrong with a server's or a client's certificate
description:
  - Looks at a certificate, its key and the authority that signed it, as a client that verifies them would.
  - Nothing of the key is in the result but a digest of its public half.
options:
  _input:
    description: Texts in PEM form, with the keys C(ca), C(certificate), C(key), and C(passphrase) if the key has one.
    type: dict
    required: true
  names:
    description: Host names and addresses by which clients connect, all of which the certificate must be for.
    type: list
    elements: str
    default: []
  client:
    description: Whether it is a client's certificate.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Assert that clients will accept the certificate
  ansible.builtin.assert:
    that: found.problems | length == 0
    fail_msg: "{{ found.problems | join('; ') }}"
  vars:
    found: "{{ texts | mlflow_ops.backend_store.mlflow_tls_material(names=['store.example.org']) }}"
    texts:
      ca: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
      certificate: "{{ lookup('ansible.builtin.file', 'store.pem') }}"
      key: "{{ lookup('ansible.builtin.file', 'store.key') }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems), a list of what is wrong, empty if nothing is.
    - C(digests), the SHA-256 of C(ca) and C(certificate) and of the public half of C(key), V(null) if that cannot be
      read.
  type: dict
"""

from datetime import datetime, timezone
from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import certificates


def mlflow_tls_material(
    texts: Mapping[str, Any], names: list[str] | None = None, client: bool = False
) -> dict[str, Any]:
    """What is wrong with `texts`, see RETURN."""
    if not certificates.HAS_CRYPTOGRAPHY:
        raise AnsibleFilterError("mlflow_tls_material: the controller lacks the Python library cryptography")
    names_of = {"ca": "the CA", "certificate": "the certificate", "key": "the key"}
    missing = [f"{name} cannot be read, or is empty" for key, name in names_of.items() if not texts.get(key)]
    if missing:
        return {"problems": missing, "digests": None}
    passphrase = texts.get("passphrase")
    material = certificates.Material(
        str(texts["ca"]),
        str(texts["certificate"]),
        str(texts["key"]),
        str(passphrase) if passphrase else None,
    )
    problems = certificates.find_problems(material, names or [], datetime.now(timezone.utc), client)
    return {"problems": problems, "digests": certificates.digests(material)}


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"mlflow_tls_material": mlflow_tls_material}
