# Everything runs in .venv; `make` says what there is.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEMO := .venv/.demo
DEMO_PACKAGES := packages/hlmon-core packages/hlmon-sim
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup run test test-parts test-whole test-stories chaos check dist docs site lowest bench picture lock clean

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

setup: $(READY) ## make .venv with hlmon and everything to develop it

define CHECK_PYTHON
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "hlmon needs Python 3.11 or newer; run: make PYTHON=/path/to/python3.12" >&2; exit 1; }
endef

$(READY): constraints.txt pyproject.toml $(wildcard packages/*/pyproject.toml) deploy/pyproject.toml \
		tests/supabase/package-lock.json tests/deploy/package-lock.json
	$(CHECK_PYTHON)
	$(PYTHON) -m venv --clear .venv
	$(PIP) --require-hashes -r constraints.txt
	$(PIP) --no-build-isolation --no-deps $(patsubst %,-e %,$(wildcard packages/*) deploy)
	@if command -v npm >/dev/null; then npm ci --prefix tests/supabase --silent; npm ci --prefix tests/deploy --silent; \
		else echo "npm is not here: the tests will leave out Supabase's own server and the cdk program"; fi
	@touch $(DEMO) $(READY)

$(DEMO): constraints-demo.txt $(patsubst %,%/pyproject.toml,$(DEMO_PACKAGES))
	$(CHECK_PYTHON)
	@if [ -e $(READY) ]; then $(MAKE) --no-print-directory setup; \
	elif command -v uv >/dev/null; then \
		echo "Installing what the demo needs into .venv with uv, this once …"; \
		uv venv --quiet --clear --python $(PYTHON) .venv && \
		uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r constraints-demo.txt && \
		uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps $(addprefix -e ,$(DEMO_PACKAGES)); \
	else \
		echo "Installing what the demo needs into .venv with pip, this once: about half a minute …"; \
		$(PYTHON) -m venv --clear .venv && \
		$(PIP) --require-hashes --no-deps -r constraints-demo.txt && \
		$(PIP) --no-build-isolation --no-deps $(addprefix -e ,$(DEMO_PACKAGES)); \
	fi
	@touch $(DEMO)

run: $(DEMO) ## start the demo: a simulated exchange and the monitor on it (Ctrl-C stops it)
	@$(BIN)/hlmon demo

check: $(READY) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: check ## every check and every test
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target test-parts test-whole test-stories
	@echo "left out, beside what is skipped above: the container image (make test-image), the lowest versions (make lowest)"

# Three at a time: the parts need one processor, the whole and its longest stories mostly wait.
STORIES := $(patsubst %,tests/e2e/test_%.py,ground_truth misbehaving_plugins dexes_that_vanish watchdog stores alert_services)

test-parts:
	$(BIN)/pytest --ignore=tests/e2e --ignore=tests/sim --ignore=tests/image

test-whole:
	$(BIN)/pytest tests/e2e tests/sim $(STORIES:%=--ignore=%)

test-stories:
	$(BIN)/pytest $(STORIES)

chaos: $(READY) ## tell SEEDS=n stories of faults and kills, each two minutes long, and say what the monitor made of them; then as many rounds of new examples for the properties
	$(BIN)/python -m tests.e2e.chaos $(or $(SEEDS),10)
	@for round in $$(seq $(or $(SEEDS),10)); do \
		seed=$$($(BIN)/python -c 'import secrets; print(secrets.randbits(32))'); echo "properties by --hypothesis-seed=$$seed"; \
		$(BIN)/pytest --hypothesis-seed=$$seed -k "properties or model or fuzz or pairs" tests/core || exit 1; \
	done

test-image: $(READY) ## build the container image without Docker and run it; needs root, buildah, debootstrap, podman, runc
	$(BIN)/pytest tests/image

checkov: $(READY) ## install checkov into .cache/, with which the tests then check the template of the deployment as well
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .cache/checkov
	$(BIN)/uv pip install --quiet --python .cache/checkov --require-hashes -r tests/deploy/checkov.txt

dist: $(READY) ## build a wheel and an sdist of every package into dist/, and check them
	rm -rf dist
	$(BIN)/uv build --quiet --all-packages --no-build-isolation --python $(BIN)/python --out-dir dist
	$(BIN)/twine check --strict dist/*

docs: $(READY) ## write the tables of fields and the help of commands into docs/ anew, from the code
	$(BIN)/python docs/reference.py

site: $(READY) ## build the documentation as a site into site/, strictly and without the network
	$(BIN)/zensical build --strict --clean

lowest: $(READY) ## run the fast tests with the lowest versions of everything that the packages say they need
	$(BIN)/python tests/packaging/lowest.py

bench: $(READY) ## measure speed, memory and idle cost; prints ratios and marks a missed aim
	$(BIN)/python -m bench

picture: $(READY) ## draw docs/images/demo.svg anew from a run of the demo
	$(BIN)/python docs/images/demo_picture.py

lock: $(READY) ## choose dependency versions anew and write constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --upgrade --group dev $(patsubst packages/%,--no-emit-package %,$(wildcard packages/*)) --no-emit-package hlmon-deploy \
		--output-file constraints.txt pyproject.toml
	printf '%s\n' $(addprefix ./,$(DEMO_PACKAGES)) hatchling editables | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --no-annotate --constraints constraints.txt \
		$(patsubst packages/%,--no-emit-package %,$(DEMO_PACKAGES)) --output-file constraints-demo.txt -
	echo checkov | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --upgrade --output-file tests/deploy/checkov.txt -

clean: ## remove what the other targets made
	rm -rf .venv dist site .cache tests/*/node_modules deploy/cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis
