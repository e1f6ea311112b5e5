# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of a store: whether the host has the one that is wanted, and who builds it for whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Collection, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import (
    Host,
    Image,
    Options,
    Others,
)

CONTEXT_LABEL = "mlflow_ops.context"
SOURCE_LABEL = "mlflow_ops.base_image.source"
VERSION_LABEL = "mlflow_ops.base_image.mysql_version"


@dataclass(frozen=True)
class ImagePlan:
    """References of the store's image, and what is to be done for it."""

    # The image's tag is the digest of the context.
    wanted: str
    # Stores on one host may share the repository: this tag is of one store only, and what its backups run has it.
    own: str
    # For whoever types commands; it is the image that was made last, and nothing of the collection depends on it.
    latest: str
    context_label: str
    context_digest: str
    # The image that the container is to be made of, null where it is not there yet.
    id: str | None
    current: bool
    due: bool
    # Whether the host needs none of what others have.
    there: bool
    refresh: bool
    # The base image, and whether the role mysql_base_image provides it: another one that is named is the user's.
    base_is_there: bool
    base_is_ours: bool
    base_version: str
    # Images of earlier contexts that nobody else needs.
    replaced: list[str]


@dataclass(frozen=True)
class Placement:
    """Who builds, and who gets the image from whom, where it is handed out."""

    # What each host wants that has it not. Hosts that failed are not among them.
    wanting: dict[str, str]
    # The host that asks, and the one that has what it wants from earlier, or builds it.
    requester: str | None
    source: str | None
    receivers: list[str]
    # The first of those that want the same as this host.
    leader: str | None


def version_of(text: str, pattern: str) -> str:
    """Return the version that a text begins with, nothing if there is none."""
    found = re.match(pattern, text)
    return found.group() if found else ""


def version_key(version: str) -> tuple[int, ...]:
    """Return what compares versions as numbers."""
    return tuple(int(part) for part in version.split("."))


def image(options: Options, others: Others, host: Host) -> ImagePlan:
    """Return what is to be done for the image.

    It is current when it has the tag of this context and is the store's own. Others may have moved the tag of the base
    image since: it is looked at when it is asked for. Another store with the same context may have given that tag to an
    image on a newer base: the own one comes first.
    """
    own_reference = f"{options.image}:{options.container_name}"
    own = host.images.get(own_reference)
    base = host.images.get(options.base_image)
    digest = host.image.rpartition(":")[2]
    mine = own is not None and own.labels.get(CONTEXT_LABEL) == digest
    built = own if mine else host.images.get(host.image)
    ours = options.base_image == f"{others.base_repository}:{others.base_version}"
    asked = others.base_refresh or (ours and _base_differs(others, built))
    outdated = asked and base is not None and built is not None and bool({*base.layers} - {*built.layers})
    current = built is not None and not outdated and own is not None and own.id == built.id
    archive_is_missing = others.base_source == "archive" and not others.base_archive_is_there
    label = None if base is None else base.labels.get(VERSION_LABEL)
    return ImagePlan(
        wanted=host.image,
        own=own_reference,
        latest=f"{options.image}:latest",
        context_label=CONTEXT_LABEL,
        context_digest=digest,
        id=None if built is None else built.id,
        current=current,
        due=not current or others.base_refresh or (base is not None and asked) or archive_is_missing,
        there=built is not None and not others.base_refresh,
        refresh=others.base_refresh,
        base_is_there=base is not None,
        base_is_ours=ours,
        base_version=version_of(
            options.base_image.rpartition(":")[2] if label is None else label, r"[0-9]+\.[0-9]+(\.[0-9]+)?"
        ),
        replaced=_replaced(options.image, host),
    )


def _base_differs(others: Others, built: Image | None) -> bool:
    """Return whether what is asked of the base image may differ from what the image was built on."""
    on_debian = built is not None and built.labels.get(SOURCE_LABEL) == "debian"
    return others.base_digest is not None or (
        others.base_source in ("debian", "registry") and (others.base_source == "debian") != on_debian
    )


def _replaced(repository: str, host: Host) -> list[str]:
    return [
        reference
        for reference, found in host.images.items()
        if re.fullmatch(re.escape(repository) + ":[0-9a-f]{16}", reference)
        and found is not None
        and not found.held
        and reference != host.image
    ]


def place(
    wanted: str,
    wanting: Mapping[str, str],
    having: Mapping[str, Collection[str]],
    refresh: bool = False,
) -> Placement:
    """Return who builds, and who gets the image from whom.

    ``wanted`` is what this host wants, ``wanting`` what each host of the batch does, ``having`` the images that each
    host of the play has, from an earlier run or an earlier batch of this one. With ``refresh`` they are not good
    enough.
    """
    requester = next(iter(wanting), None)
    holders: Sequence[str] = []
    if requester is not None and not refresh:
        holders = [host for host, images in having.items() if wanting[requester] in images]
    source = holders[0] if holders else requester
    return Placement(
        wanting=dict(wanting),
        requester=requester,
        source=source,
        receivers=[host for host in wanting if host != source],
        leader=next((host for host, image in wanting.items() if image == wanted), None),
    )


def builds(name: str, distribution: str, there: bool, found: Placement) -> bool:
    """Return whether the host ``name`` builds its image itself."""
    if distribution == "build":
        return True
    return not there and name == (found.source if distribution == "archive" else found.leader)
