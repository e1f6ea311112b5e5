# SPDX-License-Identifier: GPL-3.0-or-later
"""Every revision of MLflow's own schema. Made by `make catalogue`; see `catalogue`."""

from __future__ import annotations

TEXT = """\
revision initial
title the tables before the first revision
kinds additive
sql CREATE TABLE experiments ( experiment_id INTEGER NOT NULL AUTO_INCREMENT, name VARCHAR(256) NOT NULL,
    artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), CONSTRAINT experiment_pk PRIMARY KEY
    (experiment_id), CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')), UNIQUE
    (name) )
+ check experiments (`lifecycle_stage` in ('active','deleted')) named experiments_lifecycle_stage
+ column experiments.artifact_location varchar(256) null
+ column experiments.experiment_id int not null auto_increment
+ column experiments.lifecycle_stage varchar(32) null
+ column experiments.name varchar(256) not null
+ primary key experiments (experiment_id)
+ table experiments InnoDB
+ unique experiments (name)
sql CREATE TABLE runs ( run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20), source_name
    VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(20), start_time BIGINT,
    end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200),
    experiment_id INTEGER, CONSTRAINT run_pk PRIMARY KEY (run_uuid), CONSTRAINT source_type CHECK (source_type IN
    ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')), CONSTRAINT status CHECK (status IN ('SCHEDULED', 'FAILED',
    'FINISHED', 'RUNNING')), CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
    FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) )
+ check runs (`lifecycle_stage` in ('active','deleted')) named runs_lifecycle_stage
+ check runs (`source_type` in ('NOTEBOOK','JOB','LOCAL','UNKNOWN','PROJECT')) named source_type
+ check runs (`status` in ('SCHEDULED','FAILED','FINISHED','RUNNING')) named status
+ column runs.artifact_uri varchar(200) null
+ column runs.end_time bigint null
+ column runs.entry_point_name varchar(50) null
+ column runs.experiment_id int null
+ column runs.lifecycle_stage varchar(20) null
+ column runs.name varchar(250) null
+ column runs.run_uuid varchar(32) not null
+ column runs.source_name varchar(500) null
+ column runs.source_type varchar(20) null
+ column runs.source_version varchar(50) null
+ column runs.start_time bigint null
+ column runs.status varchar(20) null
+ column runs.user_id varchar(256) null
+ foreign key runs (experiment_id) -> experiments (experiment_id)
+ index runs (experiment_id)
+ primary key runs (run_uuid)
+ table runs InnoDB
sql CREATE TABLE tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(250), run_uuid VARCHAR(32) NOT NULL, CONSTRAINT
    tag_pk PRIMARY KEY (`key`, run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid) )
+ column tags.key varchar(250) not null
+ column tags.run_uuid varchar(32) not null
+ column tags.value varchar(250) null
+ foreign key tags (run_uuid) -> runs (run_uuid)
+ index tags (run_uuid)
+ primary key tags (key, run_uuid)
+ table tags InnoDB
sql CREATE TABLE metrics ( `key` VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid
    VARCHAR(32) NOT NULL, CONSTRAINT metric_pk PRIMARY KEY (`key`, timestamp, run_uuid), FOREIGN KEY(run_uuid)
    REFERENCES runs (run_uuid) )
+ column metrics.key varchar(250) not null
+ column metrics.run_uuid varchar(32) not null
+ column metrics.timestamp bigint not null
+ column metrics.value float not null
+ foreign key metrics (run_uuid) -> runs (run_uuid)
+ index metrics (run_uuid)
+ primary key metrics (key, timestamp, run_uuid)
+ table metrics InnoDB
sql CREATE TABLE params ( `key` VARCHAR(250) NOT NULL, value VARCHAR(250) NOT NULL, run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT param_pk PRIMARY KEY (`key`, run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid) )
+ column params.key varchar(250) not null
+ column params.run_uuid varchar(32) not null
+ column params.value varchar(250) not null
+ foreign key params (run_uuid) -> runs (run_uuid)
+ index params (run_uuid)
+ primary key params (key, run_uuid)
+ table params InnoDB

revision 451aebb31d03
title add metric step
kinds rebuild
sql CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY
    (version_num) )
+ column alembic_version.version_num varchar(32) not null
+ primary key alembic_version (version_num)
+ table alembic_version InnoDB
sql ALTER TABLE metrics ADD COLUMN step BIGINT NOT NULL DEFAULT '0'
+ column metrics.step bigint not null default '0'
sql ALTER TABLE metrics DROP PRIMARY KEY
- primary key metrics (key, timestamp, run_uuid)
sql ALTER TABLE metrics ADD CONSTRAINT metric_pk PRIMARY KEY (`key`, timestamp, step, run_uuid, value)
+ primary key metrics (key, timestamp, step, run_uuid, value)

revision 90e64c465722
title migrate user column to tags
kinds data
computed
data INSERT INTO tags (`key`, value, run_uuid) VALUES (?, ?, ?)

revision 181f10493468
title allow nulls for metric values
kinds rebuild
sql ALTER TABLE metrics MODIFY value FLOAT(53) NOT NULL
- column metrics.value float not null
+ column metrics.value double not null
sql ALTER TABLE metrics ADD COLUMN is_nan BOOL NOT NULL DEFAULT '0'
+ column metrics.is_nan tinyint(1) not null default '0'
sql ALTER TABLE metrics DROP PRIMARY KEY
- primary key metrics (key, timestamp, step, run_uuid, value)
sql ALTER TABLE metrics ADD CONSTRAINT metric_pk PRIMARY KEY (`key`, timestamp, step, run_uuid, value, is_nan)
+ primary key metrics (key, timestamp, step, run_uuid, value, is_nan)

revision df50e92ffc5e
title Add Experiment Tags Table
kinds additive
sql CREATE TABLE experiment_tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), experiment_id INTEGER NOT NULL,
    CONSTRAINT experiment_tag_pk PRIMARY KEY (`key`, experiment_id), FOREIGN KEY(experiment_id) REFERENCES
    experiments (experiment_id) )
+ column experiment_tags.experiment_id int not null
+ column experiment_tags.key varchar(250) not null
+ column experiment_tags.value varchar(5000) null
+ foreign key experiment_tags (experiment_id) -> experiments (experiment_id)
+ index experiment_tags (experiment_id)
+ primary key experiment_tags (key, experiment_id)
+ table experiment_tags InnoDB

revision 7ac759974ad8
title Update run tags with larger limit
kinds rebuild
sql ALTER TABLE tags MODIFY value VARCHAR(5000) NULL
- column tags.value varchar(250) null
+ column tags.value varchar(5000) null

revision 89d4b8295536
title create latest metrics table
kinds additive data
computed
sql CREATE TABLE latest_metrics ( `key` VARCHAR(250) NOT NULL, value FLOAT(53) NOT NULL, timestamp BIGINT, step
    BIGINT NOT NULL, is_nan BOOL NOT NULL, run_uuid VARCHAR(32) NOT NULL, CONSTRAINT latest_metric_pk PRIMARY KEY
    (`key`, run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid) )
+ column latest_metrics.is_nan tinyint(1) not null
+ column latest_metrics.key varchar(250) not null
+ column latest_metrics.run_uuid varchar(32) not null
+ column latest_metrics.step bigint not null
+ column latest_metrics.timestamp bigint null
+ column latest_metrics.value double not null
+ foreign key latest_metrics (run_uuid) -> runs (run_uuid)
+ index latest_metrics (run_uuid)
+ primary key latest_metrics (key, run_uuid)
+ table latest_metrics InnoDB
data INSERT INTO latest_metrics (`key`, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)

revision 2b4d017a5e9b
title add model registry tables to db
kinds additive
sql CREATE TABLE registered_models ( name VARCHAR(256) NOT NULL, creation_time BIGINT, last_updated_time BIGINT,
    description VARCHAR(5000), CONSTRAINT registered_model_pk PRIMARY KEY (name), UNIQUE (name) )
+ column registered_models.creation_time bigint null
+ column registered_models.description varchar(5000) null
+ column registered_models.last_updated_time bigint null
+ column registered_models.name varchar(256) not null
+ primary key registered_models (name)
+ table registered_models InnoDB
+ unique registered_models (name)
sql CREATE TABLE model_versions ( name VARCHAR(256) NOT NULL, version INTEGER NOT NULL, creation_time BIGINT,
    last_updated_time BIGINT, description VARCHAR(5000), user_id VARCHAR(256), current_stage VARCHAR(20), source
    VARCHAR(500), run_id VARCHAR(32) NOT NULL, status VARCHAR(20), status_message VARCHAR(500), CONSTRAINT
    model_version_pk PRIMARY KEY (name, version), FOREIGN KEY(name) REFERENCES registered_models (name) ON UPDATE
    cascade )
+ column model_versions.creation_time bigint null
+ column model_versions.current_stage varchar(20) null
+ column model_versions.description varchar(5000) null
+ column model_versions.last_updated_time bigint null
+ column model_versions.name varchar(256) not null
+ column model_versions.run_id varchar(32) not null
+ column model_versions.source varchar(500) null
+ column model_versions.status varchar(20) null
+ column model_versions.status_message varchar(500) null
+ column model_versions.user_id varchar(256) null
+ column model_versions.version int not null
+ foreign key model_versions (name) -> registered_models (name) on update cascade
+ primary key model_versions (name, version)
+ table model_versions InnoDB

revision cfd24bdc0731
title Update run status constraint with killed
kinds rebuild
sql ALTER TABLE runs MODIFY status VARCHAR(9) NULL
- column runs.status varchar(20) null
+ column runs.status varchar(9) null
sql ALTER TABLE runs ADD CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))
+ check runs (`status` in ('SCHEDULED','FAILED','FINISHED','RUNNING','KILLED'))

revision 0a8213491aaa
title drop_duplicate_killed_constraint
kinds keys
sql ALTER TABLE runs DROP CHECK status
- check runs (`status` in ('SCHEDULED','FAILED','FINISHED','RUNNING')) named status

revision 728d730b5ebd
title add registered model tags table
kinds additive
sql CREATE TABLE registered_model_tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), name VARCHAR(256) NOT
    NULL, CONSTRAINT registered_model_tag_pk PRIMARY KEY (`key`, name), FOREIGN KEY(name) REFERENCES
    registered_models (name) ON UPDATE cascade )
+ column registered_model_tags.key varchar(250) not null
+ column registered_model_tags.name varchar(256) not null
+ column registered_model_tags.value varchar(5000) null
+ foreign key registered_model_tags (name) -> registered_models (name) on update cascade
+ index registered_model_tags (name)
+ primary key registered_model_tags (key, name)
+ table registered_model_tags InnoDB

revision 27a6a02d2cf1
title add model version tags table
kinds additive
sql CREATE TABLE model_version_tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), name VARCHAR(256) NOT NULL,
    version INTEGER NOT NULL, CONSTRAINT model_version_tag_pk PRIMARY KEY (`key`, name, version), FOREIGN KEY(name,
    version) REFERENCES model_versions (name, version) ON UPDATE cascade )
+ column model_version_tags.key varchar(250) not null
+ column model_version_tags.name varchar(256) not null
+ column model_version_tags.value varchar(5000) null
+ column model_version_tags.version int not null
+ foreign key model_version_tags (name, version) -> model_versions (name, version) on update cascade
+ index model_version_tags (name, version)
+ primary key model_version_tags (key, name, version)
+ table model_version_tags InnoDB

revision 84291f40a231
title add run_link to model_version
kinds additive
sql ALTER TABLE model_versions ADD COLUMN run_link VARCHAR(500)
+ column model_versions.run_link varchar(500) null

revision a8c4a736bde6
title allow nulls for run_id
kinds rebuild
sql ALTER TABLE model_versions MODIFY run_id VARCHAR(32) NULL
- column model_versions.run_id varchar(32) not null
+ column model_versions.run_id varchar(32) null

revision 39d1c3be5f05
title add_is_nan_constraint_for_metrics_tables_if_necessary
kinds rebuild
sql ALTER TABLE latest_metrics MODIFY is_nan BOOL NOT NULL
sql ALTER TABLE latest_metrics ADD CHECK (is_nan IN (0, 1))
+ check latest_metrics (`is_nan` in (0,1))
sql ALTER TABLE metrics MODIFY is_nan BOOL NOT NULL
- column metrics.is_nan tinyint(1) not null default '0'
+ column metrics.is_nan tinyint(1) not null
sql ALTER TABLE metrics ADD CHECK (is_nan IN (0, 1))
+ check metrics (`is_nan` in (0,1))

revision c48cb773bb87
title reset_default_value_for_is_nan_in_metrics_table_for_mysql
kinds rebuild
sql ALTER TABLE metrics MODIFY is_nan BOOL NOT NULL DEFAULT '0'
- column metrics.is_nan tinyint(1) not null
+ column metrics.is_nan tinyint(1) not null default '0'
sql ALTER TABLE metrics ADD CHECK (is_nan IN (0, 1))
+ check metrics (`is_nan` in (0,1)) #2

revision bd07f7e963c5
title create index on run_uuid
kinds keys
sql CREATE INDEX index_params_run_uuid ON params (run_uuid)
- index params (run_uuid)
+ index params (run_uuid) named index_params_run_uuid
sql CREATE INDEX index_metrics_run_uuid ON metrics (run_uuid)
- index metrics (run_uuid)
+ index metrics (run_uuid) named index_metrics_run_uuid
sql CREATE INDEX index_latest_metrics_run_uuid ON latest_metrics (run_uuid)
- index latest_metrics (run_uuid)
+ index latest_metrics (run_uuid) named index_latest_metrics_run_uuid
sql CREATE INDEX index_tags_run_uuid ON tags (run_uuid)
- index tags (run_uuid)
+ index tags (run_uuid) named index_tags_run_uuid

revision 0c779009ac13
title add deleted_time field to runs table
kinds additive
sql ALTER TABLE runs ADD COLUMN deleted_time BIGINT
+ column runs.deleted_time bigint null

revision cc1f77228345
title change param value length to 500
kinds rebuild
sql ALTER TABLE params MODIFY value VARCHAR(500) NOT NULL
- column params.value varchar(250) not null
+ column params.value varchar(500) not null

revision 97727af70f4d
title Add creation_time and last_update_time to experiments table
kinds additive
sql ALTER TABLE experiments ADD COLUMN creation_time BIGINT
+ column experiments.creation_time bigint null
sql ALTER TABLE experiments ADD COLUMN last_update_time BIGINT
+ column experiments.last_update_time bigint null

revision 3500859a5d39
title Add Model Aliases table
kinds additive
sql CREATE TABLE registered_model_aliases ( alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, name VARCHAR(256)
    NOT NULL, CONSTRAINT registered_model_alias_pk PRIMARY KEY (name, alias), CONSTRAINT
    registered_model_alias_name_fkey FOREIGN KEY(name) REFERENCES registered_models (name) ON DELETE cascade ON
    UPDATE cascade )
+ column registered_model_aliases.alias varchar(256) not null
+ column registered_model_aliases.name varchar(256) not null
+ column registered_model_aliases.version int not null
+ foreign key registered_model_aliases (name) -> registered_models (name) on update cascade on delete cascade named
    registered_model_alias_name_fkey
+ primary key registered_model_aliases (name, alias)
+ table registered_model_aliases InnoDB

revision 7f2a7d5fae7d
title add datasets inputs input_tags tables
kinds additive
sql CREATE TABLE datasets ( dataset_uuid VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(500) NOT
    NULL, digest VARCHAR(36) NOT NULL, dataset_source_type VARCHAR(36) NOT NULL, dataset_source TEXT NOT NULL,
    dataset_schema TEXT, dataset_profile MEDIUMTEXT, CONSTRAINT dataset_pk PRIMARY KEY (experiment_id, name,
    digest), FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) )
+ column datasets.dataset_profile mediumtext null
+ column datasets.dataset_schema text null
+ column datasets.dataset_source text not null
+ column datasets.dataset_source_type varchar(36) not null
+ column datasets.dataset_uuid varchar(36) not null
+ column datasets.digest varchar(36) not null
+ column datasets.experiment_id int not null
+ column datasets.name varchar(500) not null
+ foreign key datasets (experiment_id) -> experiments (experiment_id)
+ primary key datasets (experiment_id, name, digest)
+ table datasets InnoDB
sql CREATE INDEX index_datasets_dataset_uuid ON datasets (dataset_uuid)
+ index datasets (dataset_uuid) named index_datasets_dataset_uuid
sql CREATE INDEX index_datasets_experiment_id_dataset_source_type ON datasets (experiment_id, dataset_source_type)
+ index datasets (experiment_id, dataset_source_type) named index_datasets_experiment_id_dataset_source_type
sql CREATE TABLE inputs ( input_uuid VARCHAR(36) NOT NULL, source_type VARCHAR(36) NOT NULL, source_id VARCHAR(36)
    NOT NULL, destination_type VARCHAR(36) NOT NULL, destination_id VARCHAR(36) NOT NULL, CONSTRAINT inputs_pk
    PRIMARY KEY (source_type, source_id, destination_type, destination_id) )
+ column inputs.destination_id varchar(36) not null
+ column inputs.destination_type varchar(36) not null
+ column inputs.input_uuid varchar(36) not null
+ column inputs.source_id varchar(36) not null
+ column inputs.source_type varchar(36) not null
+ primary key inputs (source_type, source_id, destination_type, destination_id)
+ table inputs InnoDB
sql CREATE INDEX index_inputs_destination_type_destination_id_source_type ON inputs (destination_type,
    destination_id, source_type)
+ index inputs (destination_type, destination_id, source_type) named
    index_inputs_destination_type_destination_id_source_type
sql CREATE INDEX index_inputs_input_uuid ON inputs (input_uuid)
+ index inputs (input_uuid) named index_inputs_input_uuid
sql CREATE TABLE input_tags ( input_uuid VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value VARCHAR(500) NOT
    NULL, CONSTRAINT input_tags_pk PRIMARY KEY (input_uuid, name) )
+ column input_tags.input_uuid varchar(36) not null
+ column input_tags.name varchar(255) not null
+ column input_tags.value varchar(500) not null
+ primary key input_tags (input_uuid, name)
+ table input_tags InnoDB

revision 2d6e25af4d3e
title increase max param val length from 500 to 8000
kinds rebuild
sql ALTER TABLE params MODIFY value VARCHAR(8000) NOT NULL
- column params.value varchar(500) not null
+ column params.value varchar(8000) not null

revision acf3f17fdcc7
title add storage location field to model versions
kinds additive
sql ALTER TABLE model_versions ADD COLUMN storage_location VARCHAR(500)
+ column model_versions.storage_location varchar(500) null

revision 867495a8f9d4
title add trace tables
kinds additive
sql CREATE TABLE trace_info ( request_id VARCHAR(50) NOT NULL, experiment_id INTEGER NOT NULL, timestamp_ms BIGINT
    NOT NULL, execution_time_ms BIGINT, status VARCHAR(50) NOT NULL, CONSTRAINT trace_info_pk PRIMARY KEY
    (request_id), CONSTRAINT fk_trace_info_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments
    (experiment_id) )
+ column trace_info.execution_time_ms bigint null
+ column trace_info.experiment_id int not null
+ column trace_info.request_id varchar(50) not null
+ column trace_info.status varchar(50) not null
+ column trace_info.timestamp_ms bigint not null
+ foreign key trace_info (experiment_id) -> experiments (experiment_id) named fk_trace_info_experiment_id
+ index trace_info (experiment_id) named fk_trace_info_experiment_id
+ primary key trace_info (request_id)
+ table trace_info InnoDB
sql CREATE INDEX index_trace_info_experiment_id_timestamp_ms ON trace_info (experiment_id, timestamp_ms)
- index trace_info (experiment_id) named fk_trace_info_experiment_id
+ index trace_info (experiment_id, timestamp_ms) named index_trace_info_experiment_id_timestamp_ms
sql CREATE TABLE trace_tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(8000), request_id VARCHAR(50) NOT NULL,
    CONSTRAINT trace_tag_pk PRIMARY KEY (`key`, request_id), CONSTRAINT fk_trace_tags_request_id FOREIGN
    KEY(request_id) REFERENCES trace_info (request_id) )
+ column trace_tags.key varchar(250) not null
+ column trace_tags.request_id varchar(50) not null
+ column trace_tags.value varchar(8000) null
+ foreign key trace_tags (request_id) -> trace_info (request_id) named fk_trace_tags_request_id
+ index trace_tags (request_id) named fk_trace_tags_request_id
+ primary key trace_tags (key, request_id)
+ table trace_tags InnoDB
sql CREATE INDEX index_trace_tags_request_id ON trace_tags (request_id)
- index trace_tags (request_id) named fk_trace_tags_request_id
+ index trace_tags (request_id) named index_trace_tags_request_id
sql CREATE TABLE trace_request_metadata ( `key` VARCHAR(250) NOT NULL, value VARCHAR(8000), request_id VARCHAR(50)
    NOT NULL, CONSTRAINT trace_request_metadata_pk PRIMARY KEY (`key`, request_id), CONSTRAINT
    fk_trace_request_metadata_request_id FOREIGN KEY(request_id) REFERENCES trace_info (request_id) )
+ column trace_request_metadata.key varchar(250) not null
+ column trace_request_metadata.request_id varchar(50) not null
+ column trace_request_metadata.value varchar(8000) null
+ foreign key trace_request_metadata (request_id) -> trace_info (request_id) named
    fk_trace_request_metadata_request_id
+ index trace_request_metadata (request_id) named fk_trace_request_metadata_request_id
+ primary key trace_request_metadata (key, request_id)
+ table trace_request_metadata InnoDB
sql CREATE INDEX index_trace_request_metadata_request_id ON trace_request_metadata (request_id)
- index trace_request_metadata (request_id) named fk_trace_request_metadata_request_id
+ index trace_request_metadata (request_id) named index_trace_request_metadata_request_id

revision 5b0e9adcef9c
title add cascade deletion to trace tables foreign keys
kinds keys
sql ALTER TABLE trace_tags DROP FOREIGN KEY fk_trace_tags_request_id
- foreign key trace_tags (request_id) -> trace_info (request_id) named fk_trace_tags_request_id
sql ALTER TABLE trace_tags ADD CONSTRAINT fk_trace_tags_request_id FOREIGN KEY(request_id) REFERENCES trace_info
    (request_id) ON DELETE CASCADE
+ foreign key trace_tags (request_id) -> trace_info (request_id) on delete cascade named fk_trace_tags_request_id
sql ALTER TABLE trace_request_metadata DROP FOREIGN KEY fk_trace_request_metadata_request_id
- foreign key trace_request_metadata (request_id) -> trace_info (request_id) named
    fk_trace_request_metadata_request_id
sql ALTER TABLE trace_request_metadata ADD CONSTRAINT fk_trace_request_metadata_request_id FOREIGN KEY(request_id)
    REFERENCES trace_info (request_id) ON DELETE CASCADE
+ foreign key trace_request_metadata (request_id) -> trace_info (request_id) on delete cascade named
    fk_trace_request_metadata_request_id

revision 4465047574b1
title increase max dataset schema size
kinds rebuild
sql ALTER TABLE datasets MODIFY dataset_schema MEDIUMTEXT NULL
- column datasets.dataset_schema text null
+ column datasets.dataset_schema mediumtext null

revision f5a4f2784254
title increase run tag value limit to 8000
kinds rebuild
sql ALTER TABLE tags MODIFY value VARCHAR(8000) NULL
- column tags.value varchar(5000) null
+ column tags.value varchar(8000) null

revision 0584bdc529eb
title add cascading deletion to datasets from experiments
kinds keys
sql ALTER TABLE datasets DROP FOREIGN KEY datasets_ibfk_1
- foreign key datasets (experiment_id) -> experiments (experiment_id)
sql ALTER TABLE datasets ADD CONSTRAINT fk_datasets_experiment_id_experiments FOREIGN KEY(experiment_id) REFERENCES
    experiments (experiment_id) ON DELETE CASCADE
+ foreign key datasets (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_datasets_experiment_id_experiments

revision 400f98739977
title add logged model tables
kinds additive
sql CREATE TABLE logged_models ( model_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(500)
    NOT NULL, artifact_location VARCHAR(1000) NOT NULL, creation_timestamp_ms BIGINT NOT NULL,
    last_updated_timestamp_ms BIGINT NOT NULL, status INTEGER NOT NULL, lifecycle_stage VARCHAR(32), model_type
    VARCHAR(500), source_run_id VARCHAR(32), status_message VARCHAR(1000), CONSTRAINT logged_models_pk PRIMARY KEY
    (model_id), CONSTRAINT logged_models_lifecycle_stage_check CHECK (lifecycle_stage IN ('active', 'deleted')),
    CONSTRAINT fk_logged_models_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) ON
    DELETE CASCADE )
+ check logged_models (`lifecycle_stage` in ('active','deleted')) named logged_models_lifecycle_stage_check
+ column logged_models.artifact_location varchar(1000) not null
+ column logged_models.creation_timestamp_ms bigint not null
+ column logged_models.experiment_id int not null
+ column logged_models.last_updated_timestamp_ms bigint not null
+ column logged_models.lifecycle_stage varchar(32) null
+ column logged_models.model_id varchar(36) not null
+ column logged_models.model_type varchar(500) null
+ column logged_models.name varchar(500) not null
+ column logged_models.source_run_id varchar(32) null
+ column logged_models.status int not null
+ column logged_models.status_message varchar(1000) null
+ foreign key logged_models (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_logged_models_experiment_id
+ index logged_models (experiment_id) named fk_logged_models_experiment_id
+ primary key logged_models (model_id)
+ table logged_models InnoDB
sql CREATE TABLE logged_model_metrics ( model_id VARCHAR(36) NOT NULL, metric_name VARCHAR(500) NOT NULL,
    metric_timestamp_ms BIGINT NOT NULL, metric_step BIGINT NOT NULL, metric_value FLOAT(53), experiment_id INTEGER
    NOT NULL, run_id VARCHAR(32) NOT NULL, dataset_uuid VARCHAR(36), dataset_name VARCHAR(500), dataset_digest
    VARCHAR(36), CONSTRAINT logged_model_metrics_pk PRIMARY KEY (model_id, metric_name, metric_timestamp_ms,
    metric_step, run_id), CONSTRAINT fk_logged_model_metrics_experiment_id FOREIGN KEY(experiment_id) REFERENCES
    experiments (experiment_id), CONSTRAINT fk_logged_model_metrics_model_id FOREIGN KEY(model_id) REFERENCES
    logged_models (model_id) ON DELETE CASCADE, CONSTRAINT fk_logged_model_metrics_run_id FOREIGN KEY(run_id)
    REFERENCES runs (run_uuid) ON DELETE CASCADE )
+ column logged_model_metrics.dataset_digest varchar(36) null
+ column logged_model_metrics.dataset_name varchar(500) null
+ column logged_model_metrics.dataset_uuid varchar(36) null
+ column logged_model_metrics.experiment_id int not null
+ column logged_model_metrics.metric_name varchar(500) not null
+ column logged_model_metrics.metric_step bigint not null
+ column logged_model_metrics.metric_timestamp_ms bigint not null
+ column logged_model_metrics.metric_value double null
+ column logged_model_metrics.model_id varchar(36) not null
+ column logged_model_metrics.run_id varchar(32) not null
+ foreign key logged_model_metrics (experiment_id) -> experiments (experiment_id) named
    fk_logged_model_metrics_experiment_id
+ foreign key logged_model_metrics (model_id) -> logged_models (model_id) on delete cascade named
    fk_logged_model_metrics_model_id
+ foreign key logged_model_metrics (run_id) -> runs (run_uuid) on delete cascade named
    fk_logged_model_metrics_run_id
+ index logged_model_metrics (experiment_id) named fk_logged_model_metrics_experiment_id
+ index logged_model_metrics (run_id) named fk_logged_model_metrics_run_id
+ primary key logged_model_metrics (model_id, metric_name, metric_timestamp_ms, metric_step, run_id)
+ table logged_model_metrics InnoDB
sql CREATE INDEX index_logged_model_metrics_model_id ON logged_model_metrics (model_id)
+ index logged_model_metrics (model_id) named index_logged_model_metrics_model_id
sql CREATE TABLE logged_model_params ( model_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, param_key
    VARCHAR(255) NOT NULL, param_value TEXT NOT NULL, CONSTRAINT logged_model_params_pk PRIMARY KEY (model_id,
    param_key), CONSTRAINT fk_logged_model_params_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments
    (experiment_id), CONSTRAINT fk_logged_model_params_model_id FOREIGN KEY(model_id) REFERENCES logged_models
    (model_id) ON DELETE CASCADE )
+ column logged_model_params.experiment_id int not null
+ column logged_model_params.model_id varchar(36) not null
+ column logged_model_params.param_key varchar(255) not null
+ column logged_model_params.param_value text not null
+ foreign key logged_model_params (experiment_id) -> experiments (experiment_id) named
    fk_logged_model_params_experiment_id
+ foreign key logged_model_params (model_id) -> logged_models (model_id) on delete cascade named
    fk_logged_model_params_model_id
+ index logged_model_params (experiment_id) named fk_logged_model_params_experiment_id
+ primary key logged_model_params (model_id, param_key)
+ table logged_model_params InnoDB
sql CREATE TABLE logged_model_tags ( model_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, tag_key
    VARCHAR(255) NOT NULL, tag_value TEXT NOT NULL, CONSTRAINT logged_model_tags_pk PRIMARY KEY (model_id, tag_key),
    CONSTRAINT fk_logged_model_tags_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id),
    CONSTRAINT fk_logged_model_tags_model_id FOREIGN KEY(model_id) REFERENCES logged_models (model_id) ON DELETE
    CASCADE )
+ column logged_model_tags.experiment_id int not null
+ column logged_model_tags.model_id varchar(36) not null
+ column logged_model_tags.tag_key varchar(255) not null
+ column logged_model_tags.tag_value text not null
+ foreign key logged_model_tags (experiment_id) -> experiments (experiment_id) named
    fk_logged_model_tags_experiment_id
+ foreign key logged_model_tags (model_id) -> logged_models (model_id) on delete cascade named
    fk_logged_model_tags_model_id
+ index logged_model_tags (experiment_id) named fk_logged_model_tags_experiment_id
+ primary key logged_model_tags (model_id, tag_key)
+ table logged_model_tags InnoDB

revision 6953534de441
title add step to inputs table
kinds additive
sql ALTER TABLE inputs ADD COLUMN step BIGINT NOT NULL DEFAULT '0'
+ column inputs.step bigint not null default '0'

revision bda7b8c39065
title increase_model_version_tag_value_limit
kinds rebuild
sql ALTER TABLE model_version_tags MODIFY value TEXT NULL
- column model_version_tags.value varchar(5000) null
+ column model_version_tags.value text null

revision cbc13b556ace
title add V3 trace schema columns
kinds additive
sql ALTER TABLE trace_info ADD COLUMN client_request_id VARCHAR(50)
+ column trace_info.client_request_id varchar(50) null
sql ALTER TABLE trace_info ADD COLUMN request_preview VARCHAR(1000)
+ column trace_info.request_preview varchar(1000) null
sql ALTER TABLE trace_info ADD COLUMN response_preview VARCHAR(1000)
+ column trace_info.response_preview varchar(1000) null

revision 770bee3ae1dd
title add assessments table
kinds additive
sql CREATE TABLE assessments ( assessment_id VARCHAR(50) NOT NULL, trace_id VARCHAR(50) NOT NULL, name VARCHAR(250)
    NOT NULL, assessment_type VARCHAR(20) NOT NULL, value TEXT NOT NULL, error TEXT, created_timestamp BIGINT NOT
    NULL, last_updated_timestamp BIGINT NOT NULL, source_type VARCHAR(50) NOT NULL, source_id VARCHAR(250), run_id
    VARCHAR(32), span_id VARCHAR(50), rationale TEXT, overrides VARCHAR(50), valid BOOL NOT NULL,
    assessment_metadata TEXT, CONSTRAINT assessments_pk PRIMARY KEY (assessment_id), CONSTRAINT
    fk_assessments_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON DELETE CASCADE )
+ column assessments.assessment_id varchar(50) not null
+ column assessments.assessment_metadata text null
+ column assessments.assessment_type varchar(20) not null
+ column assessments.created_timestamp bigint not null
+ column assessments.error text null
+ column assessments.last_updated_timestamp bigint not null
+ column assessments.name varchar(250) not null
+ column assessments.overrides varchar(50) null
+ column assessments.rationale text null
+ column assessments.run_id varchar(32) null
+ column assessments.source_id varchar(250) null
+ column assessments.source_type varchar(50) not null
+ column assessments.span_id varchar(50) null
+ column assessments.trace_id varchar(50) not null
+ column assessments.valid tinyint(1) not null
+ column assessments.value text not null
+ foreign key assessments (trace_id) -> trace_info (request_id) on delete cascade named fk_assessments_trace_id
+ index assessments (trace_id) named fk_assessments_trace_id
+ primary key assessments (assessment_id)
+ table assessments InnoDB
sql CREATE INDEX index_assessments_assessment_type ON assessments (assessment_type)
+ index assessments (assessment_type) named index_assessments_assessment_type
sql CREATE INDEX index_assessments_last_updated_timestamp ON assessments (last_updated_timestamp)
+ index assessments (last_updated_timestamp) named index_assessments_last_updated_timestamp
sql CREATE INDEX index_assessments_run_id_created_timestamp ON assessments (run_id, created_timestamp)
+ index assessments (run_id, created_timestamp) named index_assessments_run_id_created_timestamp
sql CREATE INDEX index_assessments_trace_id_created_timestamp ON assessments (trace_id, created_timestamp)
- index assessments (trace_id) named fk_assessments_trace_id
+ index assessments (trace_id, created_timestamp) named index_assessments_trace_id_created_timestamp

revision a1b2c3d4e5f6
title add spans table
kinds additive
sql CREATE TABLE spans ( trace_id VARCHAR(50) NOT NULL, experiment_id INTEGER NOT NULL, span_id VARCHAR(50) NOT
    NULL, parent_span_id VARCHAR(50), name TEXT, type VARCHAR(500), status VARCHAR(50) NOT NULL,
    start_time_unix_nano BIGINT NOT NULL, end_time_unix_nano BIGINT, duration_ns BIGINT GENERATED ALWAYS AS
    (end_time_unix_nano - start_time_unix_nano) STORED, content LONGTEXT NOT NULL, CONSTRAINT spans_pk PRIMARY KEY
    (trace_id, span_id), CONSTRAINT fk_spans_trace_id FOREIGN KEY(trace_id) REFERENCES trace_info (request_id) ON
    DELETE CASCADE, CONSTRAINT fk_spans_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments
    (experiment_id) )
+ column spans.content longtext not null
+ column spans.duration_ns bigint null stored generated as ((`end_time_unix_nano` - `start_time_unix_nano`))
+ column spans.end_time_unix_nano bigint null
+ column spans.experiment_id int not null
+ column spans.name text null
+ column spans.parent_span_id varchar(50) null
+ column spans.span_id varchar(50) not null
+ column spans.start_time_unix_nano bigint not null
+ column spans.status varchar(50) not null
+ column spans.trace_id varchar(50) not null
+ column spans.type varchar(500) null
+ foreign key spans (experiment_id) -> experiments (experiment_id) named fk_spans_experiment_id
+ foreign key spans (trace_id) -> trace_info (request_id) on delete cascade named fk_spans_trace_id
+ index spans (experiment_id) named fk_spans_experiment_id
+ primary key spans (trace_id, span_id)
+ table spans InnoDB
sql CREATE INDEX index_spans_experiment_id ON spans (experiment_id)
- index spans (experiment_id) named fk_spans_experiment_id
+ index spans (experiment_id) named index_spans_experiment_id
sql CREATE INDEX index_spans_experiment_id_duration ON spans (experiment_id, duration_ns)
+ index spans (experiment_id, duration_ns) named index_spans_experiment_id_duration
sql CREATE INDEX index_spans_experiment_id_status_type ON spans (experiment_id, status, type)
+ index spans (experiment_id, status, type) named index_spans_experiment_id_status_type
sql CREATE INDEX index_spans_experiment_id_type_status ON spans (experiment_id, type, status)
+ index spans (experiment_id, type, status) named index_spans_experiment_id_type_status

revision de4033877273
title create entity_associations table
kinds additive
sql CREATE TABLE entity_associations ( association_id VARCHAR(36) NOT NULL, source_type VARCHAR(36) NOT NULL,
    source_id VARCHAR(36) NOT NULL, destination_type VARCHAR(36) NOT NULL, destination_id VARCHAR(36) NOT NULL,
    created_time BIGINT, CONSTRAINT entity_associations_pk PRIMARY KEY (source_type, source_id, destination_type,
    destination_id) )
+ column entity_associations.association_id varchar(36) not null
+ column entity_associations.created_time bigint null
+ column entity_associations.destination_id varchar(36) not null
+ column entity_associations.destination_type varchar(36) not null
+ column entity_associations.source_id varchar(36) not null
+ column entity_associations.source_type varchar(36) not null
+ primary key entity_associations (source_type, source_id, destination_type, destination_id)
+ table entity_associations InnoDB
sql CREATE INDEX index_entity_associations_association_id ON entity_associations (association_id)
+ index entity_associations (association_id) named index_entity_associations_association_id
sql CREATE INDEX index_entity_associations_reverse_lookup ON entity_associations (destination_type, destination_id,
    source_type, source_id)
+ index entity_associations (destination_type, destination_id, source_type, source_id) named
    index_entity_associations_reverse_lookup

revision 1a0cddfcaa16
title Add webhooks and webhook_events tables
kinds additive
sql CREATE TABLE webhooks ( webhook_id VARCHAR(256) NOT NULL, name VARCHAR(256) NOT NULL, description VARCHAR(1000),
    url VARCHAR(500) NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'ACTIVE', secret VARCHAR(1000),
    creation_timestamp BIGINT, last_updated_timestamp BIGINT, deleted_timestamp BIGINT, CONSTRAINT webhook_pk
    PRIMARY KEY (webhook_id) )
+ column webhooks.creation_timestamp bigint null
+ column webhooks.deleted_timestamp bigint null
+ column webhooks.description varchar(1000) null
+ column webhooks.last_updated_timestamp bigint null
+ column webhooks.name varchar(256) not null
+ column webhooks.secret varchar(1000) null
+ column webhooks.status varchar(20) not null default 'ACTIVE'
+ column webhooks.url varchar(500) not null
+ column webhooks.webhook_id varchar(256) not null
+ primary key webhooks (webhook_id)
+ table webhooks InnoDB
sql CREATE INDEX idx_webhooks_name ON webhooks (name)
+ index webhooks (name) named idx_webhooks_name
sql CREATE INDEX idx_webhooks_status ON webhooks (status)
+ index webhooks (status) named idx_webhooks_status
sql CREATE TABLE webhook_events ( webhook_id VARCHAR(256) NOT NULL, entity VARCHAR(50) NOT NULL, action VARCHAR(50)
    NOT NULL, CONSTRAINT webhook_event_pk PRIMARY KEY (webhook_id, entity, action), FOREIGN KEY(webhook_id)
    REFERENCES webhooks (webhook_id) ON DELETE cascade )
+ column webhook_events.action varchar(50) not null
+ column webhook_events.entity varchar(50) not null
+ column webhook_events.webhook_id varchar(256) not null
+ foreign key webhook_events (webhook_id) -> webhooks (webhook_id) on delete cascade
+ primary key webhook_events (webhook_id, entity, action)
+ table webhook_events InnoDB
sql CREATE INDEX idx_webhook_events_action ON webhook_events (action)
+ index webhook_events (action) named idx_webhook_events_action
sql CREATE INDEX idx_webhook_events_entity ON webhook_events (entity)
+ index webhook_events (entity) named idx_webhook_events_entity
sql CREATE INDEX idx_webhook_events_entity_action ON webhook_events (entity, action)
+ index webhook_events (entity, action) named idx_webhook_events_entity_action

revision 534353b11cbc
title add scorer tables
kinds additive
sql CREATE TABLE scorers ( experiment_id INTEGER NOT NULL, scorer_name VARCHAR(256) NOT NULL, scorer_id VARCHAR(36)
    NOT NULL, CONSTRAINT scorer_pk PRIMARY KEY (scorer_id), CONSTRAINT fk_scorers_experiment_id FOREIGN
    KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE )
+ column scorers.experiment_id int not null
+ column scorers.scorer_id varchar(36) not null
+ column scorers.scorer_name varchar(256) not null
+ foreign key scorers (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_scorers_experiment_id
+ index scorers (experiment_id) named fk_scorers_experiment_id
+ primary key scorers (scorer_id)
+ table scorers InnoDB
sql CREATE TABLE scorer_versions ( scorer_id VARCHAR(36) NOT NULL, scorer_version INTEGER NOT NULL,
    serialized_scorer TEXT NOT NULL, creation_time BIGINT, CONSTRAINT scorer_version_pk PRIMARY KEY (scorer_id,
    scorer_version), CONSTRAINT fk_scorer_versions_scorer_id FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id)
    ON DELETE CASCADE )
+ column scorer_versions.creation_time bigint null
+ column scorer_versions.scorer_id varchar(36) not null
+ column scorer_versions.scorer_version int not null
+ column scorer_versions.serialized_scorer text not null
+ foreign key scorer_versions (scorer_id) -> scorers (scorer_id) on delete cascade named
    fk_scorer_versions_scorer_id
+ primary key scorer_versions (scorer_id, scorer_version)
+ table scorer_versions InnoDB
sql CREATE UNIQUE INDEX index_scorers_experiment_id_scorer_name ON scorers (experiment_id, scorer_name)
- index scorers (experiment_id) named fk_scorers_experiment_id
+ unique scorers (experiment_id, scorer_name) named index_scorers_experiment_id_scorer_name
sql CREATE INDEX index_scorer_versions_scorer_id ON scorer_versions (scorer_id)
+ index scorer_versions (scorer_id) named index_scorer_versions_scorer_id

revision 71994744cf8e
title add evaluation datasets
kinds additive
sql CREATE TABLE evaluation_datasets ( dataset_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, `schema` TEXT,
    profile TEXT, digest VARCHAR(64), created_time BIGINT, last_update_time BIGINT, created_by VARCHAR(255),
    last_updated_by VARCHAR(255), CONSTRAINT evaluation_datasets_pk PRIMARY KEY (dataset_id) )
+ column evaluation_datasets.created_by varchar(255) null
+ column evaluation_datasets.created_time bigint null
+ column evaluation_datasets.dataset_id varchar(36) not null
+ column evaluation_datasets.digest varchar(64) null
+ column evaluation_datasets.last_update_time bigint null
+ column evaluation_datasets.last_updated_by varchar(255) null
+ column evaluation_datasets.name varchar(255) not null
+ column evaluation_datasets.profile text null
+ column evaluation_datasets.schema text null
+ primary key evaluation_datasets (dataset_id)
+ table evaluation_datasets InnoDB
sql CREATE INDEX index_evaluation_datasets_created_time ON evaluation_datasets (created_time)
+ index evaluation_datasets (created_time) named index_evaluation_datasets_created_time
sql CREATE INDEX index_evaluation_datasets_name ON evaluation_datasets (name)
+ index evaluation_datasets (name) named index_evaluation_datasets_name
sql CREATE TABLE evaluation_dataset_tags ( dataset_id VARCHAR(36) NOT NULL, `key` VARCHAR(255) NOT NULL, value
    VARCHAR(5000), CONSTRAINT evaluation_dataset_tags_pk PRIMARY KEY (dataset_id, `key`), CONSTRAINT
    fk_evaluation_dataset_tags_dataset_id FOREIGN KEY(dataset_id) REFERENCES evaluation_datasets (dataset_id) ON
    DELETE CASCADE )
+ column evaluation_dataset_tags.dataset_id varchar(36) not null
+ column evaluation_dataset_tags.key varchar(255) not null
+ column evaluation_dataset_tags.value varchar(5000) null
+ foreign key evaluation_dataset_tags (dataset_id) -> evaluation_datasets (dataset_id) on delete cascade named
    fk_evaluation_dataset_tags_dataset_id
+ primary key evaluation_dataset_tags (dataset_id, key)
+ table evaluation_dataset_tags InnoDB
sql CREATE INDEX index_evaluation_dataset_tags_dataset_id ON evaluation_dataset_tags (dataset_id)
+ index evaluation_dataset_tags (dataset_id) named index_evaluation_dataset_tags_dataset_id
sql CREATE TABLE evaluation_dataset_records ( dataset_record_id VARCHAR(36) NOT NULL, dataset_id VARCHAR(36) NOT
    NULL, inputs JSON NOT NULL, expectations JSON, tags JSON, source JSON, source_id VARCHAR(36), source_type
    VARCHAR(255), created_time BIGINT, last_update_time BIGINT, created_by VARCHAR(255), last_updated_by
    VARCHAR(255), input_hash VARCHAR(64) NOT NULL, CONSTRAINT evaluation_dataset_records_pk PRIMARY KEY
    (dataset_record_id), CONSTRAINT fk_evaluation_dataset_records_dataset_id FOREIGN KEY(dataset_id) REFERENCES
    evaluation_datasets (dataset_id) ON DELETE CASCADE )
+ column evaluation_dataset_records.created_by varchar(255) null
+ column evaluation_dataset_records.created_time bigint null
+ column evaluation_dataset_records.dataset_id varchar(36) not null
+ column evaluation_dataset_records.dataset_record_id varchar(36) not null
+ column evaluation_dataset_records.expectations json null
+ column evaluation_dataset_records.input_hash varchar(64) not null
+ column evaluation_dataset_records.inputs json not null
+ column evaluation_dataset_records.last_update_time bigint null
+ column evaluation_dataset_records.last_updated_by varchar(255) null
+ column evaluation_dataset_records.source json null
+ column evaluation_dataset_records.source_id varchar(36) null
+ column evaluation_dataset_records.source_type varchar(255) null
+ column evaluation_dataset_records.tags json null
+ foreign key evaluation_dataset_records (dataset_id) -> evaluation_datasets (dataset_id) on delete cascade named
    fk_evaluation_dataset_records_dataset_id
+ index evaluation_dataset_records (dataset_id) named fk_evaluation_dataset_records_dataset_id
+ primary key evaluation_dataset_records (dataset_record_id)
+ table evaluation_dataset_records InnoDB
sql CREATE INDEX index_evaluation_dataset_records_dataset_id ON evaluation_dataset_records (dataset_id)
- index evaluation_dataset_records (dataset_id) named fk_evaluation_dataset_records_dataset_id
+ index evaluation_dataset_records (dataset_id) named index_evaluation_dataset_records_dataset_id
sql ALTER TABLE evaluation_dataset_records ADD CONSTRAINT unique_dataset_input UNIQUE (dataset_id, input_hash)
+ unique evaluation_dataset_records (dataset_id, input_hash) named unique_dataset_input

revision 3da73c924c2f
title add outputs to dataset record
kinds additive
sql ALTER TABLE evaluation_dataset_records ADD COLUMN outputs JSON
+ column evaluation_dataset_records.outputs json null

revision bf29a5ff90ea
title add jobs table
kinds additive
sql CREATE TABLE jobs ( id VARCHAR(36) NOT NULL, creation_time BIGINT NOT NULL, function_fullname VARCHAR(500) NOT
    NULL, params TEXT NOT NULL, timeout FLOAT(53), status INTEGER NOT NULL, result TEXT, retry_count INTEGER NOT
    NULL, last_update_time BIGINT NOT NULL, CONSTRAINT jobs_pk PRIMARY KEY (id) )
+ column jobs.creation_time bigint not null
+ column jobs.function_fullname varchar(500) not null
+ column jobs.id varchar(36) not null
+ column jobs.last_update_time bigint not null
+ column jobs.params text not null
+ column jobs.result text null
+ column jobs.retry_count int not null
+ column jobs.status int not null
+ column jobs.timeout double null
+ primary key jobs (id)
+ table jobs InnoDB
sql CREATE INDEX index_jobs_function_status_creation_time ON jobs (function_fullname, status, creation_time)
+ index jobs (function_fullname, status, creation_time) named index_jobs_function_status_creation_time

revision 1bd49d398cd23
title add secrets tables
kinds additive
sql CREATE TABLE secrets ( secret_id VARCHAR(36) NOT NULL, secret_name VARCHAR(255) NOT NULL, encrypted_value BLOB
    NOT NULL, wrapped_dek BLOB NOT NULL, kek_version INTEGER NOT NULL, masked_value VARCHAR(500) NOT NULL, provider
    VARCHAR(64), auth_config TEXT, description TEXT, created_by VARCHAR(255), created_at BIGINT NOT NULL,
    last_updated_by VARCHAR(255), last_updated_at BIGINT NOT NULL, CONSTRAINT secrets_pk PRIMARY KEY (secret_id) )
+ column secrets.auth_config text null
+ column secrets.created_at bigint not null
+ column secrets.created_by varchar(255) null
+ column secrets.description text null
+ column secrets.encrypted_value blob not null
+ column secrets.kek_version int not null
+ column secrets.last_updated_at bigint not null
+ column secrets.last_updated_by varchar(255) null
+ column secrets.masked_value varchar(500) not null
+ column secrets.provider varchar(64) null
+ column secrets.secret_id varchar(36) not null
+ column secrets.secret_name varchar(255) not null
+ column secrets.wrapped_dek blob not null
+ primary key secrets (secret_id)
+ table secrets InnoDB
sql CREATE UNIQUE INDEX unique_secret_name ON secrets (secret_name)
+ unique secrets (secret_name) named unique_secret_name
sql CREATE TABLE endpoints ( endpoint_id VARCHAR(36) NOT NULL, name VARCHAR(255), created_by VARCHAR(255),
    created_at BIGINT NOT NULL, last_updated_by VARCHAR(255), last_updated_at BIGINT NOT NULL, CONSTRAINT
    endpoints_pk PRIMARY KEY (endpoint_id) )
+ column endpoints.created_at bigint not null
+ column endpoints.created_by varchar(255) null
+ column endpoints.endpoint_id varchar(36) not null
+ column endpoints.last_updated_at bigint not null
+ column endpoints.last_updated_by varchar(255) null
+ column endpoints.name varchar(255) null
+ primary key endpoints (endpoint_id)
+ table endpoints InnoDB
sql CREATE UNIQUE INDEX unique_endpoint_name ON endpoints (name)
+ unique endpoints (name) named unique_endpoint_name
sql CREATE TABLE model_definitions ( model_definition_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, secret_id
    VARCHAR(36), provider VARCHAR(64) NOT NULL, model_name VARCHAR(256) NOT NULL, created_by VARCHAR(255),
    created_at BIGINT NOT NULL, last_updated_by VARCHAR(255), last_updated_at BIGINT NOT NULL, CONSTRAINT
    model_definitions_pk PRIMARY KEY (model_definition_id), CONSTRAINT fk_model_definitions_secret_id FOREIGN
    KEY(secret_id) REFERENCES secrets (secret_id) ON DELETE SET NULL )
+ column model_definitions.created_at bigint not null
+ column model_definitions.created_by varchar(255) null
+ column model_definitions.last_updated_at bigint not null
+ column model_definitions.last_updated_by varchar(255) null
+ column model_definitions.model_definition_id varchar(36) not null
+ column model_definitions.model_name varchar(256) not null
+ column model_definitions.name varchar(255) not null
+ column model_definitions.provider varchar(64) not null
+ column model_definitions.secret_id varchar(36) null
+ foreign key model_definitions (secret_id) -> secrets (secret_id) on delete set null named
    fk_model_definitions_secret_id
+ index model_definitions (secret_id) named fk_model_definitions_secret_id
+ primary key model_definitions (model_definition_id)
+ table model_definitions InnoDB
sql CREATE INDEX index_model_definitions_provider ON model_definitions (provider)
+ index model_definitions (provider) named index_model_definitions_provider
sql CREATE INDEX index_model_definitions_secret_id ON model_definitions (secret_id)
- index model_definitions (secret_id) named fk_model_definitions_secret_id
+ index model_definitions (secret_id) named index_model_definitions_secret_id
sql CREATE UNIQUE INDEX unique_model_definition_name ON model_definitions (name)
+ unique model_definitions (name) named unique_model_definition_name
sql CREATE TABLE endpoint_model_mappings ( mapping_id VARCHAR(36) NOT NULL, endpoint_id VARCHAR(36) NOT NULL,
    model_definition_id VARCHAR(36) NOT NULL, weight FLOAT NOT NULL, created_by VARCHAR(255), created_at BIGINT NOT
    NULL, CONSTRAINT endpoint_model_mappings_pk PRIMARY KEY (mapping_id), CONSTRAINT
    fk_endpoint_model_mappings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE
    CASCADE, CONSTRAINT fk_endpoint_model_mappings_model_definition_id FOREIGN KEY(model_definition_id) REFERENCES
    model_definitions (model_definition_id) )
+ column endpoint_model_mappings.created_at bigint not null
+ column endpoint_model_mappings.created_by varchar(255) null
+ column endpoint_model_mappings.endpoint_id varchar(36) not null
+ column endpoint_model_mappings.mapping_id varchar(36) not null
+ column endpoint_model_mappings.model_definition_id varchar(36) not null
+ column endpoint_model_mappings.weight float not null
+ foreign key endpoint_model_mappings (endpoint_id) -> endpoints (endpoint_id) on delete cascade named
    fk_endpoint_model_mappings_endpoint_id
+ foreign key endpoint_model_mappings (model_definition_id) -> model_definitions (model_definition_id) named
    fk_endpoint_model_mappings_model_definition_id
+ index endpoint_model_mappings (endpoint_id) named fk_endpoint_model_mappings_endpoint_id
+ index endpoint_model_mappings (model_definition_id) named fk_endpoint_model_mappings_model_definition_id
+ primary key endpoint_model_mappings (mapping_id)
+ table endpoint_model_mappings InnoDB
sql CREATE INDEX index_endpoint_model_mappings_endpoint_id ON endpoint_model_mappings (endpoint_id)
- index endpoint_model_mappings (endpoint_id) named fk_endpoint_model_mappings_endpoint_id
+ index endpoint_model_mappings (endpoint_id) named index_endpoint_model_mappings_endpoint_id
sql CREATE INDEX index_endpoint_model_mappings_model_definition_id ON endpoint_model_mappings (model_definition_id)
- index endpoint_model_mappings (model_definition_id) named fk_endpoint_model_mappings_model_definition_id
+ index endpoint_model_mappings (model_definition_id) named index_endpoint_model_mappings_model_definition_id
sql CREATE UNIQUE INDEX unique_endpoint_model_mapping ON endpoint_model_mappings (endpoint_id, model_definition_id)
+ unique endpoint_model_mappings (endpoint_id, model_definition_id) named unique_endpoint_model_mapping
sql CREATE TABLE endpoint_bindings ( endpoint_id VARCHAR(36) NOT NULL, resource_type VARCHAR(50) NOT NULL,
    resource_id VARCHAR(255) NOT NULL, created_at BIGINT NOT NULL, created_by VARCHAR(255), last_updated_at BIGINT
    NOT NULL, last_updated_by VARCHAR(255), CONSTRAINT endpoint_bindings_pk PRIMARY KEY (endpoint_id, resource_type,
    resource_id), CONSTRAINT fk_endpoint_bindings_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints
    (endpoint_id) ON DELETE CASCADE )
+ column endpoint_bindings.created_at bigint not null
+ column endpoint_bindings.created_by varchar(255) null
+ column endpoint_bindings.endpoint_id varchar(36) not null
+ column endpoint_bindings.last_updated_at bigint not null
+ column endpoint_bindings.last_updated_by varchar(255) null
+ column endpoint_bindings.resource_id varchar(255) not null
+ column endpoint_bindings.resource_type varchar(50) not null
+ foreign key endpoint_bindings (endpoint_id) -> endpoints (endpoint_id) on delete cascade named
    fk_endpoint_bindings_endpoint_id
+ primary key endpoint_bindings (endpoint_id, resource_type, resource_id)
+ table endpoint_bindings InnoDB
sql CREATE TABLE endpoint_tags ( `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), endpoint_id VARCHAR(36) NOT NULL,
    CONSTRAINT endpoint_tag_pk PRIMARY KEY (`key`, endpoint_id), CONSTRAINT fk_endpoint_tags_endpoint_id FOREIGN
    KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE )
+ column endpoint_tags.endpoint_id varchar(36) not null
+ column endpoint_tags.key varchar(250) not null
+ column endpoint_tags.value varchar(5000) null
+ foreign key endpoint_tags (endpoint_id) -> endpoints (endpoint_id) on delete cascade named
    fk_endpoint_tags_endpoint_id
+ index endpoint_tags (endpoint_id) named fk_endpoint_tags_endpoint_id
+ primary key endpoint_tags (key, endpoint_id)
+ table endpoint_tags InnoDB
sql CREATE INDEX index_endpoint_tags_endpoint_id ON endpoint_tags (endpoint_id)
- index endpoint_tags (endpoint_id) named fk_endpoint_tags_endpoint_id
+ index endpoint_tags (endpoint_id) named index_endpoint_tags_endpoint_id
sql CREATE TRIGGER prevent_secrets_aad_mutation BEFORE UPDATE ON secrets FOR EACH ROW BEGIN IF OLD.secret_id !=
    NEW.secret_id OR OLD.secret_name != NEW.secret_name THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret_id
    and secret_name are immutable (used as AAD in encryption)'; END IF; END
+ trigger secrets before update BEGIN IF OLD.secret_id != NEW.secret_id OR OLD.secret_name != NEW.secret_name THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'secret_id and secret_name are immutable (used as AAD in
    encryption)'; END IF; END named prevent_secrets_aad_mutation

revision b7c8d9e0f1a2
title add trace metrics table
kinds additive
sql CREATE TABLE trace_metrics ( request_id VARCHAR(50) NOT NULL, `key` VARCHAR(250) NOT NULL, value FLOAT(53),
    CONSTRAINT trace_metrics_pk PRIMARY KEY (request_id, `key`), CONSTRAINT fk_trace_metrics_request_id FOREIGN
    KEY(request_id) REFERENCES trace_info (request_id) ON DELETE CASCADE )
+ column trace_metrics.key varchar(250) not null
+ column trace_metrics.request_id varchar(50) not null
+ column trace_metrics.value double null
+ foreign key trace_metrics (request_id) -> trace_info (request_id) on delete cascade named
    fk_trace_metrics_request_id
+ primary key trace_metrics (request_id, key)
+ table trace_metrics InnoDB
sql CREATE INDEX index_trace_metrics_request_id ON trace_metrics (request_id)
+ index trace_metrics (request_id) named index_trace_metrics_request_id

revision 5d2d30f0abce
title update job table
kinds rebuild
sql DROP INDEX index_jobs_function_status_creation_time ON jobs
- index jobs (function_fullname, status, creation_time) named index_jobs_function_status_creation_time
sql ALTER TABLE jobs CHANGE function_fullname job_name VARCHAR(500) NULL
- column jobs.function_fullname varchar(500) not null
+ column jobs.job_name varchar(500) null
sql CREATE INDEX index_jobs_name_status_creation_time ON jobs (job_name, status, creation_time)
+ index jobs (job_name, status, creation_time) named index_jobs_name_status_creation_time

revision c9d4e5f6a7b8
title add routing strategy to endpoints and linkage type to mappings
kinds keys
sql ALTER TABLE endpoints ADD COLUMN routing_strategy VARCHAR(64)
+ column endpoints.routing_strategy varchar(64) null
sql ALTER TABLE endpoints ADD COLUMN fallback_config_json TEXT
+ column endpoints.fallback_config_json text null
sql ALTER TABLE endpoint_model_mappings ADD COLUMN linkage_type VARCHAR(64) NOT NULL DEFAULT 'PRIMARY'
+ column endpoint_model_mappings.linkage_type varchar(64) not null default 'PRIMARY'
sql ALTER TABLE endpoint_model_mappings ADD COLUMN fallback_order INTEGER
+ column endpoint_model_mappings.fallback_order int null
sql DROP INDEX unique_endpoint_model_mapping ON endpoint_model_mappings
- unique endpoint_model_mappings (endpoint_id, model_definition_id) named unique_endpoint_model_mapping
sql CREATE UNIQUE INDEX unique_endpoint_model_linkage_mapping ON endpoint_model_mappings (endpoint_id,
    model_definition_id, linkage_type)
+ unique endpoint_model_mappings (endpoint_id, model_definition_id, linkage_type) named
    unique_endpoint_model_linkage_mapping

revision 2c33131f4dae
title add online_scoring_configs table
kinds additive
sql CREATE TABLE online_scoring_configs ( online_scoring_config_id VARCHAR(36) NOT NULL, scorer_id VARCHAR(36) NOT
    NULL, sample_rate FLOAT(53) NOT NULL, experiment_id INTEGER NOT NULL, filter_string TEXT, CONSTRAINT
    online_scoring_config_pk PRIMARY KEY (online_scoring_config_id), CONSTRAINT fk_online_scoring_configs_scorer_id
    FOREIGN KEY(scorer_id) REFERENCES scorers (scorer_id) ON DELETE CASCADE, CONSTRAINT
    fk_online_scoring_configs_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id) )
+ column online_scoring_configs.experiment_id int not null
+ column online_scoring_configs.filter_string text null
+ column online_scoring_configs.online_scoring_config_id varchar(36) not null
+ column online_scoring_configs.sample_rate double not null
+ column online_scoring_configs.scorer_id varchar(36) not null
+ foreign key online_scoring_configs (experiment_id) -> experiments (experiment_id) named
    fk_online_scoring_configs_experiment_id
+ foreign key online_scoring_configs (scorer_id) -> scorers (scorer_id) on delete cascade named
    fk_online_scoring_configs_scorer_id
+ index online_scoring_configs (experiment_id) named fk_online_scoring_configs_experiment_id
+ index online_scoring_configs (scorer_id) named fk_online_scoring_configs_scorer_id
+ primary key online_scoring_configs (online_scoring_config_id)
+ table online_scoring_configs InnoDB

revision d3e4f5a6b7c8
title add display_name to endpoint_bindings
kinds additive
sql ALTER TABLE endpoint_bindings ADD COLUMN display_name VARCHAR(255)
+ column endpoint_bindings.display_name varchar(255) null

revision d0e1f2a3b4c5
title add experiment_id and usage_tracking to endpoints table
kinds additive
sql ALTER TABLE endpoints ADD COLUMN experiment_id INTEGER
+ column endpoints.experiment_id int null
sql ALTER TABLE endpoints ADD COLUMN usage_tracking BOOL NOT NULL DEFAULT '0'
+ column endpoints.usage_tracking tinyint(1) not null default '0'
sql ALTER TABLE endpoints ADD CONSTRAINT fk_endpoints_experiment_id FOREIGN KEY(experiment_id) REFERENCES
    experiments (experiment_id) ON DELETE SET NULL
+ foreign key endpoints (experiment_id) -> experiments (experiment_id) on delete set null named
    fk_endpoints_experiment_id
+ index endpoints (experiment_id) named fk_endpoints_experiment_id

revision c8d9e0f1a2b3
title add span metrics table and dimension attributes column
kinds additive
sql CREATE TABLE span_metrics ( trace_id VARCHAR(50) NOT NULL, span_id VARCHAR(50) NOT NULL, `key` VARCHAR(250) NOT
    NULL, value FLOAT(53), CONSTRAINT span_metrics_pk PRIMARY KEY (trace_id, span_id, `key`), CONSTRAINT
    fk_span_metrics_span FOREIGN KEY(trace_id, span_id) REFERENCES spans (trace_id, span_id) ON DELETE CASCADE )
+ column span_metrics.key varchar(250) not null
+ column span_metrics.span_id varchar(50) not null
+ column span_metrics.trace_id varchar(50) not null
+ column span_metrics.value double null
+ foreign key span_metrics (trace_id, span_id) -> spans (trace_id, span_id) on delete cascade named
    fk_span_metrics_span
+ primary key span_metrics (trace_id, span_id, key)
+ table span_metrics InnoDB
sql CREATE INDEX index_span_metrics_trace_id_span_id ON span_metrics (trace_id, span_id)
+ index span_metrics (trace_id, span_id) named index_span_metrics_trace_id_span_id
sql ALTER TABLE spans ADD COLUMN dimension_attributes JSON
+ column spans.dimension_attributes json null

revision 1b5f0d9ad7c1
title Add workspace columns and catalog table
kinds rebuild data
sql ALTER TABLE experiments DROP INDEX name
- unique experiments (name)
sql ALTER TABLE experiments ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column experiments.workspace varchar(63) not null default 'default'
sql ALTER TABLE experiments ADD CONSTRAINT uq_experiments_workspace_name UNIQUE (workspace, name)
+ unique experiments (workspace, name) named uq_experiments_workspace_name
sql ALTER TABLE model_versions DROP FOREIGN KEY model_versions_ibfk_1
- foreign key model_versions (name) -> registered_models (name) on update cascade
sql ALTER TABLE registered_model_tags DROP FOREIGN KEY registered_model_tags_ibfk_1
- foreign key registered_model_tags (name) -> registered_models (name) on update cascade
sql ALTER TABLE registered_model_aliases DROP FOREIGN KEY registered_model_alias_name_fkey
- foreign key registered_model_aliases (name) -> registered_models (name) on update cascade on delete cascade named
    registered_model_alias_name_fkey
sql ALTER TABLE model_version_tags DROP FOREIGN KEY model_version_tags_ibfk_1
- foreign key model_version_tags (name, version) -> model_versions (name, version) on update cascade
sql ALTER TABLE registered_models DROP INDEX name
- unique registered_models (name)
sql ALTER TABLE registered_models ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column registered_models.workspace varchar(63) not null default 'default'
sql ALTER TABLE registered_models DROP PRIMARY KEY
- primary key registered_models (name)
sql ALTER TABLE registered_models ADD CONSTRAINT registered_model_pk PRIMARY KEY (workspace, name)
+ primary key registered_models (workspace, name)
sql ALTER TABLE model_versions ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column model_versions.workspace varchar(63) not null default 'default'
sql ALTER TABLE model_versions DROP PRIMARY KEY
- primary key model_versions (name, version)
sql ALTER TABLE model_versions ADD CONSTRAINT model_version_pk PRIMARY KEY (workspace, name, version)
+ primary key model_versions (workspace, name, version)
sql ALTER TABLE model_versions ADD CONSTRAINT fk_model_versions_registered_models FOREIGN KEY(workspace, name)
    REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
+ foreign key model_versions (workspace, name) -> registered_models (workspace, name) on update cascade named
    fk_model_versions_registered_models
sql ALTER TABLE registered_model_tags ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column registered_model_tags.workspace varchar(63) not null default 'default'
sql ALTER TABLE registered_model_tags DROP PRIMARY KEY
- primary key registered_model_tags (key, name)
sql ALTER TABLE registered_model_tags ADD CONSTRAINT registered_model_tag_pk PRIMARY KEY (workspace, `key`, name)
+ primary key registered_model_tags (workspace, key, name)
sql ALTER TABLE registered_model_tags ADD CONSTRAINT fk_registered_model_tags_registered_models FOREIGN
    KEY(workspace, name) REFERENCES registered_models (workspace, name) ON UPDATE CASCADE
+ foreign key registered_model_tags (workspace, name) -> registered_models (workspace, name) on update cascade named
    fk_registered_model_tags_registered_models
+ index registered_model_tags (workspace, name) named fk_registered_model_tags_registered_models
sql ALTER TABLE model_version_tags ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column model_version_tags.workspace varchar(63) not null default 'default'
sql ALTER TABLE model_version_tags DROP PRIMARY KEY
- primary key model_version_tags (key, name, version)
sql ALTER TABLE model_version_tags ADD CONSTRAINT model_version_tag_pk PRIMARY KEY (workspace, `key`, name, version)
+ primary key model_version_tags (workspace, key, name, version)
sql ALTER TABLE model_version_tags ADD CONSTRAINT fk_model_version_tags_model_versions FOREIGN KEY(workspace, name,
    version) REFERENCES model_versions (workspace, name, version) ON UPDATE CASCADE
+ foreign key model_version_tags (workspace, name, version) -> model_versions (workspace, name, version) on update
    cascade named fk_model_version_tags_model_versions
+ index model_version_tags (workspace, name, version) named fk_model_version_tags_model_versions
sql ALTER TABLE registered_model_aliases ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column registered_model_aliases.workspace varchar(63) not null default 'default'
sql ALTER TABLE registered_model_aliases DROP PRIMARY KEY
- primary key registered_model_aliases (name, alias)
sql ALTER TABLE registered_model_aliases ADD CONSTRAINT registered_model_alias_pk PRIMARY KEY (workspace, name,
    alias)
+ primary key registered_model_aliases (workspace, name, alias)
sql ALTER TABLE registered_model_aliases ADD CONSTRAINT fk_registered_model_aliases_registered_models FOREIGN
    KEY(workspace, name) REFERENCES registered_models (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE
+ foreign key registered_model_aliases (workspace, name) -> registered_models (workspace, name) on update cascade on
    delete cascade named fk_registered_model_aliases_registered_models
sql ALTER TABLE evaluation_datasets ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column evaluation_datasets.workspace varchar(63) not null default 'default'
sql ALTER TABLE webhooks ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column webhooks.workspace varchar(63) not null default 'default'
sql ALTER TABLE secrets DROP INDEX unique_secret_name
- unique secrets (secret_name) named unique_secret_name
sql ALTER TABLE secrets ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column secrets.workspace varchar(63) not null default 'default'
sql ALTER TABLE secrets ADD CONSTRAINT uq_secrets_workspace_secret_name UNIQUE (workspace, secret_name)
+ unique secrets (workspace, secret_name) named uq_secrets_workspace_secret_name
sql ALTER TABLE endpoints DROP INDEX unique_endpoint_name
- unique endpoints (name) named unique_endpoint_name
sql ALTER TABLE endpoints ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column endpoints.workspace varchar(63) not null default 'default'
sql ALTER TABLE endpoints ADD CONSTRAINT uq_endpoints_workspace_name UNIQUE (workspace, name)
+ unique endpoints (workspace, name) named uq_endpoints_workspace_name
sql ALTER TABLE model_definitions DROP INDEX unique_model_definition_name
- unique model_definitions (name) named unique_model_definition_name
sql ALTER TABLE model_definitions ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column model_definitions.workspace varchar(63) not null default 'default'
sql ALTER TABLE model_definitions ADD CONSTRAINT uq_model_definitions_workspace_name UNIQUE (workspace, name)
+ unique model_definitions (workspace, name) named uq_model_definitions_workspace_name
sql DROP INDEX index_jobs_name_status_creation_time ON jobs
- index jobs (job_name, status, creation_time) named index_jobs_name_status_creation_time
sql ALTER TABLE jobs ADD COLUMN workspace VARCHAR(63) NOT NULL DEFAULT 'default'
+ column jobs.workspace varchar(63) not null default 'default'
sql CREATE INDEX index_jobs_name_status_creation_time ON jobs (job_name, workspace, status, creation_time)
+ index jobs (job_name, workspace, status, creation_time) named index_jobs_name_status_creation_time
sql CREATE INDEX idx_experiments_workspace ON experiments (workspace)
+ index experiments (workspace) named idx_experiments_workspace
sql CREATE INDEX idx_registered_models_workspace ON registered_models (workspace)
+ index registered_models (workspace) named idx_registered_models_workspace
sql CREATE INDEX idx_experiments_workspace_creation_time ON experiments (workspace, creation_time)
+ index experiments (workspace, creation_time) named idx_experiments_workspace_creation_time
sql CREATE INDEX idx_evaluation_datasets_workspace ON evaluation_datasets (workspace)
+ index evaluation_datasets (workspace) named idx_evaluation_datasets_workspace
sql CREATE INDEX idx_webhooks_workspace ON webhooks (workspace)
+ index webhooks (workspace) named idx_webhooks_workspace
sql CREATE INDEX idx_secrets_workspace ON secrets (workspace)
+ index secrets (workspace) named idx_secrets_workspace
sql CREATE INDEX idx_endpoints_workspace ON endpoints (workspace)
+ index endpoints (workspace) named idx_endpoints_workspace
sql CREATE INDEX idx_model_definitions_workspace ON model_definitions (workspace)
+ index model_definitions (workspace) named idx_model_definitions_workspace
sql CREATE TABLE workspaces ( name VARCHAR(63) NOT NULL, description TEXT, default_artifact_root TEXT, CONSTRAINT
    workspaces_pk PRIMARY KEY (name) )
+ column workspaces.default_artifact_root text null
+ column workspaces.description text null
+ column workspaces.name varchar(63) not null
+ primary key workspaces (name)
+ table workspaces InnoDB
data INSERT INTO workspaces (name, description) VALUES ('default', 'Default workspace for legacy resources')

revision e1f2a3b4c5d6
title add budget_policies table
kinds additive
sql CREATE TABLE budget_policies ( budget_policy_id VARCHAR(36) NOT NULL, budget_unit VARCHAR(32) NOT NULL,
    budget_amount FLOAT NOT NULL, duration_unit VARCHAR(32) NOT NULL, duration_value INTEGER NOT NULL, target_scope
    VARCHAR(32) NOT NULL, budget_action VARCHAR(32) NOT NULL, created_by VARCHAR(255), created_at BIGINT NOT NULL,
    last_updated_by VARCHAR(255), last_updated_at BIGINT NOT NULL, workspace VARCHAR(63) NOT NULL DEFAULT 'default',
    CONSTRAINT budget_policies_pk PRIMARY KEY (budget_policy_id) )
+ column budget_policies.budget_action varchar(32) not null
+ column budget_policies.budget_amount float not null
+ column budget_policies.budget_policy_id varchar(36) not null
+ column budget_policies.budget_unit varchar(32) not null
+ column budget_policies.created_at bigint not null
+ column budget_policies.created_by varchar(255) null
+ column budget_policies.duration_unit varchar(32) not null
+ column budget_policies.duration_value int not null
+ column budget_policies.last_updated_at bigint not null
+ column budget_policies.last_updated_by varchar(255) null
+ column budget_policies.target_scope varchar(32) not null
+ column budget_policies.workspace varchar(63) not null default 'default'
+ primary key budget_policies (budget_policy_id)
+ table budget_policies InnoDB
sql CREATE INDEX idx_budget_policies_workspace ON budget_policies (workspace)
+ index budget_policies (workspace) named idx_budget_policies_workspace

revision 76601a5f987d
title add issues table
kinds additive
sql CREATE TABLE issues ( issue_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(250) NOT NULL,
    description TEXT NOT NULL, status VARCHAR(50) NOT NULL, severity VARCHAR(50), root_causes TEXT, source_run_id
    VARCHAR(32), categories TEXT, created_timestamp BIGINT NOT NULL, last_updated_timestamp BIGINT NOT NULL,
    created_by VARCHAR(255), CONSTRAINT issues_pk PRIMARY KEY (issue_id), CONSTRAINT fk_issues_experiment_id FOREIGN
    KEY(experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE, CONSTRAINT fk_issues_source_run_id
    FOREIGN KEY(source_run_id) REFERENCES runs (run_uuid) ON DELETE SET NULL )
+ column issues.categories text null
+ column issues.created_by varchar(255) null
+ column issues.created_timestamp bigint not null
+ column issues.description text not null
+ column issues.experiment_id int not null
+ column issues.issue_id varchar(36) not null
+ column issues.last_updated_timestamp bigint not null
+ column issues.name varchar(250) not null
+ column issues.root_causes text null
+ column issues.severity varchar(50) null
+ column issues.source_run_id varchar(32) null
+ column issues.status varchar(50) not null
+ foreign key issues (experiment_id) -> experiments (experiment_id) on delete cascade named fk_issues_experiment_id
+ foreign key issues (source_run_id) -> runs (run_uuid) on delete set null named fk_issues_source_run_id
+ index issues (experiment_id) named fk_issues_experiment_id
+ index issues (source_run_id) named fk_issues_source_run_id
+ primary key issues (issue_id)
+ table issues InnoDB
sql CREATE INDEX index_issues_experiment_id ON issues (experiment_id)
- index issues (experiment_id) named fk_issues_experiment_id
+ index issues (experiment_id) named index_issues_experiment_id
sql CREATE INDEX index_issues_source_run_id ON issues (source_run_id)
- index issues (source_run_id) named fk_issues_source_run_id
+ index issues (source_run_id) named index_issues_source_run_id
sql CREATE INDEX index_issues_status ON issues (status)
+ index issues (status) named index_issues_status

revision c3d6457b6d8a
title add status_details column to jobs table
kinds additive
sql ALTER TABLE jobs ADD COLUMN status_details JSON
+ column jobs.status_details json null

revision a5b4c3d2e1f0
title add composite index on metrics (run_uuid, key, step)
kinds additive
sql CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, `key`, step)
+ index metrics (run_uuid, key, step) named index_metrics_run_uuid_key_step

revision ae8bbe7743c9
title add guardrails and guardrail_configs tables
kinds additive
sql CREATE TABLE guardrails ( guardrail_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, scorer_id VARCHAR(36)
    NOT NULL, scorer_version INTEGER NOT NULL, stage VARCHAR(32) NOT NULL, action VARCHAR(32) NOT NULL,
    action_endpoint_id VARCHAR(36), created_by VARCHAR(255), created_at BIGINT NOT NULL, last_updated_by
    VARCHAR(255), last_updated_at BIGINT NOT NULL, workspace VARCHAR(63) NOT NULL DEFAULT 'default', CONSTRAINT
    guardrails_pk PRIMARY KEY (guardrail_id), CONSTRAINT fk_guardrails_scorer_version FOREIGN KEY(scorer_id,
    scorer_version) REFERENCES scorer_versions (scorer_id, scorer_version), CONSTRAINT
    fk_guardrails_action_endpoint_id FOREIGN KEY(action_endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE
    SET NULL )
+ column guardrails.action varchar(32) not null
+ column guardrails.action_endpoint_id varchar(36) null
+ column guardrails.created_at bigint not null
+ column guardrails.created_by varchar(255) null
+ column guardrails.guardrail_id varchar(36) not null
+ column guardrails.last_updated_at bigint not null
+ column guardrails.last_updated_by varchar(255) null
+ column guardrails.name varchar(255) not null
+ column guardrails.scorer_id varchar(36) not null
+ column guardrails.scorer_version int not null
+ column guardrails.stage varchar(32) not null
+ column guardrails.workspace varchar(63) not null default 'default'
+ foreign key guardrails (action_endpoint_id) -> endpoints (endpoint_id) on delete set null named
    fk_guardrails_action_endpoint_id
+ foreign key guardrails (scorer_id, scorer_version) -> scorer_versions (scorer_id, scorer_version) named
    fk_guardrails_scorer_version
+ index guardrails (action_endpoint_id) named fk_guardrails_action_endpoint_id
+ index guardrails (scorer_id, scorer_version) named fk_guardrails_scorer_version
+ primary key guardrails (guardrail_id)
+ table guardrails InnoDB
sql CREATE INDEX idx_guardrails_scorer ON guardrails (scorer_id, scorer_version)
- index guardrails (scorer_id, scorer_version) named fk_guardrails_scorer_version
+ index guardrails (scorer_id, scorer_version) named idx_guardrails_scorer
sql CREATE INDEX idx_guardrails_workspace ON guardrails (workspace)
+ index guardrails (workspace) named idx_guardrails_workspace
sql CREATE TABLE guardrail_configs ( endpoint_id VARCHAR(36) NOT NULL, guardrail_id VARCHAR(36) NOT NULL,
    execution_order INTEGER, created_by VARCHAR(255), created_at BIGINT NOT NULL, workspace VARCHAR(63) NOT NULL
    DEFAULT 'default', CONSTRAINT guardrail_configs_pk PRIMARY KEY (endpoint_id, guardrail_id), CONSTRAINT
    fk_guardrail_configs_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES endpoints (endpoint_id) ON DELETE CASCADE,
    CONSTRAINT fk_guardrail_configs_guardrail_id FOREIGN KEY(guardrail_id) REFERENCES guardrails (guardrail_id) ON
    DELETE CASCADE )
+ column guardrail_configs.created_at bigint not null
+ column guardrail_configs.created_by varchar(255) null
+ column guardrail_configs.endpoint_id varchar(36) not null
+ column guardrail_configs.execution_order int null
+ column guardrail_configs.guardrail_id varchar(36) not null
+ column guardrail_configs.workspace varchar(63) not null default 'default'
+ foreign key guardrail_configs (endpoint_id) -> endpoints (endpoint_id) on delete cascade named
    fk_guardrail_configs_endpoint_id
+ foreign key guardrail_configs (guardrail_id) -> guardrails (guardrail_id) on delete cascade named
    fk_guardrail_configs_guardrail_id
+ index guardrail_configs (guardrail_id) named fk_guardrail_configs_guardrail_id
+ primary key guardrail_configs (endpoint_id, guardrail_id)
+ table guardrail_configs InnoDB
sql CREATE INDEX idx_guardrail_configs_endpoint_id ON guardrail_configs (endpoint_id)
+ index guardrail_configs (endpoint_id) named idx_guardrail_configs_endpoint_id
sql CREATE INDEX idx_guardrail_configs_guardrail_id ON guardrail_configs (guardrail_id)
- index guardrail_configs (guardrail_id) named fk_guardrail_configs_guardrail_id
+ index guardrail_configs (guardrail_id) named idx_guardrail_configs_guardrail_id

revision 7d34483879f0
title Add indexes for relationship loading after workspace PK migration
kinds keys
sql CREATE INDEX idx_model_version_tags_workspace_name_version ON model_version_tags (workspace, name, version)
- index model_version_tags (workspace, name, version) named fk_model_version_tags_model_versions
+ index model_version_tags (workspace, name, version) named idx_model_version_tags_workspace_name_version
sql CREATE INDEX idx_registered_model_tags_workspace_name ON registered_model_tags (workspace, name)
- index registered_model_tags (workspace, name) named fk_registered_model_tags_registered_models
+ index registered_model_tags (workspace, name) named idx_registered_model_tags_workspace_name

revision da6fb0208061
title add trace archival workspace columns
kinds additive
sql ALTER TABLE trace_info ADD COLUMN db_payload_generation INTEGER NOT NULL DEFAULT '0'
+ column trace_info.db_payload_generation int not null default '0'
sql ALTER TABLE workspaces ADD COLUMN trace_archival_location TEXT
+ column workspaces.trace_archival_location text null
sql ALTER TABLE workspaces ADD COLUMN trace_archival_retention VARCHAR(32)
+ column workspaces.trace_archival_retention varchar(32) null

revision 89d3d66ed43f
title add label_schemas table
kinds additive
sql CREATE TABLE label_schemas ( schema_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(250)
    NOT NULL, type VARCHAR(16) NOT NULL, instruction TEXT, enable_comment BOOL NOT NULL DEFAULT '0', input_type
    VARCHAR(32) NOT NULL, input_config TEXT NOT NULL, created_by VARCHAR(255), created_time BIGINT NOT NULL,
    last_update_time BIGINT NOT NULL, is_default BOOL NOT NULL DEFAULT false, CONSTRAINT label_schemas_pk PRIMARY
    KEY (schema_id), CONSTRAINT fk_label_schemas_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments
    (experiment_id) ON DELETE CASCADE, CONSTRAINT uq_label_schemas_exp_name UNIQUE (experiment_id, name) )
+ column label_schemas.created_by varchar(255) null
+ column label_schemas.created_time bigint not null
+ column label_schemas.enable_comment tinyint(1) not null default '0'
+ column label_schemas.experiment_id int not null
+ column label_schemas.input_config text not null
+ column label_schemas.input_type varchar(32) not null
+ column label_schemas.instruction text null
+ column label_schemas.is_default tinyint(1) not null default '0'
+ column label_schemas.last_update_time bigint not null
+ column label_schemas.name varchar(250) not null
+ column label_schemas.schema_id varchar(36) not null
+ column label_schemas.type varchar(16) not null
+ foreign key label_schemas (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_label_schemas_experiment_id
+ primary key label_schemas (schema_id)
+ table label_schemas InnoDB
+ unique label_schemas (experiment_id, name) named uq_label_schemas_exp_name
sql CREATE INDEX index_label_schemas_experiment_id ON label_schemas (experiment_id)
+ index label_schemas (experiment_id) named index_label_schemas_experiment_id

revision b7e4c1a90f23
title add review_queue tables
kinds additive
sql CREATE TABLE review_queues ( queue_id VARCHAR(36) NOT NULL, experiment_id INTEGER NOT NULL, name VARCHAR(250)
    NOT NULL, queue_type VARCHAR(16) NOT NULL, created_by VARCHAR(255), creation_time_ms BIGINT NOT NULL,
    last_update_time_ms BIGINT NOT NULL, name_key VARCHAR(250) NOT NULL, CONSTRAINT review_queues_pk PRIMARY KEY
    (queue_id), CONSTRAINT fk_review_queues_experiment_id FOREIGN KEY(experiment_id) REFERENCES experiments
    (experiment_id) ON DELETE CASCADE, CONSTRAINT uq_review_queues_experiment_name_key UNIQUE (experiment_id,
    name_key) )
+ column review_queues.created_by varchar(255) null
+ column review_queues.creation_time_ms bigint not null
+ column review_queues.experiment_id int not null
+ column review_queues.last_update_time_ms bigint not null
+ column review_queues.name varchar(250) not null
+ column review_queues.name_key varchar(250) not null
+ column review_queues.queue_id varchar(36) not null
+ column review_queues.queue_type varchar(16) not null
+ foreign key review_queues (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_review_queues_experiment_id
+ primary key review_queues (queue_id)
+ table review_queues InnoDB
+ unique review_queues (experiment_id, name_key) named uq_review_queues_experiment_name_key
sql CREATE INDEX index_review_queues_experiment_id ON review_queues (experiment_id)
+ index review_queues (experiment_id) named index_review_queues_experiment_id
sql CREATE TABLE review_queue_users ( queue_id VARCHAR(36) NOT NULL, user_id VARCHAR(250) NOT NULL, CONSTRAINT
    review_queue_users_pk PRIMARY KEY (queue_id, user_id), CONSTRAINT fk_review_queue_users_queue_id FOREIGN
    KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE CASCADE )
+ column review_queue_users.queue_id varchar(36) not null
+ column review_queue_users.user_id varchar(250) not null
+ foreign key review_queue_users (queue_id) -> review_queues (queue_id) on delete cascade named
    fk_review_queue_users_queue_id
+ primary key review_queue_users (queue_id, user_id)
+ table review_queue_users InnoDB
sql CREATE INDEX index_review_queue_users_user_id ON review_queue_users (user_id)
+ index review_queue_users (user_id) named index_review_queue_users_user_id
sql CREATE TABLE review_queue_items ( queue_id VARCHAR(36) NOT NULL, item_type VARCHAR(16) NOT NULL, item_id
    VARCHAR(50) NOT NULL, status VARCHAR(16) NOT NULL, completed_by VARCHAR(250), completed_time_ms BIGINT,
    creation_time_ms BIGINT NOT NULL, last_update_time_ms BIGINT NOT NULL, CONSTRAINT review_queue_items_pk PRIMARY
    KEY (queue_id, item_id), CONSTRAINT fk_review_queue_items_queue_id FOREIGN KEY(queue_id) REFERENCES
    review_queues (queue_id) ON DELETE CASCADE )
+ column review_queue_items.completed_by varchar(250) null
+ column review_queue_items.completed_time_ms bigint null
+ column review_queue_items.creation_time_ms bigint not null
+ column review_queue_items.item_id varchar(50) not null
+ column review_queue_items.item_type varchar(16) not null
+ column review_queue_items.last_update_time_ms bigint not null
+ column review_queue_items.queue_id varchar(36) not null
+ column review_queue_items.status varchar(16) not null
+ foreign key review_queue_items (queue_id) -> review_queues (queue_id) on delete cascade named
    fk_review_queue_items_queue_id
+ primary key review_queue_items (queue_id, item_id)
+ table review_queue_items InnoDB
sql CREATE INDEX index_review_queue_items_item_id ON review_queue_items (item_id)
+ index review_queue_items (item_id) named index_review_queue_items_item_id
sql CREATE INDEX index_review_queue_items_queue_id_status ON review_queue_items (queue_id, status)
+ index review_queue_items (queue_id, status) named index_review_queue_items_queue_id_status
sql CREATE TABLE review_queue_label_schemas ( queue_id VARCHAR(36) NOT NULL, schema_id VARCHAR(36) NOT NULL,
    CONSTRAINT review_queue_label_schemas_pk PRIMARY KEY (queue_id, schema_id), CONSTRAINT
    fk_review_queue_label_schemas_queue_id FOREIGN KEY(queue_id) REFERENCES review_queues (queue_id) ON DELETE
    CASCADE )
+ column review_queue_label_schemas.queue_id varchar(36) not null
+ column review_queue_label_schemas.schema_id varchar(36) not null
+ foreign key review_queue_label_schemas (queue_id) -> review_queues (queue_id) on delete cascade named
    fk_review_queue_label_schemas_queue_id
+ primary key review_queue_label_schemas (queue_id, schema_id)
+ table review_queue_label_schemas InnoDB
sql CREATE INDEX index_review_queue_label_schemas_schema_id ON review_queue_label_schemas (schema_id)
+ index review_queue_label_schemas (schema_id) named index_review_queue_label_schemas_schema_id

revision a8b9c0d1e2f3
title add MCP server registry tables
kinds additive
sql CREATE TABLE mcp_servers ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL,
    display_name VARCHAR(256), description TEXT, icons JSON, created_by VARCHAR(256), last_updated_by VARCHAR(256),
    created_at BIGINT NOT NULL, last_updated_at BIGINT NOT NULL, CONSTRAINT mcp_servers_pk PRIMARY KEY (workspace,
    name) )
+ column mcp_servers.created_at bigint not null
+ column mcp_servers.created_by varchar(256) null
+ column mcp_servers.description text null
+ column mcp_servers.display_name varchar(256) null
+ column mcp_servers.icons json null
+ column mcp_servers.last_updated_at bigint not null
+ column mcp_servers.last_updated_by varchar(256) null
+ column mcp_servers.name varchar(256) not null
+ column mcp_servers.workspace varchar(63) not null default 'default'
+ primary key mcp_servers (workspace, name)
+ table mcp_servers InnoDB
sql CREATE TABLE mcp_server_versions ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL,
    version VARCHAR(128) NOT NULL, version_major INTEGER NOT NULL, version_minor INTEGER NOT NULL, version_patch
    INTEGER NOT NULL, version_prerelease_sort_key VARCHAR(512) NOT NULL, server_json JSON NOT NULL, status
    VARCHAR(20) NOT NULL DEFAULT 'draft', tools JSON, source VARCHAR(512), connect_options JSON, created_by
    VARCHAR(256), last_updated_by VARCHAR(256), created_at BIGINT NOT NULL, last_updated_at BIGINT NOT NULL,
    CONSTRAINT mcp_server_versions_pk PRIMARY KEY (workspace, name, version), CONSTRAINT
    mcp_server_versions_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace, name) ON DELETE
    CASCADE ON UPDATE CASCADE )
+ column mcp_server_versions.connect_options json null
+ column mcp_server_versions.created_at bigint not null
+ column mcp_server_versions.created_by varchar(256) null
+ column mcp_server_versions.last_updated_at bigint not null
+ column mcp_server_versions.last_updated_by varchar(256) null
+ column mcp_server_versions.name varchar(256) not null
+ column mcp_server_versions.server_json json not null
+ column mcp_server_versions.source varchar(512) null
+ column mcp_server_versions.status varchar(20) not null default 'draft'
+ column mcp_server_versions.tools json null
+ column mcp_server_versions.version varchar(128) not null
+ column mcp_server_versions.version_major int not null
+ column mcp_server_versions.version_minor int not null
+ column mcp_server_versions.version_patch int not null
+ column mcp_server_versions.version_prerelease_sort_key varchar(512) not null
+ column mcp_server_versions.workspace varchar(63) not null default 'default'
+ foreign key mcp_server_versions (workspace, name) -> mcp_servers (workspace, name) on update cascade on delete
    cascade named mcp_server_versions_server_fkey
+ primary key mcp_server_versions (workspace, name, version)
+ table mcp_server_versions InnoDB
sql CREATE TABLE mcp_server_tags ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL,
    `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), CONSTRAINT mcp_server_tags_pk PRIMARY KEY (workspace, name,
    `key`), CONSTRAINT mcp_server_tags_server_fkey FOREIGN KEY(workspace, name) REFERENCES mcp_servers (workspace,
    name) ON DELETE CASCADE ON UPDATE CASCADE )
+ column mcp_server_tags.key varchar(250) not null
+ column mcp_server_tags.name varchar(256) not null
+ column mcp_server_tags.value varchar(5000) null
+ column mcp_server_tags.workspace varchar(63) not null default 'default'
+ foreign key mcp_server_tags (workspace, name) -> mcp_servers (workspace, name) on update cascade on delete cascade
    named mcp_server_tags_server_fkey
+ primary key mcp_server_tags (workspace, name, key)
+ table mcp_server_tags InnoDB
sql CREATE TABLE mcp_server_version_tags ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT
    NULL, version VARCHAR(128) NOT NULL, `key` VARCHAR(250) NOT NULL, value VARCHAR(5000), CONSTRAINT
    mcp_server_version_tags_pk PRIMARY KEY (workspace, name, version, `key`), CONSTRAINT
    mcp_server_version_tags_version_fkey FOREIGN KEY(workspace, name, version) REFERENCES mcp_server_versions
    (workspace, name, version) ON DELETE CASCADE ON UPDATE CASCADE )
+ column mcp_server_version_tags.key varchar(250) not null
+ column mcp_server_version_tags.name varchar(256) not null
+ column mcp_server_version_tags.value varchar(5000) null
+ column mcp_server_version_tags.version varchar(128) not null
+ column mcp_server_version_tags.workspace varchar(63) not null default 'default'
+ foreign key mcp_server_version_tags (workspace, name, version) -> mcp_server_versions (workspace, name, version)
    on update cascade on delete cascade named mcp_server_version_tags_version_fkey
+ primary key mcp_server_version_tags (workspace, name, version, key)
+ table mcp_server_version_tags InnoDB
sql CREATE TABLE mcp_server_aliases ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', name VARCHAR(256) NOT NULL,
    alias VARCHAR(256) NOT NULL, version VARCHAR(128) NOT NULL, CONSTRAINT mcp_server_aliases_pk PRIMARY KEY
    (workspace, name, alias), CONSTRAINT mcp_server_aliases_server_fkey FOREIGN KEY(workspace, name) REFERENCES
    mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE )
+ column mcp_server_aliases.alias varchar(256) not null
+ column mcp_server_aliases.name varchar(256) not null
+ column mcp_server_aliases.version varchar(128) not null
+ column mcp_server_aliases.workspace varchar(63) not null default 'default'
+ foreign key mcp_server_aliases (workspace, name) -> mcp_servers (workspace, name) on update cascade on delete
    cascade named mcp_server_aliases_server_fkey
+ primary key mcp_server_aliases (workspace, name, alias)
+ table mcp_server_aliases InnoDB
sql CREATE TABLE mcp_access_endpoints ( id VARCHAR(36) NOT NULL, workspace VARCHAR(63) NOT NULL DEFAULT 'default',
    server_name VARCHAR(256) NOT NULL, server_version VARCHAR(128), server_alias VARCHAR(256), url VARCHAR(2048) NOT
    NULL, transport_type VARCHAR(32) NOT NULL DEFAULT 'streamable-http', created_by VARCHAR(256), last_updated_by
    VARCHAR(256), created_at BIGINT NOT NULL, last_updated_at BIGINT NOT NULL, CONSTRAINT mcp_access_endpoints_pk
    PRIMARY KEY (id), CONSTRAINT mcp_access_endpoints_server_fkey FOREIGN KEY(workspace, server_name) REFERENCES
    mcp_servers (workspace, name) ON DELETE CASCADE ON UPDATE CASCADE )
+ column mcp_access_endpoints.created_at bigint not null
+ column mcp_access_endpoints.created_by varchar(256) null
+ column mcp_access_endpoints.id varchar(36) not null
+ column mcp_access_endpoints.last_updated_at bigint not null
+ column mcp_access_endpoints.last_updated_by varchar(256) null
+ column mcp_access_endpoints.server_alias varchar(256) null
+ column mcp_access_endpoints.server_name varchar(256) not null
+ column mcp_access_endpoints.server_version varchar(128) null
+ column mcp_access_endpoints.transport_type varchar(32) not null default 'streamable-http'
+ column mcp_access_endpoints.url varchar(2048) not null
+ column mcp_access_endpoints.workspace varchar(63) not null default 'default'
+ foreign key mcp_access_endpoints (workspace, server_name) -> mcp_servers (workspace, name) on update cascade on
    delete cascade named mcp_access_endpoints_server_fkey
+ index mcp_access_endpoints (workspace, server_name) named mcp_access_endpoints_server_fkey
+ primary key mcp_access_endpoints (id)
+ table mcp_access_endpoints InnoDB
sql CREATE INDEX idx_mcp_server_versions_latest ON mcp_server_versions (workspace, name, status, version_major DESC,
    version_minor DESC, version_patch DESC)
+ index mcp_server_versions (workspace, name, status, version_major desc, version_minor desc, version_patch desc)
    named idx_mcp_server_versions_latest
sql CREATE INDEX ix_mcp_access_endpoints_alias ON mcp_access_endpoints (workspace, server_name, server_alias)
- index mcp_access_endpoints (workspace, server_name) named mcp_access_endpoints_server_fkey
+ index mcp_access_endpoints (workspace, server_name, server_alias) named ix_mcp_access_endpoints_alias
sql CREATE INDEX ix_mcp_access_endpoints_server_name ON mcp_access_endpoints (workspace, server_name)
+ index mcp_access_endpoints (workspace, server_name) named ix_mcp_access_endpoints_server_name
sql CREATE INDEX ix_mcp_access_endpoints_version ON mcp_access_endpoints (workspace, server_name, server_version)
+ index mcp_access_endpoints (workspace, server_name, server_version) named ix_mcp_access_endpoints_version

revision c1d2e3f4a5b6
title add span experiment and start time index
kinds keys
sql DROP INDEX index_spans_experiment_id ON spans
- index spans (experiment_id) named index_spans_experiment_id
sql CREATE INDEX index_spans_experiment_id_start_time ON spans (experiment_id, start_time_unix_nano)
+ index spans (experiment_id, start_time_unix_nano) named index_spans_experiment_id_start_time

revision c3d9e7f1a2b4
title add target_value to budget_policies
kinds additive
sql ALTER TABLE budget_policies ADD COLUMN target_value VARCHAR(255)
+ column budget_policies.target_value varchar(255) null
sql CREATE INDEX idx_budget_policies_target_value ON budget_policies (target_value)
+ index budget_policies (target_value) named idx_budget_policies_target_value

revision 6f8d9c3b2a1e
title Add ON DELETE CASCADE to `trace_info.experiment_id`.
kinds keys
sql ALTER TABLE trace_info DROP FOREIGN KEY fk_trace_info_experiment_id
- foreign key trace_info (experiment_id) -> experiments (experiment_id) named fk_trace_info_experiment_id
sql ALTER TABLE trace_info ADD CONSTRAINT fk_trace_info_experiment_id FOREIGN KEY(experiment_id) REFERENCES
    experiments (experiment_id) ON DELETE CASCADE
+ foreign key trace_info (experiment_id) -> experiments (experiment_id) on delete cascade named
    fk_trace_info_experiment_id

revision 1971f2d9a75b
title add trace archival candidate index
kinds additive
sql CREATE INDEX index_trace_info_timestamp_ms_request_id ON trace_info (timestamp_ms, request_id)
+ index trace_info (timestamp_ms, request_id) named index_trace_info_timestamp_ms_request_id

revision 17e22815139b
title increase experiment tag value limit to 20000
kinds rebuild
sql ALTER TABLE experiment_tags MODIFY value MEDIUMTEXT NULL
- column experiment_tags.value varchar(5000) null
+ column experiment_tags.value mediumtext null

revision b7e2c1a4d9f3
title add creator column to jobs
kinds additive
sql ALTER TABLE jobs ADD COLUMN creator VARCHAR(255)
+ column jobs.creator varchar(255) null

revision 75868b020152
title add sql trace analytics schema
kinds data destructive
computed
sql ALTER TABLE trace_info ADD COLUMN trace_name VARCHAR(4096)
+ column trace_info.trace_name varchar(4096) null
sql ALTER TABLE trace_info ADD COLUMN session_id VARCHAR(250)
+ column trace_info.session_id varchar(250) null
sql ALTER TABLE trace_info ADD COLUMN input_tokens BIGINT
+ column trace_info.input_tokens bigint null
sql ALTER TABLE trace_info ADD COLUMN output_tokens BIGINT
+ column trace_info.output_tokens bigint null
sql ALTER TABLE trace_info ADD COLUMN total_tokens BIGINT
+ column trace_info.total_tokens bigint null
sql ALTER TABLE trace_info ADD COLUMN cache_read_input_tokens BIGINT
+ column trace_info.cache_read_input_tokens bigint null
sql ALTER TABLE trace_info ADD COLUMN cache_creation_input_tokens BIGINT
+ column trace_info.cache_creation_input_tokens bigint null
sql ALTER TABLE trace_info ADD COLUMN cache_creation_input_tokens_above_1hr BIGINT
+ column trace_info.cache_creation_input_tokens_above_1hr bigint null
sql ALTER TABLE trace_info ADD COLUMN input_cost FLOAT(53)
+ column trace_info.input_cost double null
sql ALTER TABLE trace_info ADD COLUMN output_cost FLOAT(53)
+ column trace_info.output_cost double null
sql ALTER TABLE trace_info ADD COLUMN total_cost FLOAT(53)
+ column trace_info.total_cost double null
sql ALTER TABLE assessments ADD COLUMN experiment_id INTEGER
+ column assessments.experiment_id int null
sql ALTER TABLE assessments ADD COLUMN trace_timestamp_ms BIGINT
+ column assessments.trace_timestamp_ms bigint null
sql ALTER TABLE assessments ADD COLUMN aggregate_value FLOAT(53)
+ column assessments.aggregate_value double null
sql ALTER TABLE assessments ADD COLUMN is_numeric_value BOOL DEFAULT false
+ column assessments.is_numeric_value tinyint(1) null default '0'
sql ALTER TABLE spans ADD COLUMN input_cost FLOAT(53)
+ column spans.input_cost double null
sql ALTER TABLE spans ADD COLUMN output_cost FLOAT(53)
+ column spans.output_cost double null
sql ALTER TABLE spans ADD COLUMN total_cost FLOAT(53)
+ column spans.total_cost double null
sql ALTER TABLE spans ADD COLUMN model_name VARCHAR(500)
+ column spans.model_name varchar(500) null
sql ALTER TABLE spans ADD COLUMN model_provider VARCHAR(500)
+ column spans.model_provider varchar(500) null
data UPDATE trace_info SET trace_name=?, session_id=?, input_tokens=?, output_tokens=?, total_tokens=?,
    cache_read_input_tokens=?, cache_creation_input_tokens=?, cache_creation_input_tokens_above_1hr=?, input_cost=?,
    output_cost=?, total_cost=? WHERE trace_info.request_id = ?
data UPDATE spans SET input_cost=?, output_cost=?, total_cost=?, model_name=?, model_provider=? WHERE spans.trace_id
    = ? AND spans.span_id = ?
data UPDATE trace_info SET total_cost=(SELECT sum(spans.total_cost) AS sum_1 FROM spans WHERE spans.trace_id =
    trace_info.request_id) WHERE trace_info.total_cost IS NULL AND (SELECT sum(spans.total_cost) AS sum_1 FROM spans
    WHERE spans.trace_id = trace_info.request_id) IS NOT NULL AND (EXISTS (SELECT 1 FROM trace_request_metadata
    WHERE trace_request_metadata.request_id = trace_info.request_id AND trace_request_metadata.`key` = ?))
data UPDATE assessments SET experiment_id=?, trace_timestamp_ms=?, aggregate_value=?, is_numeric_value=? WHERE
    assessments.assessment_id = ?
sql ALTER TABLE assessments MODIFY is_numeric_value BOOL NOT NULL DEFAULT false
- column assessments.is_numeric_value tinyint(1) null default '0'
+ column assessments.is_numeric_value tinyint(1) not null default '0'
sql CREATE TABLE sql_trace_metric_daily_rollups ( id BIGINT NOT NULL AUTO_INCREMENT, experiment_id INTEGER NOT NULL,
    rollup_day DATE NOT NULL, metric_name VARCHAR(250) NOT NULL, grouping_set VARCHAR(50) NOT NULL, trace_status
    VARCHAR(50), sample_count BIGINT NOT NULL, sum_value FLOAT(53), min_value FLOAT(53), max_value FLOAT(53),
    p50_value FLOAT(53), p90_value FLOAT(53), p99_value FLOAT(53), CONSTRAINT sql_trace_metric_daily_rollups_pk
    PRIMARY KEY (id) )
+ column sql_trace_metric_daily_rollups.experiment_id int not null
+ column sql_trace_metric_daily_rollups.grouping_set varchar(50) not null
+ column sql_trace_metric_daily_rollups.id bigint not null auto_increment
+ column sql_trace_metric_daily_rollups.max_value double null
+ column sql_trace_metric_daily_rollups.metric_name varchar(250) not null
+ column sql_trace_metric_daily_rollups.min_value double null
+ column sql_trace_metric_daily_rollups.p50_value double null
+ column sql_trace_metric_daily_rollups.p90_value double null
+ column sql_trace_metric_daily_rollups.p99_value double null
+ column sql_trace_metric_daily_rollups.rollup_day date not null
+ column sql_trace_metric_daily_rollups.sample_count bigint not null
+ column sql_trace_metric_daily_rollups.sum_value double null
+ column sql_trace_metric_daily_rollups.trace_status varchar(50) null
+ primary key sql_trace_metric_daily_rollups (id)
+ table sql_trace_metric_daily_rollups InnoDB
sql CREATE TABLE sql_span_cost_daily_rollups ( id BIGINT NOT NULL AUTO_INCREMENT, experiment_id INTEGER NOT NULL,
    rollup_day DATE NOT NULL, metric_name VARCHAR(250) NOT NULL, grouping_set VARCHAR(50) NOT NULL, model_name
    VARCHAR(500), model_provider VARCHAR(500), sample_count BIGINT NOT NULL, sum_value FLOAT(53), min_value
    FLOAT(53), max_value FLOAT(53), CONSTRAINT sql_span_cost_daily_rollups_pk PRIMARY KEY (id) )
+ column sql_span_cost_daily_rollups.experiment_id int not null
+ column sql_span_cost_daily_rollups.grouping_set varchar(50) not null
+ column sql_span_cost_daily_rollups.id bigint not null auto_increment
+ column sql_span_cost_daily_rollups.max_value double null
+ column sql_span_cost_daily_rollups.metric_name varchar(250) not null
+ column sql_span_cost_daily_rollups.min_value double null
+ column sql_span_cost_daily_rollups.model_name varchar(500) null
+ column sql_span_cost_daily_rollups.model_provider varchar(500) null
+ column sql_span_cost_daily_rollups.rollup_day date not null
+ column sql_span_cost_daily_rollups.sample_count bigint not null
+ column sql_span_cost_daily_rollups.sum_value double null
+ primary key sql_span_cost_daily_rollups (id)
+ table sql_span_cost_daily_rollups InnoDB
sql CREATE TABLE sql_assessment_daily_rollups ( id BIGINT NOT NULL AUTO_INCREMENT, experiment_id INTEGER NOT NULL,
    rollup_day DATE NOT NULL, metric_name VARCHAR(250) NOT NULL, grouping_set VARCHAR(50) NOT NULL, sample_count
    BIGINT NOT NULL, sum_value FLOAT(53), min_value FLOAT(53), max_value FLOAT(53), CONSTRAINT
    sql_assessment_daily_rollups_pk PRIMARY KEY (id) )
+ column sql_assessment_daily_rollups.experiment_id int not null
+ column sql_assessment_daily_rollups.grouping_set varchar(50) not null
+ column sql_assessment_daily_rollups.id bigint not null auto_increment
+ column sql_assessment_daily_rollups.max_value double null
+ column sql_assessment_daily_rollups.metric_name varchar(250) not null
+ column sql_assessment_daily_rollups.min_value double null
+ column sql_assessment_daily_rollups.rollup_day date not null
+ column sql_assessment_daily_rollups.sample_count bigint not null
+ column sql_assessment_daily_rollups.sum_value double null
+ primary key sql_assessment_daily_rollups (id)
+ table sql_assessment_daily_rollups InnoDB
sql CREATE TABLE sql_trace_rollup_rebuild_queue ( experiment_id INTEGER NOT NULL, rollup_day DATE NOT NULL,
    rollup_family VARCHAR(50) NOT NULL, CONSTRAINT sql_trace_rollup_rebuild_queue_pk PRIMARY KEY (experiment_id,
    rollup_day, rollup_family) )
+ column sql_trace_rollup_rebuild_queue.experiment_id int not null
+ column sql_trace_rollup_rebuild_queue.rollup_day date not null
+ column sql_trace_rollup_rebuild_queue.rollup_family varchar(50) not null
+ primary key sql_trace_rollup_rebuild_queue (experiment_id, rollup_day, rollup_family)
+ table sql_trace_rollup_rebuild_queue InnoDB
data DELETE FROM trace_tags WHERE trace_tags.request_id IN (?) AND trace_tags.`key` IN (?)
data DELETE FROM trace_request_metadata WHERE trace_request_metadata.request_id IN (?) AND
    trace_request_metadata.`key` IN (?)
data DELETE FROM trace_metrics WHERE trace_metrics.request_id IN (?) AND trace_metrics.`key` IN (?)
data DELETE FROM span_metrics WHERE span_metrics.trace_id = ? AND span_metrics.span_id = ? AND span_metrics.`key` IN
    (?)
sql ALTER TABLE spans DROP COLUMN dimension_attributes
- column spans.dimension_attributes json null
sql CREATE INDEX index_trace_info_experiment_id_session_id ON trace_info (experiment_id, session_id)
+ index trace_info (experiment_id, session_id) named index_trace_info_experiment_id_session_id
sql CREATE INDEX idx_trace_rollups_lookup ON sql_trace_metric_daily_rollups (experiment_id, rollup_day, metric_name,
    grouping_set, trace_status)
+ index sql_trace_metric_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, trace_status) named
    idx_trace_rollups_lookup
sql CREATE INDEX idx_span_cost_rollups_lookup ON sql_span_cost_daily_rollups (experiment_id, rollup_day,
    metric_name, grouping_set, model_name(64), model_provider(64))
+ index sql_span_cost_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set, model_name(64),
    model_provider(64)) named idx_span_cost_rollups_lookup
sql CREATE INDEX idx_assessment_rollups_lookup ON sql_assessment_daily_rollups (experiment_id, rollup_day,
    metric_name, grouping_set)
+ index sql_assessment_daily_rollups (experiment_id, rollup_day, metric_name, grouping_set) named
    idx_assessment_rollups_lookup
sql CREATE INDEX idx_spans_cost_exp_time_cover ON spans (experiment_id, start_time_unix_nano)
+ index spans (experiment_id, start_time_unix_nano) named idx_spans_cost_exp_time_cover
sql CREATE INDEX idx_spans_cost_trace_time_cover ON spans (trace_id, start_time_unix_nano)
+ index spans (trace_id, start_time_unix_nano) named idx_spans_cost_trace_time_cover
sql CREATE INDEX idx_assessments_exp_name_valid ON assessments (experiment_id, name, valid)
+ index assessments (experiment_id, name, valid) named idx_assessments_exp_name_valid
sql CREATE INDEX idx_assessments_exp_trace_ts ON assessments (experiment_id, trace_timestamp_ms)
+ index assessments (experiment_id, trace_timestamp_ms) named idx_assessments_exp_trace_ts
sql CREATE INDEX idx_assessments_exp_trace_ts_name ON assessments (experiment_id, trace_timestamp_ms, name)
+ index assessments (experiment_id, trace_timestamp_ms, name) named idx_assessments_exp_trace_ts_name

revision dc11669786a5
title add job executor persistence model
kinds additive data
computed
sql CREATE TABLE scheduler_leases ( lease_key VARCHAR(255) NOT NULL, acquired_at BIGINT NOT NULL, ttl_seconds
    INTEGER NOT NULL, CONSTRAINT scheduler_leases_pk PRIMARY KEY (lease_key) )
+ column scheduler_leases.acquired_at bigint not null
+ column scheduler_leases.lease_key varchar(255) not null
+ column scheduler_leases.ttl_seconds int not null
+ primary key scheduler_leases (lease_key)
+ table scheduler_leases InnoDB
sql CREATE TABLE job_locks ( lock_key VARCHAR(255) NOT NULL, job_id VARCHAR(36) NOT NULL, acquired_at BIGINT NOT
    NULL, CONSTRAINT job_locks_pk PRIMARY KEY (lock_key), CONSTRAINT fk_job_locks_job_id FOREIGN KEY(job_id)
    REFERENCES jobs (id) ON DELETE CASCADE )
+ column job_locks.acquired_at bigint not null
+ column job_locks.job_id varchar(36) not null
+ column job_locks.lock_key varchar(255) not null
+ foreign key job_locks (job_id) -> jobs (id) on delete cascade named fk_job_locks_job_id
+ index job_locks (job_id) named fk_job_locks_job_id
+ primary key job_locks (lock_key)
+ table job_locks InnoDB
sql CREATE INDEX index_job_locks_job_id ON job_locks (job_id)
- index job_locks (job_id) named fk_job_locks_job_id
+ index job_locks (job_id) named index_job_locks_job_id
sql ALTER TABLE jobs ADD COLUMN executor_backend VARCHAR(255)
+ column jobs.executor_backend varchar(255) null
sql ALTER TABLE jobs ADD COLUMN lease_expires_at BIGINT
+ column jobs.lease_expires_at bigint null
sql ALTER TABLE jobs ADD COLUMN status_message TEXT
+ column jobs.status_message text null
sql ALTER TABLE jobs ADD COLUMN progress JSON
+ column jobs.progress json null
sql ALTER TABLE jobs ADD COLUMN progress_updated_at BIGINT
+ column jobs.progress_updated_at bigint null
sql ALTER TABLE jobs ADD COLUMN token_hash VARCHAR(64)
+ column jobs.token_hash varchar(64) null
sql ALTER TABLE jobs ADD COLUMN scoped_permissions JSON
+ column jobs.scoped_permissions json null
sql ALTER TABLE jobs ADD COLUMN next_attempt_at BIGINT
+ column jobs.next_attempt_at bigint null
sql CREATE INDEX index_jobs_status_lease_expires_at ON jobs (status, lease_expires_at)
+ index jobs (status, lease_expires_at) named index_jobs_status_lease_expires_at
data UPDATE jobs SET status=?, last_update_time=? WHERE jobs.status IN (?)

revision e7d1f4b2a9c6
title add skill registry tables
kinds additive
sql CREATE TABLE skills ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', organization VARCHAR(64) NOT NULL
    DEFAULT '', name VARCHAR(128) NOT NULL, description TEXT, icons JSON, search_text TEXT, created_by VARCHAR(256),
    last_updated_by VARCHAR(256), created_at BIGINT NOT NULL, last_updated_at BIGINT NOT NULL, CONSTRAINT skills_pk
    PRIMARY KEY (workspace, organization, name) )
+ column skills.created_at bigint not null
+ column skills.created_by varchar(256) null
+ column skills.description text null
+ column skills.icons json null
+ column skills.last_updated_at bigint not null
+ column skills.last_updated_by varchar(256) null
+ column skills.name varchar(128) not null
+ column skills.organization varchar(64) not null default ''
+ column skills.search_text text null
+ column skills.workspace varchar(63) not null default 'default'
+ primary key skills (workspace, organization, name)
+ table skills InnoDB
sql CREATE TABLE skill_versions ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', organization VARCHAR(64) NOT
    NULL DEFAULT '', name VARCHAR(128) NOT NULL, version INTEGER NOT NULL, source_type VARCHAR(20), source
    VARCHAR(2048), ref VARCHAR(2048), subpath VARCHAR(2048), digest VARCHAR(64), status VARCHAR(20) NOT NULL DEFAULT
    'active', created_by VARCHAR(256), last_updated_by VARCHAR(256), created_at BIGINT NOT NULL, last_updated_at
    BIGINT NOT NULL, CONSTRAINT skill_versions_pk PRIMARY KEY (workspace, organization, name, version), CONSTRAINT
    skill_versions_skill_fkey FOREIGN KEY(workspace, organization, name) REFERENCES skills (workspace, organization,
    name) ON DELETE CASCADE ON UPDATE CASCADE )
+ column skill_versions.created_at bigint not null
+ column skill_versions.created_by varchar(256) null
+ column skill_versions.digest varchar(64) null
+ column skill_versions.last_updated_at bigint not null
+ column skill_versions.last_updated_by varchar(256) null
+ column skill_versions.name varchar(128) not null
+ column skill_versions.organization varchar(64) not null default ''
+ column skill_versions.ref varchar(2048) null
+ column skill_versions.source varchar(2048) null
+ column skill_versions.source_type varchar(20) null
+ column skill_versions.status varchar(20) not null default 'active'
+ column skill_versions.subpath varchar(2048) null
+ column skill_versions.version int not null
+ column skill_versions.workspace varchar(63) not null default 'default'
+ foreign key skill_versions (workspace, organization, name) -> skills (workspace, organization, name) on update
    cascade on delete cascade named skill_versions_skill_fkey
+ primary key skill_versions (workspace, organization, name, version)
+ table skill_versions InnoDB
sql CREATE TABLE skill_tags ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', organization VARCHAR(64) NOT NULL
    DEFAULT '', name VARCHAR(128) NOT NULL, `key` VARCHAR(250) COLLATE utf8mb4_bin NOT NULL, value MEDIUMTEXT,
    CONSTRAINT skill_tags_pk PRIMARY KEY (workspace, organization, name, `key`), CONSTRAINT skill_tags_skill_fkey
    FOREIGN KEY(workspace, organization, name) REFERENCES skills (workspace, organization, name) ON DELETE CASCADE
    ON UPDATE CASCADE )
+ column skill_tags.key varchar(250) not null collate utf8mb4_bin
+ column skill_tags.name varchar(128) not null
+ column skill_tags.organization varchar(64) not null default ''
+ column skill_tags.value mediumtext null
+ column skill_tags.workspace varchar(63) not null default 'default'
+ foreign key skill_tags (workspace, organization, name) -> skills (workspace, organization, name) on update cascade
    on delete cascade named skill_tags_skill_fkey
+ primary key skill_tags (workspace, organization, name, key)
+ table skill_tags InnoDB
sql CREATE TABLE skill_version_tags ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', organization VARCHAR(64) NOT
    NULL DEFAULT '', name VARCHAR(128) NOT NULL, version INTEGER NOT NULL, `key` VARCHAR(250) COLLATE utf8mb4_bin
    NOT NULL, value MEDIUMTEXT, CONSTRAINT skill_version_tags_pk PRIMARY KEY (workspace, organization, name,
    version, `key`), CONSTRAINT skill_version_tags_version_fkey FOREIGN KEY(workspace, organization, name, version)
    REFERENCES skill_versions (workspace, organization, name, version) ON DELETE CASCADE ON UPDATE CASCADE )
+ column skill_version_tags.key varchar(250) not null collate utf8mb4_bin
+ column skill_version_tags.name varchar(128) not null
+ column skill_version_tags.organization varchar(64) not null default ''
+ column skill_version_tags.value mediumtext null
+ column skill_version_tags.version int not null
+ column skill_version_tags.workspace varchar(63) not null default 'default'
+ foreign key skill_version_tags (workspace, organization, name, version) -> skill_versions (workspace,
    organization, name, version) on update cascade on delete cascade named skill_version_tags_version_fkey
+ primary key skill_version_tags (workspace, organization, name, version, key)
+ table skill_version_tags InnoDB
sql CREATE TABLE skill_aliases ( workspace VARCHAR(63) NOT NULL DEFAULT 'default', organization VARCHAR(64) NOT NULL
    DEFAULT '', name VARCHAR(128) NOT NULL, alias VARCHAR(256) NOT NULL, version INTEGER NOT NULL, CONSTRAINT
    skill_aliases_pk PRIMARY KEY (workspace, organization, name, alias), CONSTRAINT skill_aliases_skill_fkey FOREIGN
    KEY(workspace, organization, name) REFERENCES skills (workspace, organization, name) ON DELETE CASCADE ON UPDATE
    CASCADE )
+ column skill_aliases.alias varchar(256) not null
+ column skill_aliases.name varchar(128) not null
+ column skill_aliases.organization varchar(64) not null default ''
+ column skill_aliases.version int not null
+ column skill_aliases.workspace varchar(63) not null default 'default'
+ foreign key skill_aliases (workspace, organization, name) -> skills (workspace, organization, name) on update
    cascade on delete cascade named skill_aliases_skill_fkey
+ primary key skill_aliases (workspace, organization, name, alias)
+ table skill_aliases InnoDB
sql CREATE INDEX ix_skill_versions_digest ON skill_versions (workspace, organization, name, digest)
+ index skill_versions (workspace, organization, name, digest) named ix_skill_versions_digest
sql CREATE INDEX ix_skill_versions_latest_lookup ON skill_versions (workspace, organization, name, status, version)
+ index skill_versions (workspace, organization, name, status, version) named ix_skill_versions_latest_lookup

revision 8b6ad64cb8f5
title Extend SQL Issues with observation, metadata and indexed facets.
kinds additive data
computed
sql ALTER TABLE issues ADD COLUMN last_seen_timestamp BIGINT
+ column issues.last_seen_timestamp bigint null
sql ALTER TABLE issues ADD COLUMN last_updated_by VARCHAR(255)
+ column issues.last_updated_by varchar(255) null
sql ALTER TABLE issues ADD COLUMN metadata LONGTEXT
+ column issues.metadata longtext null
sql CREATE INDEX index_issues_experiment_last_seen ON issues (experiment_id, last_seen_timestamp)
+ index issues (experiment_id, last_seen_timestamp) named index_issues_experiment_last_seen
sql CREATE INDEX index_issues_experiment_updated ON issues (experiment_id, last_updated_timestamp)
+ index issues (experiment_id, last_updated_timestamp) named index_issues_experiment_updated
sql CREATE TABLE issue_categories ( issue_id VARCHAR(36) NOT NULL, category_hash VARCHAR(64) NOT NULL, category TEXT
    NOT NULL, CONSTRAINT issue_categories_pk PRIMARY KEY (issue_id, category_hash), CONSTRAINT
    fk_issue_categories_issue_id FOREIGN KEY(issue_id) REFERENCES issues (issue_id) ON DELETE CASCADE )
+ column issue_categories.category text not null
+ column issue_categories.category_hash varchar(64) not null
+ column issue_categories.issue_id varchar(36) not null
+ foreign key issue_categories (issue_id) -> issues (issue_id) on delete cascade named fk_issue_categories_issue_id
+ primary key issue_categories (issue_id, category_hash)
+ table issue_categories InnoDB
sql CREATE INDEX index_issue_categories_hash ON issue_categories (category_hash)
+ index issue_categories (category_hash) named index_issue_categories_hash
data UPDATE issues SET last_seen_timestamp=issues.created_timestamp
data INSERT INTO issue_categories (issue_id, category_hash, category) VALUES (?, ?, ?)

revision f4a9b2c7d1e6
title make MCP server versions case-sensitive
kinds rebuild
sql ALTER TABLE mcp_server_version_tags DROP FOREIGN KEY mcp_server_version_tags_version_fkey
- foreign key mcp_server_version_tags (workspace, name, version) -> mcp_server_versions (workspace, name, version)
    on update cascade on delete cascade named mcp_server_version_tags_version_fkey
sql DROP INDEX ix_mcp_access_endpoints_version ON mcp_access_endpoints
- index mcp_access_endpoints (workspace, server_name, server_version) named ix_mcp_access_endpoints_version
sql ALTER TABLE mcp_server_version_tags DROP PRIMARY KEY
- primary key mcp_server_version_tags (workspace, name, version, key)
sql ALTER TABLE mcp_server_versions DROP PRIMARY KEY
- primary key mcp_server_versions (workspace, name, version)
sql ALTER TABLE mcp_server_versions MODIFY version VARCHAR(128) COLLATE utf8mb4_bin NOT NULL
- column mcp_server_versions.version varchar(128) not null
+ column mcp_server_versions.version varchar(128) not null collate utf8mb4_bin
sql ALTER TABLE mcp_server_version_tags MODIFY version VARCHAR(128) COLLATE utf8mb4_bin NOT NULL
- column mcp_server_version_tags.version varchar(128) not null
+ column mcp_server_version_tags.version varchar(128) not null collate utf8mb4_bin
sql ALTER TABLE mcp_server_aliases MODIFY version VARCHAR(128) COLLATE utf8mb4_bin NOT NULL
- column mcp_server_aliases.version varchar(128) not null
+ column mcp_server_aliases.version varchar(128) not null collate utf8mb4_bin
sql ALTER TABLE mcp_access_endpoints MODIFY server_version VARCHAR(128) COLLATE utf8mb4_bin NULL
- column mcp_access_endpoints.server_version varchar(128) null
+ column mcp_access_endpoints.server_version varchar(128) null collate utf8mb4_bin
sql ALTER TABLE mcp_server_versions ADD CONSTRAINT mcp_server_versions_pk PRIMARY KEY (workspace, name, version)
+ primary key mcp_server_versions (workspace, name, version)
sql ALTER TABLE mcp_server_version_tags ADD CONSTRAINT mcp_server_version_tags_pk PRIMARY KEY (workspace, name,
    version, `key`)
+ primary key mcp_server_version_tags (workspace, name, version, key)
sql ALTER TABLE mcp_server_version_tags ADD CONSTRAINT mcp_server_version_tags_version_fkey FOREIGN KEY(workspace,
    name, version) REFERENCES mcp_server_versions (workspace, name, version) ON DELETE CASCADE ON UPDATE CASCADE
+ foreign key mcp_server_version_tags (workspace, name, version) -> mcp_server_versions (workspace, name, version)
    on update cascade on delete cascade named mcp_server_version_tags_version_fkey
sql CREATE INDEX ix_mcp_access_endpoints_version ON mcp_access_endpoints (workspace, server_name, server_version)
+ index mcp_access_endpoints (workspace, server_name, server_version) named ix_mcp_access_endpoints_version

release 90e64c465722 1.0.0
release 181f10493468 1.1.0
release 7ac759974ad8 1.1.1.dev0 1.2.0
release 89d4b8295536 1.3.0
release 2b4d017a5e9b 1.4.0
release cfd24bdc0731 1.5.0
release 0a8213491aaa 1.6.0 1.7.0 1.7.1 1.7.2 1.8.0 1.9.0 1.9.1
release 27a6a02d2cf1 1.10.0
release 84291f40a231 1.11.0 1.12.0 1.12.1
release a8c4a736bde6 1.13 1.13.1 1.14.0 1.14.1
release 39d1c3be5f05 1.15.0
release c48cb773bb87 1.16.0 1.17.0 1.18.0 1.19.0 1.20.0 1.20.1 1.20.2 1.21.0 1.22.0 1.23.0 1.23.1 1.24.0
release bd07f7e963c5 1.25.0 1.25.1 1.26.0 1.26.1 1.27.0
release cc1f77228345 1.28.0
release 97727af70f4d 1.29.0 1.30.0 1.30.1 2.0.0rc0 2.0.0 2.0.1 2.1.0 2.1.1 2.2.0 2.2.1 2.2.2
release 3500859a5d39 2.3.0 2.3.1 2.3.2
release 7f2a7d5fae7d 2.4.0 2.4.1 2.4.2 2.5.0 2.6.0 2.7.0 2.7.1
release acf3f17fdcc7 2.8.0 2.8.1 2.9.0 2.9.1 2.9.2 2.10.0 2.10.1 2.10.2 2.11.0 2.11.1 2.11.2 2.11.3 2.11.4 2.11.5
    2.12.0 2.12.1 2.12.2
release 867495a8f9d4 2.13.0
release 5b0e9adcef9c 2.13.1 2.13.2 2.13.3 2.14.0rc0 2.14.0 2.14.1 2.14.2.dev0 2.14.2 2.14.3
release 4465047574b1 2.15.0rc0 2.15.0 2.15.1 2.16.0 2.16.1 2.16.2
release f5a4f2784254 2.17.0rc0 2.17.0 2.17.1 2.17.2
release 0584bdc529eb 2.18.0rc0 2.18.0 2.19.0rc0 2.19.0 2.20.0rc0 2.20.0 2.20.1 2.20.2 2.20.3 2.20.4 2.21.0rc0 2.21.0
    2.21.1 2.21.2 2.21.3 2.22.0rc0 2.22.0 2.22.1 2.22.2 2.22.3 2.22.4 2.22.5
release 6953534de441 3.0.0rc0 3.0.0rc1 3.0.0rc2 3.0.0rc3 3.0.0 3.1.0rc0 3.1.0
release bda7b8c39065 3.0.1 3.1.1 3.1.2 3.1.3 3.1.4
release 770bee3ae1dd 3.2.0rc0 3.2.0
release 1a0cddfcaa16 3.3.0rc0 3.3.0 3.3.1 3.3.2
release 71994744cf8e 3.4.0rc0 3.4.0
release bf29a5ff90ea 3.5.0rc0 3.5.0 3.5.1 3.6.0rc0 3.6.0 3.7.0rc0 3.7.0
release 1bd49d398cd23 3.8.0rc0 3.8.0 3.8.1
release 2c33131f4dae 3.9.0rc0
release d3e4f5a6b7c8 3.9.0
release 1b5f0d9ad7c1 3.10.0rc0 3.10.0 3.10.1
release 76601a5f987d 3.11.0rc0
release c3d6457b6d8a 3.11.0rc1 3.11.0 3.11.1
release 7d34483879f0 3.12.0rc0 3.12.0
release da6fb0208061 3.13.0rc0 3.13.0
release b7e4c1a90f23 3.14.0
release 6f8d9c3b2a1e 3.15.0 3.15.1 3.15.2
release b7e2c1a4d9f3 3.16.0 3.16.1
release dc11669786a5 3.17.0 3.17.1 3.17.2
release f4a9b2c7d1e6 3.18.0
"""
