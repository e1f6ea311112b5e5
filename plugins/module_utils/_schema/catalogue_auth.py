# SPDX-License-Identifier: GPL-3.0-or-later
"""Every revision of the schema of MLflow's auth app. Made by `make catalogue`; see `catalogue`."""

from __future__ import annotations

TEXT = """\
revision 8606fa83a998
title initial_migration
kinds additive
sql CREATE TABLE alembic_version_auth ( version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_auth_pkc
    PRIMARY KEY (version_num) )
+ column alembic_version_auth.version_num varchar(32) not null
+ primary key alembic_version_auth (version_num)
+ table alembic_version_auth InnoDB
sql CREATE TABLE users ( id INTEGER NOT NULL AUTO_INCREMENT, username VARCHAR(255), password_hash VARCHAR(255),
    is_admin BOOL, PRIMARY KEY (id), UNIQUE (username) )
+ column users.id int not null auto_increment
+ column users.is_admin tinyint(1) null
+ column users.password_hash varchar(255) null
+ column users.username varchar(255) null
+ primary key users (id)
+ table users InnoDB
+ unique users (username)
sql CREATE TABLE experiment_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, experiment_id VARCHAR(255) NOT NULL,
    user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id), CONSTRAINT fk_user_id FOREIGN KEY(user_id)
    REFERENCES users (id), CONSTRAINT unique_experiment_user UNIQUE (experiment_id, user_id) )
+ column experiment_permissions.experiment_id varchar(255) not null
+ column experiment_permissions.id int not null auto_increment
+ column experiment_permissions.permission varchar(255) null
+ column experiment_permissions.user_id int not null
+ foreign key experiment_permissions (user_id) -> users (id)
+ index experiment_permissions (user_id) named fk_user_id
+ primary key experiment_permissions (id)
+ table experiment_permissions InnoDB
+ unique experiment_permissions (experiment_id, user_id) named unique_experiment_user
sql CREATE TABLE registered_model_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, name VARCHAR(255) NOT NULL,
    user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id), CONSTRAINT
    fk_registered_model_permissions_user_id FOREIGN KEY(user_id) REFERENCES users (id), CONSTRAINT unique_name_user
    UNIQUE (name, user_id) )
+ column registered_model_permissions.id int not null auto_increment
+ column registered_model_permissions.name varchar(255) not null
+ column registered_model_permissions.permission varchar(255) null
+ column registered_model_permissions.user_id int not null
+ foreign key registered_model_permissions (user_id) -> users (id)
+ index registered_model_permissions (user_id) named fk_registered_model_permissions_user_id
+ primary key registered_model_permissions (id)
+ table registered_model_permissions InnoDB
+ unique registered_model_permissions (name, user_id) named unique_name_user

revision 0965eb92f5f0
title add_scorer_permissions
kinds additive
sql CREATE TABLE scorer_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, experiment_id VARCHAR(255) NOT NULL,
    scorer_name VARCHAR(256) NOT NULL, user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id),
    CONSTRAINT fk_scorer_perm_user_id FOREIGN KEY(user_id) REFERENCES users (id), CONSTRAINT unique_scorer_user
    UNIQUE (experiment_id, scorer_name, user_id) )
+ column scorer_permissions.experiment_id varchar(255) not null
+ column scorer_permissions.id int not null auto_increment
+ column scorer_permissions.permission varchar(255) null
+ column scorer_permissions.scorer_name varchar(256) not null
+ column scorer_permissions.user_id int not null
+ foreign key scorer_permissions (user_id) -> users (id) named fk_scorer_perm_user_id
+ index scorer_permissions (user_id) named fk_scorer_perm_user_id
+ primary key scorer_permissions (id)
+ table scorer_permissions InnoDB
+ unique scorer_permissions (experiment_id, scorer_name, user_id) named unique_scorer_user

revision a1b2c3d4e5f6
title add_gateway_permissions
kinds additive
sql CREATE TABLE gateway_secret_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, secret_id VARCHAR(255) NOT NULL,
    user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id), CONSTRAINT fk_gateway_secret_perm_user_id
    FOREIGN KEY(user_id) REFERENCES users (id), CONSTRAINT unique_secret_user UNIQUE (secret_id, user_id) )
+ column gateway_secret_permissions.id int not null auto_increment
+ column gateway_secret_permissions.permission varchar(255) null
+ column gateway_secret_permissions.secret_id varchar(255) not null
+ column gateway_secret_permissions.user_id int not null
+ foreign key gateway_secret_permissions (user_id) -> users (id) named fk_gateway_secret_perm_user_id
+ index gateway_secret_permissions (user_id) named fk_gateway_secret_perm_user_id
+ primary key gateway_secret_permissions (id)
+ table gateway_secret_permissions InnoDB
+ unique gateway_secret_permissions (secret_id, user_id) named unique_secret_user
sql CREATE TABLE gateway_endpoint_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, endpoint_id VARCHAR(255) NOT
    NULL, user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id), CONSTRAINT
    fk_gateway_endpoint_perm_user_id FOREIGN KEY(user_id) REFERENCES users (id), CONSTRAINT unique_endpoint_user
    UNIQUE (endpoint_id, user_id) )
+ column gateway_endpoint_permissions.endpoint_id varchar(255) not null
+ column gateway_endpoint_permissions.id int not null auto_increment
+ column gateway_endpoint_permissions.permission varchar(255) null
+ column gateway_endpoint_permissions.user_id int not null
+ foreign key gateway_endpoint_permissions (user_id) -> users (id) named fk_gateway_endpoint_perm_user_id
+ index gateway_endpoint_permissions (user_id) named fk_gateway_endpoint_perm_user_id
+ primary key gateway_endpoint_permissions (id)
+ table gateway_endpoint_permissions InnoDB
+ unique gateway_endpoint_permissions (endpoint_id, user_id) named unique_endpoint_user
sql CREATE TABLE gateway_model_definition_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, model_definition_id
    VARCHAR(255) NOT NULL, user_id INTEGER NOT NULL, permission VARCHAR(255), PRIMARY KEY (id), CONSTRAINT
    fk_gateway_model_def_perm_user_id FOREIGN KEY(user_id) REFERENCES users (id), CONSTRAINT unique_model_def_user
    UNIQUE (model_definition_id, user_id) )
+ column gateway_model_definition_permissions.id int not null auto_increment
+ column gateway_model_definition_permissions.model_definition_id varchar(255) not null
+ column gateway_model_definition_permissions.permission varchar(255) null
+ column gateway_model_definition_permissions.user_id int not null
+ foreign key gateway_model_definition_permissions (user_id) -> users (id) named fk_gateway_model_def_perm_user_id
+ index gateway_model_definition_permissions (user_id) named fk_gateway_model_def_perm_user_id
+ primary key gateway_model_definition_permissions (id)
+ table gateway_model_definition_permissions InnoDB
+ unique gateway_model_definition_permissions (model_definition_id, user_id) named unique_model_def_user

revision 2ed73881770d
title Add workspace awareness to permissions
kinds keys
sql CREATE TABLE workspace_permissions ( workspace VARCHAR(63) NOT NULL, user_id INTEGER NOT NULL, permission
    VARCHAR(32) NOT NULL, CONSTRAINT workspace_permissions_pk PRIMARY KEY (workspace, user_id), FOREIGN KEY(user_id)
    REFERENCES users (id) )
+ column workspace_permissions.permission varchar(32) not null
+ column workspace_permissions.user_id int not null
+ column workspace_permissions.workspace varchar(63) not null
+ foreign key workspace_permissions (user_id) -> users (id)
+ index workspace_permissions (user_id)
+ primary key workspace_permissions (workspace, user_id)
+ table workspace_permissions InnoDB
sql CREATE INDEX idx_workspace_permissions_user_id ON workspace_permissions (user_id)
- index workspace_permissions (user_id)
+ index workspace_permissions (user_id) named idx_workspace_permissions_user_id
sql CREATE INDEX idx_workspace_permissions_workspace ON workspace_permissions (workspace)
+ index workspace_permissions (workspace) named idx_workspace_permissions_workspace
sql ALTER TABLE registered_model_permissions ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column registered_model_permissions.workspace varchar(63) not null default 'default'
sql ALTER TABLE registered_model_permissions DROP INDEX unique_name_user
- unique registered_model_permissions (name, user_id) named unique_name_user
sql ALTER TABLE registered_model_permissions ADD CONSTRAINT unique_workspace_name_user UNIQUE (workspace, name,
    user_id)
+ unique registered_model_permissions (workspace, name, user_id) named unique_workspace_name_user

revision c3d4e5f6a7b8
title Add RBAC tables (roles, role_permissions, user_role_assignments)
kinds additive
sql CREATE TABLE roles ( id INTEGER NOT NULL AUTO_INCREMENT, name VARCHAR(255) NOT NULL, workspace VARCHAR(63) NOT
    NULL, description VARCHAR(1024), PRIMARY KEY (id), CONSTRAINT unique_workspace_role_name UNIQUE (workspace,
    name) )
+ column roles.description varchar(1024) null
+ column roles.id int not null auto_increment
+ column roles.name varchar(255) not null
+ column roles.workspace varchar(63) not null
+ primary key roles (id)
+ table roles InnoDB
+ unique roles (workspace, name) named unique_workspace_role_name
sql CREATE INDEX idx_roles_workspace ON roles (workspace)
+ index roles (workspace) named idx_roles_workspace
sql CREATE TABLE role_permissions ( id INTEGER NOT NULL AUTO_INCREMENT, role_id INTEGER NOT NULL, resource_type
    VARCHAR(64) NOT NULL, resource_pattern VARCHAR(255) NOT NULL, permission VARCHAR(255) NOT NULL, PRIMARY KEY
    (id), CONSTRAINT unique_role_resource_perm UNIQUE (role_id, resource_type, resource_pattern), FOREIGN
    KEY(role_id) REFERENCES roles (id) )
+ column role_permissions.id int not null auto_increment
+ column role_permissions.permission varchar(255) not null
+ column role_permissions.resource_pattern varchar(255) not null
+ column role_permissions.resource_type varchar(64) not null
+ column role_permissions.role_id int not null
+ foreign key role_permissions (role_id) -> roles (id)
+ primary key role_permissions (id)
+ table role_permissions InnoDB
+ unique role_permissions (role_id, resource_type, resource_pattern) named unique_role_resource_perm
sql CREATE INDEX idx_role_permissions_role_id ON role_permissions (role_id)
+ index role_permissions (role_id) named idx_role_permissions_role_id
sql CREATE TABLE user_role_assignments ( id INTEGER NOT NULL AUTO_INCREMENT, user_id INTEGER NOT NULL, role_id
    INTEGER NOT NULL, PRIMARY KEY (id), CONSTRAINT unique_user_role UNIQUE (user_id, role_id), FOREIGN KEY(user_id)
    REFERENCES users (id), FOREIGN KEY(role_id) REFERENCES roles (id) )
+ column user_role_assignments.id int not null auto_increment
+ column user_role_assignments.role_id int not null
+ column user_role_assignments.user_id int not null
+ foreign key user_role_assignments (role_id) -> roles (id)
+ foreign key user_role_assignments (user_id) -> users (id)
+ index user_role_assignments (role_id)
+ primary key user_role_assignments (id)
+ table user_role_assignments InnoDB
+ unique user_role_assignments (user_id, role_id) named unique_user_role
sql CREATE INDEX idx_user_role_assignments_role_id ON user_role_assignments (role_id)
- index user_role_assignments (role_id)
+ index user_role_assignments (role_id) named idx_user_role_assignments_role_id
sql CREATE INDEX idx_user_role_assignments_user_id ON user_role_assignments (user_id)
+ index user_role_assignments (user_id) named idx_user_role_assignments_user_id

revision e5f6a7b8c9d0
title Migrate legacy per-resource permissions into role_permissions
kinds data
computed
data INSERT INTO roles (name, workspace, description) VALUES (?, ?, NULL)
data INSERT INTO user_role_assignments (user_id, role_id) VALUES (?, ?)
data INSERT INTO role_permissions (role_id, resource_type, resource_pattern, permission) VALUES (?, ?, ?, ?)

revision f1a2b3c4d5e6
title Promote ``prompt`` to a first-class ``resource_type``
kinds data

release 8606fa83a998 2.5.0 2.6.0 2.7.0 2.7.1 2.8.0 2.8.1 2.9.0 2.9.1 2.9.2 2.10.0 2.10.1 2.10.2 2.11.0 2.11.1 2.11.2
    2.11.3 2.11.4 2.11.5 2.12.0 2.12.1 2.12.2 2.13.0 2.13.1 2.13.2 2.13.3 2.14.0rc0 2.14.0 2.14.1 2.14.2.dev0 2.14.2
    2.14.3 2.15.0rc0 2.15.0 2.15.1 2.16.0 2.16.1 2.16.2 2.17.0rc0 2.17.0 2.17.1 2.17.2 2.18.0rc0 2.18.0 2.19.0rc0
    2.19.0 2.20.0rc0 2.20.0 2.20.1 2.20.2 2.20.3 2.20.4 2.21.0rc0 2.21.0 2.21.1 2.21.2 2.21.3 2.22.0rc0 2.22.0
    2.22.1 2.22.2 2.22.3 2.22.4 2.22.5 3.0.0rc0 3.0.0rc1 3.0.0rc2 3.0.0rc3 3.0.0 3.0.1 3.1.0rc0 3.1.0 3.1.1 3.1.2
    3.1.3 3.1.4 3.2.0rc0 3.2.0 3.3.0rc0 3.3.0 3.3.1 3.3.2 3.4.0rc0 3.4.0 3.5.0rc0 3.5.0 3.5.1 3.6.0rc0 3.6.0
release 0965eb92f5f0 3.7.0rc0 3.7.0 3.8.0rc0 3.8.0 3.8.1
release a1b2c3d4e5f6 3.9.0rc0 3.9.0
release 2ed73881770d 3.10.0rc0 3.10.0 3.10.1 3.11.0rc0 3.11.0rc1 3.11.0 3.11.1
release c3d4e5f6a7b8 3.12.0rc0 3.12.0
release f1a2b3c4d5e6 3.13.0rc0 3.13.0 3.14.0 3.15.0 3.15.1 3.15.2 3.16.0 3.16.1 3.17.0 3.17.1 3.17.2 3.18.0
"""
