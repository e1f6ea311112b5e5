# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that is built in a used clone holds what its users need, nothing of the operator's, and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a clone that is in use has besides.
OWN = (
    *(
        ".env",
        ".vault_password",
        ".venv/bin/python",
        ".cache/base.tar",
        ".vscode/settings.json",
        "mlflow.log",
    ),
    *(
        "inventories/mine/hosts.yml",
        "inventories/mine/group_vars/all/vault.yml",
        "inventories/example2/hosts.yml",
    ),
    *(
        "secrets/root_password",
        "group_vars/all.yml",
        "host_vars/store1.yml",
        "passwords.txt",
        "hosts",
        "site.yml",
    ),
    *(
        "playbooks/group_vars/all.yml",
        "playbooks/host_vars/store1.yml",
        "playbooks/files/store1.key",
        "playbooks/.env",
    ),
    *(
        "playbooks/vars/mine.yml",
        "files/company-ca.pem",
        "audit.json",
        "schema.html",
        "dump.sql",
        "dump.sql.gz",
        "db.sql",
    ),
    *(
        "db-backend-store/data/ibdata1",
        "db-backend-store/secrets/mysql_password",
        "db-backend-store/.env",
        "id_rsa",
    ),
    *(
        "mlflow_ops-backend_store-0.1.0.tar.gz",
        "roles/mlflow_mysql/files/company-ca.pem",
        "collections/x.yml",
    ),
    *(
        "plugins/modules/__pycache__/x.pyc",
        "roles/mlflow_mysql/tasks/main.yml.orig",
        "vault.yml",
        "my-vault.txt",
        "mine/a",
    ),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a used clone."""
    clone = tmp_path_factory.mktemp("clone")
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in tracked.split("\0"):
        if name and (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    for name in OWN:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("canary\n", encoding="utf-8")
    out = tmp_path_factory.mktemp("built")
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", str(out)],
        cwd=clone,
        capture_output=True,
        check=True,
    )
    (archive,) = out.iterdir()
    return archive


def test_nothing_of_the_operator_is_packed(built: Path) -> None:
    with tarfile.open(built) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        held = {member.name for member in files}
        canaries = [
            member.name
            for member in files
            if b"canary\n" == (archive.extractfile(member) or open(os.devnull, "rb")).read()
        ]
    assert not canaries
    assert not held & set(OWN)
    roots = {name.split("/", 1)[0] for name in held}
    assert roots == {
        *(
            "CHANGELOG.md",
            "FILES.json",
            "LICENSES",
            "MANIFEST.json",
            "README.md",
            "db-backend-store",
            "docs",
            "meta",
        ),
        *("playbooks", "plugins", "roles"),
    }


def test_all_that_users_need_is_packed(built: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "empty.cfg"
    configuration.touch()
    # Neither Ansible nor Python sees the checkout, which would count as installed.
    apart = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "PYTHONPATH"))
        },
        "ANSIBLE_CONFIG": str(configuration),
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
    }
    subprocess.run(
        ["ansible-galaxy", "collection", "install", "--no-deps", "-p", str(tmp_path), str(built)],
        capture_output=True,
        check=True,
        env=apart,
    )
    installed = tmp_path / "ansible_collections/mlflow_ops/backend_store"
    tracked = subprocess.run(
        ["git", "ls-files", "--", "db-backend-store", "docs", "meta", "playbooks", "plugins", "roles"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert tracked
    assert [name for name in tracked if (ROOT / name).exists() and not (installed / name).exists()] == []
    # The links of its pages lead somewhere.
    for page in [installed / "README.md", *installed.glob("*/*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page, link)
    # And its playbooks are found with their roles, by their names.
    names = [f"mlflow_ops.backend_store.{path.stem}" for path in (installed / "playbooks").glob("*.yml")]
    done = subprocess.run(
        ["ansible-playbook", "--syntax-check", "-i", "localhost,", *names],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=apart,
    )
    assert done.returncode == 0, done.stderr
