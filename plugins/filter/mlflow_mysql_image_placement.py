# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says who builds an image, and who gets it from whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.images import builds, place

DOCUMENTATION = r"""
name: mlflow_mysql_image_placement
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Decide which host builds an image and which hosts receive it
description:
  - Of the hosts that need the same image, one builds it or already has it, and the others receive it from there.
  - It decides again each time, since hosts may fail in between.
positional: _input, name
options:
  _input:
    description:
      - The variables of all hosts, with their C(mlflow_mysql_store), and with C(__mlflow_mysql_wants) if they need an
        image.
    type: dict
    required: true
  name:
    description: The host that asks.
    type: str
    required: true
  batch:
    description: The hosts of this batch that did not fail.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts of the play that did not fail, including earlier batches.
    type: list
    elements: str
    required: true
  distribution:
    description: How hosts receive images.
    type: str
    choices: [archive, registry]
    required: true
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_plan
"""

EXAMPLES = r"""
- name: Show who has the image
  ansible.builtin.debug:
    msg: "{{ placement.source }}"
  vars:
    variables:
      store1:
        mlflow_mysql_store:
          image: {wanted: "mlflow-mysql:ca2cffbb9989ac43", there: true, refresh: false}
          host: {images: {"mlflow-mysql:ca2cffbb9989ac43": {id: "sha256:1"}}}
      store2:
        __mlflow_mysql_wants: "mlflow-mysql:ca2cffbb9989ac43"
        mlflow_mysql_store:
          image: {wanted: "mlflow-mysql:ca2cffbb9989ac43", there: false, refresh: false}
          host: {images: {"mlflow-mysql:ca2cffbb9989ac43": null}}
    hosts: [store1, store2]
    placement: "{{ variables | mlflow_ops.backend_store.mlflow_mysql_image_placement('store2', batch=hosts,
      hosts=hosts, distribution='archive') }}"
"""

RETURN = r"""
_value:
  description:
    - C(wanting), a dictionary from each host that needs an image to its reference; C(requester), the first of them;
      C(source), the host that has or builds the requester's image; C(receivers), the hosts that receive it from there;
      C(leader), the first of the hosts that need the same image as this host; C(builds), whether this host builds it.
  type: dict
"""


def image_placement(
    variables: Mapping[str, Any], name: str, batch: Sequence[str], hosts: Sequence[str], distribution: str
) -> dict[str, Any]:
    """The placement, see RETURN."""
    wants = {host: variables[host].get("__mlflow_mysql_wants") for host in batch}
    stores = {host: variables[host].get("mlflow_mysql_store") for host in hosts}
    having = {
        host: [reference for reference, image in store["host"]["images"].items() if image]
        for host, store in stores.items()
        if store and "host" in store
    }
    image = stores[name]["image"]
    wanting = {host: reference for host, reference in wants.items() if reference}
    found = place(image["wanted"], wanting, having, image["refresh"])
    return {**asdict(found), "builds": builds(name, distribution, image["there"], found)}


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"mlflow_mysql_image_placement": image_placement}
