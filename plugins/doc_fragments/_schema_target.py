# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for MLflow's database and its target schema. Private to this collection.

`_schema/options.py` specifies them.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  database:
    description: The name of MLflow's database.
    type: str
    default: mlflow
"""

    # Beside the standard fragment, for a module that compares the schema with the catalogue.
    TARGET = r"""
options:
  app:
    description:
      - The application of the schema. V(tracking) is MLflow itself, V(auth) is C(mlflow.server.auth).
    type: str
    choices: [tracking, auth]
    default: tracking
  mlflow_version:
    description:
      - The target MLflow release, such as V(3.5.1). A release that is not in the catalogue is refused.
      - The default of M(mlflow_ops.backend_store.mlflow_schema_info) is the newest release in the catalogue, the
        default of M(mlflow_ops.backend_store.mlflow_schema) is the release in its
        O(mlflow_ops.backend_store.mlflow_schema#module:virtualenv).
    type: str
  data_directory:
    description:
      - The path of the server's data directory on this host. With it, insufficient disk space for a rebuild of the
        largest table is a blocker, see RV(mlflow_ops.backend_store.mlflow_schema_info#module:blockers).
    type: path
"""
