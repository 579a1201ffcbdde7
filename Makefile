# Needs python3 (3.11 or newer) with venv and pip; everything else comes from requirements/ by hash.

PYTHON ?= python3
PHOTOS ?= $(wildcard ../shared/photos)
ARGS ?=

PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
PIP_COMPILE := .venv/bin/pip-compile --quiet --no-config --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	--build-deps-for=editable

.PHONY: serve test check docs recipe-pictures screenshots bench fuzz chaos lock binary chromium jq nginx prometheus runc compiler node clean
.DELETE_ON_ERROR:

## serve: install what the service needs (once) and run it; ARGS="--port 9000" goes to it
serve: .venv/serve.stamp
	@exec .venv/bin/python -m server serve $(ARGS)

# One more than there are cores: some tests wait at any time.
WORKERS ?= $(shell expr $$(nproc) + 1)

## test: every check and every test, files of them side by side; ARGS="-n0 tests/jobs" for some of them;
## one or two that failed are run again, alone, and named
test: .venv/dev.stamp chromium jq nginx prometheus runc compiler node check
	@rm -f .pytest_cache/v/cache/lastfailed
	.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS) \
		|| { [ $$? -eq 1 ] && .venv/bin/python -m tests.again; }

## check: format, lint, types and the rule of imports
check: .venv/dev.stamp
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -q tests/test_imports.py

## docs: the pages that are made from the code: docs/configuration.md, docs/recipe.md
docs: .venv/dev.stamp
	.venv/bin/python -m tests.docs.configuration > docs/configuration.md
	.venv/bin/python -m tests.pool.reference > docs/recipe.md

## recipe-pictures: docs/recipe-pictures anew
recipe-pictures: .venv/dev.stamp
	.venv/bin/python -m tests.docs.recipe_pictures

## screenshots: docs/screenshots anew; SHOWN=a.jpg:b.jpg names photographs to show
screenshots: .venv/dev.stamp chromium
	SAFELIGHT_SCREENSHOTS=1 SAFELIGHT_PHOTOS=$(SHOWN) .venv/bin/python -m pytest -q tests/web

## bench: the service beside bare libvips, in one run; PHOTOS=folder chooses the pictures
bench: .venv/dev.stamp
	.venv/bin/python -m bench throughput $(if $(PHOTOS),--photos $(PHOTOS)) $(ARGS)

## fuzz: ask for the whole contract with generated requests, ten minutes; make test does it for one
fuzz: .venv/dev.stamp
	CONTRACT_EXAMPLES=100 CONTRACT_SECONDS=600 .venv/bin/python -m pytest -q tests/contract $(ARGS)

## chaos: 2,000 uploads under 200 kills, then 10,000 jobs; about ten minutes; docs/robustness.md
chaos: .venv/dev.stamp
	.venv/bin/python -m bench chaos $(ARGS)
	.venv/bin/python -m bench soak

## lock: choose the newest versions that pyproject.toml allows and write them down with their hashes
# PIP_CONFIG_FILE and PIP_FIND_LINKS: what pip is told on this machine must not decide what is locked.
lock: export CUSTOM_COMPILE_COMMAND = make lock
lock: export PIP_CONFIG_FILE = /dev/null
lock: unexport PIP_FIND_LINKS
lock: .venv/dev.stamp
	$(PIP_COMPILE) --upgrade --output-file requirements/serve.txt pyproject.toml
	$(PIP_COMPILE) --upgrade --extra test --extra dev --extra ai --extra otel --constraint requirements/serve.txt \
		--output-file requirements/dev.txt pyproject.toml
	$(PIP_COMPILE) --upgrade --extra postgres --extra ai --extra otel --constraint requirements/dev.txt \
		--output-file requirements/full.txt pyproject.toml

## binary: dist/safelight, one file that needs no Python; docs/deploying.md
binary: .venv/dev.stamp compiler
	.venv/bin/python -m deploy.binary.build dist/safelight

chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium >/dev/null \
		|| echo "Chromium could not be installed: the browser tests will be skipped."; \
	else echo "Chromium is not installed: the browser tests will be skipped."; fi

jq:
	@if command -v jq >/dev/null && command -v curl >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends curl jq >/dev/null \
		|| echo "curl and jq could not be installed: the commands of the docs will not be run."; \
	else echo "curl or jq is not installed: the commands of the docs will not be run."; fi

nginx:
	@if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends nginx >/dev/null \
		|| echo "nginx could not be installed: the tests behind it will be skipped."; \
	else echo "nginx is not installed: the tests behind it will be skipped."; fi

compiler:
	@if command -v cc >/dev/null && [ -n "$$(cc -print-file-name=libz.a | grep /)" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends \
			binutils gcc libc6-dev zlib1g-dev >/dev/null \
		|| echo "A C compiler with zlib could not be installed: there is no single-file program."; \
	else echo "A C compiler with zlib is not installed: there is no single-file program."; fi

prometheus:
	@if command -v prometheus >/dev/null && command -v promtool >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends prometheus >/dev/null \
		|| echo "Prometheus could not be installed: the tests with it will be skipped."; \
	else echo "Prometheus is not installed: the tests with it will be skipped."; fi

runc:
	@if command -v runc >/dev/null && [ -r /usr/share/containers/seccomp.json ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends \
			golang-github-containers-common runc >/dev/null \
		|| echo "runc could not be installed: the service will not be tried in a container."; \
	else echo "runc is not installed: the service will not be tried in a container."; fi

node:
	@if [ tests/js/node_modules/.package-lock.json -nt tests/js/package-lock.json ]; then exit 0; fi; \
	if ! command -v npm >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --yes --no-install-recommends nodejs npm >/dev/null \
		|| echo "Node.js could not be installed."; fi; \
	if ! command -v npm >/dev/null; then \
		echo "npm is not installed: the tests with its packages will be skipped."; \
	else npm ci --silent --prefix tests/js \
		|| echo "npm could not install tests/js: the tests with its packages will be skipped."; fi

clean:
	rm -rf .venv dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis bench/results
	find server pool web bench tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

# A stamp is newer than its lock file once everything in it is installed.
.venv/%.stamp: requirements/%.txt pyproject.toml | .venv/bin/python
	$(PIP) install --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@
