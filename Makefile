# Vitrine: set up, run, test, check. Every step leaves a stamp and is repeated only when it must be.

PYTHON ?= python3
PORT ?= 8000
SAMPLE := .cache/sample.ply
SITE := .cache/site
GALLERY := .cache/gallery
BIN := .venv/bin
WORKERS ?= 2

.PHONY: help setup run gallery screenshots test check needs pyodide clean

help:
	@echo "make setup             .venv with the vitrine command, and Pyodide"
	@echo "make run               show the demos on http://127.0.0.1:$(PORT)/"
	@echo "make run SCENE=FILE    show that file"
	@echo "make screenshots       the pictures of docs/gallery.md, in Chromium"
	@echo "make test              install what the tests lack, run them all"
	@echo "make check             lint, types, layers"

setup: .venv/.installed pyodide

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Vitrine needs Python 3.11 or newer; make setup PYTHON=python3.12 names one"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "Python's venv module is missing: apt-get install python3-venv"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

pyodide: .venv/.installed
	@$(BIN)/python -m pybuild.snapshot

ifdef SCENE
run: setup
	$(BIN)/vitrine build "$(SCENE)" -o $(SITE)
	$(BIN)/vitrine serve $(SITE) --port $(PORT)
else
run: gallery
	$(BIN)/vitrine serve $(GALLERY) --port $(PORT)
endif

gallery: setup $(SAMPLE)
	@echo "Building the demos that have changed: the first time takes a minute"
	$(BIN)/python -m pybuild.gallery assets/demos.toml $(GALLERY)

screenshots: gallery .venv/.dev
	$(BIN)/python bench/screenshots.py $(GALLERY)

$(SAMPLE): .venv/.installed $(wildcard assets/*.py assets/sample/*.py)
	@mkdir -p $(@D)
	$(BIN)/python assets/make_sample.py $@

test: setup .venv/.dev node_modules/.installed needs
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.venv/.dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

needs: .venv/.installed
	@.ci/needs $(BIN)/python

check: .venv/.dev node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	node_modules/.bin/tsc --project tsconfig.json
	$(BIN)/python -m pytest -q tests/test_layers.py

node_modules/.installed: package.json
	npm install --no-package-lock --no-audit --no-fund --silent
	@touch $@

clean:
	rm -rf .venv .cache node_modules build *.egg-info
