# SPDX-License-Identifier: Apache-2.0
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
INVENTORY ?= inventories/local/hosts.yml
# CHECK=1 predicts, DIFF=1 shows what changes, V=1 shows all of Ansible's output, ARGS takes any other option of
# ansible-playbook.
CHECK ?=
DIFF ?=
V ?=
ARGS ?=
SCENARIO ?=
REPORT ?=
WHOLE ?=
ANSIBLE_CORE ?= 2.18
# What `make test` draws of what takes long comes from the commit, and is printed: SEED=n has it again, or another.
SEED ?= $(or $(shell git rev-parse HEAD 2>/dev/null | cut -c 1-6 | xargs -r -I {} printf '%d' 0x{}),1)

export WHOLE SEED
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export MOLECULE_GLOB := molecule/*/molecule.yml
export PYTHONDONTWRITEBYTECODE := 1

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# Only where sudo wants a password is one asked for.
BECOME := $(shell [ "$$(id -u)" = 0 ] || ! command -v sudo >/dev/null || sudo -n true 2>/dev/null || echo --ask-become-pass)
NO_ROOT := $(shell [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null || echo yes)
OUTPUT = $(if $(filter-out 0,$(V)),default,$(or $(ANSIBLE_STDOUT_CALLBACK),mlflow_ops.backend_store.steps))
# The commands that a run ends with are as they are typed here.
CALLED = MLFLOW_OPS_MAKE='make$(if $(filter-out $(realpath $(PWD)),$(CURDIR)), -C $(CURDIR))' \
  MLFLOW_OPS_DEFAULT_INVENTORY='$(CURDIR)/inventories/local/hosts.yml' MLFLOW_OPS_ASKS=$(BECOME)
PLAY = $(CALLED) \
  ANSIBLE_STDOUT_CALLBACK=$(OUTPUT) ansible-playbook -i '$(subst ','\'',$(INVENTORY))' $(BECOME) $(if $(CHECK),--check) $(if $(DIFF),--diff) $(ARGS)
# Before anything is installed for it.
PLAYS := deploy deploy-group uri check rehearse upgrade convert audit rotate backup restore drill remove
ifneq ($(and $(NO_ROOT),$(filter $(PLAYS),$(MAKECMDGOALS)),$(filter inventories/local/hosts.yml,$(INVENTORY))),)
$(error this needs root on this machine, and there is no sudo: run it as root, or install sudo)
endif
# What the ansible-core of requirements.txt needs.
OLDEST := 3.11
, := ,
LINK := .cache/collections/ansible_collections/mlflow_ops/backend_store
BASE_IMAGE := .cache/mysql-base-image.tar
SUPPORTED := .cache/ansible-core-$(ANSIBLE_CORE)
PYTEST = PYTHONPATH=$(CURDIR)/.cache/collections python -m pytest -q -p no:cacheprovider --rootdir .

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: deploy
deploy: .venv/run ## Deploy the store on INVENTORY (CHECK=1 predicts, DIFF=1 shows changes, V=1 shows all output)
	@$(PLAY) playbooks/deploy.yml

.PHONY: deploy-group
deploy-group: .venv/run ## Deploy one store on several hosts of INVENTORY (docs/group.md)
	@$(PLAY) playbooks/deploy_group.yml

.PHONY: uri
uri: override OUTPUT = mlflow_ops.backend_store.steps
uri: .venv/run ## Print the URI of the store, with its password
	@out=$$($(PLAY) playbooks/uri.yml) || { echo "$$out" >&2; exit 1; }; \
	sed -nE 's/^ *(note *)?(\[[^]]*\] *)?(mysql[a-z+]*:.*)$$/\3/p' <<<"$$out"

.PHONY: check
check: .venv/run ## Report the state of the schema, and change nothing (REPORT=FILE writes a page)
	@$(PLAY) $(if $(REPORT),-e 'mlflow_schema_report="$(REPORT)"') playbooks/check.yml

.PHONY: rehearse
rehearse: .venv/run ## Upgrade the newest backup in a scratch server: whether it works, and how long it takes
	@$(PLAY) playbooks/rehearse_upgrade.yml

.PHONY: upgrade
upgrade: .venv/run ## Upgrade the schema to the target MLflow; roll back on failure
	@$(PLAY) playbooks/upgrade_schema.yml

.PHONY: convert
convert: .venv/run ## Give all tables one character set and collation; roll back on failure (CHECK=1 shows the statements)
	@$(PLAY) playbooks/convert_schema.yml

.PHONY: audit
audit: .venv/run ## Audit the security of the store, and change nothing (REPORT=FILE writes JSON)
	@$(PLAY) $(if $(REPORT),-e 'mlflow_mysql_audit_report="$(REPORT)"') playbooks/audit.yml

.PHONY: rotate
rotate: .venv/run ## Give the accounts new passwords, without an outage
	@$(PLAY) playbooks/rotate_passwords.yml

.PHONY: backup
backup: .venv/run ## Make a full backup now
	@$(PLAY) playbooks/backup.yml

.PHONY: restore
restore: .venv/run ## Restore the store from its backups (ARGS='-e to=2026-11-23T18:00:00Z' up to a time)
	@$(PLAY) playbooks/restore.yml

.PHONY: drill
drill: .venv/run ## Restore the newest backup into a scratch server to prove it
	@$(PLAY) playbooks/restore_drill.yml

.PHONY: remove
remove: .venv/run ## Remove the store; data and passwords stay (ARGS='-e mlflow_mysql_purge_data=true' deletes them)
	@$(PLAY) playbooks/remove.yml

.PHONY: test
test: ## Run every check, and a sample of the long suites
	$(MAKE) -j 2 --output-sync=target lint units hosts
	$(MAKE) integration test-samples scenarios

# Samples of the exhaustive harnesses, two side by side.
.PHONY: test-samples
test-samples: .venv/dev .cache/test-packages $(BASE_IMAGE) ## A sample of the long suites, drawn by SEED
	$(MAKE) -j 2 --output-sync=target test-catalogue sample-host-kills sample-backup-kills

# The committed catalogue is what MLflow's migrations do, and a sample of the interruptions.
.PHONY: test-catalogue
test-catalogue: .venv/dev $(BASE_IMAGE) ## The catalogue against MLflow, and a sample of the interruptions
	python tools/build_catalogue.py --check
	python tests/harness/interruptions.py --sample 1 --draw 12 --seed $(SEED)
	python tests/harness/interruptions.py --prepare --draw 4 --seed $(SEED)

.PHONY: lint
lint: .venv/dev .cache/test-packages ## Formats, lint, types, documentation, sanity
	ruff check . && ruff format --check .
	mypy
	shellcheck $$(git ls-files -co --exclude-standard '*.sh' .ci/run molecule/shared/image)
	yamllint --strict .
	ansible-lint --offline
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
	$(MAKE) tarball
	tools/sanity.sh

# Its exit status tells only whether the importer itself ran. ansible-lint has looked at the same files.
.PHONY: tarball
tarball: .venv/dev ## Build the collection, and check it with galaxy-importer as Galaxy does
	rm -rf .cache/dist && ansible-galaxy collection build --output-path .cache/dist
	cd .cache/dist && GALAXY_IMPORTER_RUN_ANSIBLE_LINT=false python -m galaxy_importer.main *.tar.gz >import.log 2>&1 || \
	  { cat import.log; exit 1; }
	@! grep -E '^(ERROR|CRITICAL|WARNING)' .cache/dist/import.log

.PHONY: units
units: .venv/dev .cache/test-packages ## Unit tests
	cd $(LINK) && $(PYTEST) -n 2 tests/unit

# On another ansible-core than that of requirements.txt, with the collections that its package `ansible` carries.
.PHONY: supported
supported: $(SUPPORTED)/installed ## Unit tests and the playbooks' syntax on another ansible-core (ANSIBLE_CORE=2.18)
	PATH=$(CURDIR)/$(SUPPORTED)/bin:$$PATH ansible-playbook --syntax-check -i inventories/example/hosts.yml playbooks/*.yml
	cd $(LINK) && ANSIBLE_CORE=$(ANSIBLE_CORE) PATH=$(CURDIR)/$(SUPPORTED)/bin:$$PATH $(PYTEST) -n 2 tests/unit

# Two files side by side, each worker with a server of its own. A group's servers take one that is starved for five
# seconds for lost.
.PHONY: integration
integration: .venv/dev .cache/test-packages $(BASE_IMAGE) ## Modules and image against the real MySQL (WHOLE=1: with every manual change of a schema)
	cd $(LINK) && $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/integration/test_group.py tests/integration
	cd $(LINK) && $(PYTEST) tests/integration/test_group.py

# The images of the scenarios' hosts.
.PHONY: hosts
hosts: .venv/dev .cache/test-packages $(BASE_IMAGE)
	for image in debian12 debian13; do molecule/shared/image/build.sh $$image-ready; done

.PHONY: molecule
molecule: hosts ## Molecule scenarios, two side by side, or only SCENARIO (WHOLE=1: with the parts that make test leaves out)
	tools/molecule.sh $(SCENARIO)

# A sample of molecule.
.PHONY: scenarios
scenarios: hosts
	tools/molecule.sh --sample

.PHONY: test-interruptions
test-interruptions: .venv/dev $(BASE_IMAGE) ## Interrupt every migration after every statement, repair, upgrade; and what is done ahead
	python tests/harness/interruptions.py $(if $(SAMPLE),--sample $(SAMPLE))
	python tests/harness/interruptions.py --prepare

.PHONY: test-upgrades
test-upgrades: .venv/dev .cache/test-packages $(BASE_IMAGE) ## Kill an upgrade of the schema at 50 random moments under eight clients, and run it again (ROUNDS=n)
	$(SUDO) env PATH="$$PATH" ANSIBLE_CONFIG=$(ANSIBLE_CONFIG) ANSIBLE_COLLECTIONS_PATH=$(ANSIBLE_COLLECTIONS_PATH) .venv/bin/python tests/harness/upgrade_kills.py $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: test-releases
test-releases: .venv/dev $(BASE_IMAGE) ## Make a store with every release of MLflow, check it, upgrade it (RELEASES="1.30.1 3.5.1")
	python tests/harness/releases.py $(RELEASES)

# A sample of test-kills, at any moment.
.PHONY: sample-host-kills
sample-host-kills: .venv/dev $(BASE_IMAGE)
	python tests/harness/host_kills.py --kills 1 --span 60 --seed $(SEED)

.PHONY: test-kills
test-kills: .venv/dev $(BASE_IMAGE) ## Kill a host at ten random moments of the deploy, and deploy again (KILLS=n)
	python tests/harness/host_kills.py $(if $(KILLS),--kills $(KILLS))

# A sample of test-backups.
.PHONY: sample-backup-kills
sample-backup-kills: .venv/dev .cache/test-packages $(BASE_IMAGE)
	$(SUDO) .venv/bin/python tests/harness/backup_kills.py --rounds 2 --seed $(SEED)

.PHONY: test-backups
test-backups: .venv/dev .cache/test-packages $(BASE_IMAGE) ## Kill the store and its backups 100 times under eight writers, destroy it, restore it (ROUNDS=n)
	$(SUDO) .venv/bin/python tests/harness/backup_kills.py $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: test-rotations
test-rotations: hosts ## Rotate every password 20 times in a row under eight logging clients
	ROTATIONS=20 tools/molecule.sh rotation

.PHONY: test-group
test-group: hosts ## Everything that can happen to a group: failed upgrades, lost members, full disks, restores, rotations
	GROUP=whole tools/molecule.sh group

.PHONY: catalogue
catalogue: .venv/dev $(BASE_IMAGE) ## Regenerate the catalogue of MLflow's schema from every release
	python tools/build_catalogue.py

.PHONY: bench
bench: .venv/bench .cache/test-packages $(BASE_IMAGE) ## The real MLflow on SQLite, PostgreSQL, plain MySQL and this store, as ratios, with plots (SIZES="100 10000", ROUNDS=n, ONLY=regex)
	$(SUDO) env PATH="$$PATH" ANSIBLE_CONFIG=$(ANSIBLE_CONFIG) ANSIBLE_COLLECTIONS_PATH=$(ANSIBLE_COLLECTIONS_PATH) .venv/bin/python bench/bench_mlflow.py $(if $(SIZES),--sizes $(SIZES)) \
	  $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only '$(ONLY)') $(if $(DATABASES),--databases $(DATABASES))

.PHONY: bench-settings
bench-settings: .venv/bench .cache/test-packages $(BASE_IMAGE) ## The effect of each server setting on MLflow, as ratios (RUNS=n, ONLY=regex)
	$(SUDO) env PATH="$$PATH" ANSIBLE_CONFIG=$(ANSIBLE_CONFIG) ANSIBLE_COLLECTIONS_PATH=$(ANSIBLE_COLLECTIONS_PATH) .venv/bin/python bench/bench_settings.py $(if $(RUNS),--runs $(RUNS)) $(if $(ONLY),--only '$(ONLY)')

.PHONY: bench-schema
bench-schema: .venv/dev $(BASE_IMAGE) ## Time of a schema check against MLflow's and Alembic's, as ratios
	python bench/bench_schema.py

.PHONY: bench-deploy
bench-deploy: .venv/dev $(BASE_IMAGE) ## Time of the role against bare docker commands, as ratios
	python bench/bench_deploy.py

.PHONY: bench-fleet
bench-fleet: .venv/dev $(BASE_IMAGE) ## Time of the deploy of 1, 2, 4 and 8 hosts, tasks and round trips, with a plot
	python bench/bench_fleet.py $(if $(HOSTS),--hosts $(HOSTS))

.PHONY: bench-upgrade
bench-upgrade: .venv/dev .cache/test-packages $(BASE_IMAGE) ## How long an upgrade of the schema keeps writers out, against mlflow db upgrade, as ratios (FROM="2.9.2,3.8.1" ROUNDS=n RUNS=100000 TRACES=1000000 IDLE=1)
	$(SUDO) env PATH="$$PATH" ANSIBLE_CONFIG=$(ANSIBLE_CONFIG) ANSIBLE_COLLECTIONS_PATH=$(ANSIBLE_COLLECTIONS_PATH) .venv/bin/python bench/bench_upgrade.py $(if $(FROM),--from $(FROM)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RUNS),--runs $(RUNS)) $(if $(TRACES),--traces $(TRACES)) $(if $(IDLE),--idle)

.PHONY: bench-backup
bench-backup: .venv/dev .cache/test-packages $(BASE_IMAGE) ## Backup and restore against mysqldump, and writer throughput meanwhile, as ratios (ROWS="1000000 10000000")
	$(SUDO) .venv/bin/python bench/bench_backup.py $(if $(ROWS),--rows $(ROWS))

.PHONY: bench-failover
bench-failover: hosts ## A group's time without writes when its primary is killed, and lost writes (KILLS=n)
	env -u ANSIBLE_CONFIG molecule converge -s group
	python bench/bench_failover.py $(if $(KILLS),--kills $(KILLS))
	env -u ANSIBLE_CONFIG molecule destroy -s group

.PHONY: bench-indexes
bench-indexes: .venv/dev $(BASE_IMAGE) ## Benefit and cost of the indexes that MLflow lacks, as ratios
	python bench/bench_indexes.py

.PHONY: bench-hardening
bench-hardening: .venv/dev $(BASE_IMAGE) ## Cost of TLS and the hardened container for MLflow's logging, as ratios
	python bench/bench_hardening.py

.PHONY: generated
generated: .venv/dev ## Regenerate db-backend-store, the pages of the roles, and the tables of README.md and docs/
	ansible-playbook tools/render_db_backend_store.yml
	python tools/readme_tables.py

# The virtual environment. Debian keeps venv in a package of its own.
define make_venv
	@for python in $(PYTHON) $(wildcard .venv/bin/python); do \
	  "$$python" -c 'import sys; sys.exit(sys.version_info < ($(subst .,$(,) ,$(OLDEST))))' 2>/dev/null || { \
	    found=$$("$$python" -V 2>&1) || found="not there"; \
	    echo "make: Python $(OLDEST) or newer is needed, and $$python is $$found." \
	      "Name another (make PYTHON=python3.12 ...), and remove .venv if it was made with an older one." >&2; exit 1; }; \
	done
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  [ -z '$(NO_ROOT)' ] && command -v apt-get >/dev/null || { \
	    echo 'make: $(PYTHON) cannot make virtual environments: install python3-venv, as root.' >&2; exit 1; }; \
	  $(SUDO) apt-get update && $(SUDO) apt-get install -y python3-venv; } >&2
	@[ -x .venv/bin/python ] || $(PYTHON) -m venv .venv
	@echo 'Installing $(1) into .venv, which may take minutes' >&2
	@tools/alive.sh 'pip installs $(1)' .venv/bin/pip install --quiet --disable-pip-version-check -r $(1) >&2
endef

.venv/run: requirements.txt
	$(call make_venv,requirements.txt)
	@mkdir -p $(dir $(LINK)) && ln -sfn ../../../.. $(LINK)
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	$(call make_venv,requirements-dev.txt)
	@touch $@

# One of the drivers is compiled.
.venv/bench: requirements-bench.txt .venv/dev
	@pkg-config --exists mariadb || { $(SUDO) apt-get update && $(SUDO) apt-get install -y --no-install-recommends \
	  build-essential pkg-config python3-dev default-libmysqlclient-dev; } >&2
	$(call make_venv,requirements-bench.txt)
	@touch $@

# The section of requirements-dev.txt that tests need, and no linter, which may want a newer ansible-core.
$(SUPPORTED)/installed: requirements-dev.txt
	$(PYTHON) -m venv $(SUPPORTED)
	sed -n '/^# Tests/,$$p' $< >$(SUPPORTED)/requirements.txt
	tools/alive.sh 'pip installs ansible-core $(ANSIBLE_CORE)' $(SUPPORTED)/bin/pip install --quiet --disable-pip-version-check \
	  'ansible-core~=$(ANSIBLE_CORE).0' ansible -r $(SUPPORTED)/requirements.txt
	@mkdir -p $(dir $(LINK)) && ln -sfn ../../../.. $(LINK)
	@touch $@

# The tests' own machine: Docker Engine, the base image, and the packages that tests and test hosts are made with.
.cache/test-packages: tests/harness/bench.yml .venv/run
	ansible-playbook $(BECOME) tests/harness/bench.yml --tags packages
	@touch $@

# After a restart of the machine the same playbook starts the engine again. Packages are installed by one at a time.
.PHONY: no-engine
$(BASE_IMAGE): tests/harness/bench.yml $(wildcard roles/mysql_base_image/files/debian/*) .venv/run $(shell pgrep -x dockerd >/dev/null || echo no-engine) \
  | .venv/dev .cache/test-packages
	ansible-playbook $(BECOME) tests/harness/bench.yml -e base_image_archive=$(CURDIR)/$@
