# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name MLflow's database, and the schema that it is to have. Private to this collection.

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
      - Whose schema it is. V(tracking) is MLflow itself, V(auth) is C(mlflow.server.auth).
    type: str
    choices: [tracking, auth]
    default: tracking
  mlflow_version:
    description:
      - The MLflow release that the store is for, such as V(3.5.1). A release that the catalogue does not have is
        refused.
      - The default of M(mlflow_ops.backend_store.mlflow_schema_info) is the newest release in the catalogue, the
        default of M(mlflow_ops.backend_store.mlflow_schema) is the release in its
        O(mlflow_ops.backend_store.mlflow_schema#module:virtualenv).
    type: str
  data_directory:
    description:
      - The path of the server's data as this host sees it. With it, a disk that is too full to rebuild the largest
        table is a blocker, see RV(mlflow_ops.backend_store.mlflow_schema_info#module:blockers).
    type: path
"""
