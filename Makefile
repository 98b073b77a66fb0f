# Two commands for a newcomer: `make demo` and `make test`. Both set everything up first, with nothing but Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

CALLS ?= 20000
SEED ?= 1
# A third of the time of the tests is waiting.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 2) * 3 // 2)')

.DEFAULT_GOAL := help
.PHONY: help docs demo test check chaos bench goodput fuzz format strangers browser worker local lowest newest live notebooks clean

help:
	@echo "make demo       a streamed chain, an agent with a tool, and RAG with its source: offline, on a small local model"
	@echo "make test       every test that needs neither an account nor a model"
	@echo "make check      linter, formatter and types"
	@echo "make chaos      20,000 calls through everything that can go wrong; SEED=2 and CALLS=200000 change the run"
	@echo "make bench      what a call costs, beside raw httpx and other packages; writes benchmarks/results"
	@echo "make goodput    how soon calls are answered under a limit, beside other clients; writes benchmarks/results"
	@echo "make strangers  other clients of the service, on the emulator"
	@echo "make browser    the playground in a real browser; needs the system's chromium and chromium-driver"
	@echo "make worker     env.AI on the emulator, with workerd and wrangler, and in Pyodide; needs Node.js and npm"
	@echo "make docs       the documentation as a site, in site/; every warning is an error"
	@echo "make local      the tests that think with a real local model"
	@echo "make lowest     every test on the oldest versions that pyproject.toml declares"
	@echo "make newest     every test on the newest versions, whatever constraints.txt says"
	@echo "make live       the tests that call the service, and cf-llama verify; needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN"
	@echo "make notebooks  run the notebooks and save them with their output"
	@echo "make fuzz       the laws of the readers with thousands of made-up answers each"
	@echo "make format     put the code into shape"
	@echo "make clean      remove what make made"

demo: $(VENV)/ready
	@[ -n "$${CLOUDFLARE_ACCOUNT_ID:-$$CF_ACCOUNT_ID}" ] || $(BIN)/cf-llama model pull \
		|| echo "No local model can be had here: going on with the rule engine."
	@$(BIN)/python examples/demo.py

test: $(VENV)/ready
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/ready
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest tests/cf_llama/test_laws.py tests/cf_llama/test_wire.py tests/cf_llama/test_sse.py

chaos: $(VENV)/ready
	$(BIN)/python -m benchmarks.chaos --calls $(CALLS) --seed $(SEED)

bench: $(VENV)/ready
	@$(PIP) install --quiet --constraint constraints.txt --group bench || echo "others cannot be installed here: ours alone"
	$(BIN)/python -m benchmarks.speed --results benchmarks/results

goodput: $(VENV)/ready
	@$(PIP) install --quiet --constraint constraints.txt --group bench || echo "others cannot be installed here: ours alone"
	$(BIN)/python -m benchmarks.goodput --results benchmarks/results

docs: $(VENV)/ready
	@$(PIP) install --quiet --constraint constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site
	@echo "open site/index.html"

strangers: $(VENV)/ready
	@$(PIP) install --quiet --constraint constraints.txt --group strangers
	$(BIN)/python -m pytest -m strangers tests/strangers \
		-W ignore::ResourceWarning -W ignore::pytest.PytestUnraisableExceptionWarning  # they leave sockets open

browser: $(VENV)/ready
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { echo "Install your system's chromium and its driver, on Debian: apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/python -m pytest -m browser tests/cf_llama_emulator/playground

# Wheels for Pyodide 314, which is Python 3.14; everything else that is Python alone comes from the virtual environment.
WORKER := build/worker
WASM := --only-binary=:all: --python-version 3.14 --implementation cp --abi cp314 --platform pyemscripten_2026_0_wasm32 --platform any
worker: $(VENV)/ready
	@command -v npm >/dev/null || { echo "Install node and npm, on Debian: apt-get install nodejs npm"; exit 1; }
	npm install --silent --no-save --prefix $(WORKER) pyodide@314.0.7
	$(PIP) install --quiet --upgrade --target $(WORKER)/site $(WASM) 'pydantic>=2.13' 'httpx>=0.28'
	$(PIP) install --quiet --upgrade --target $(WORKER)/site $(WASM) --no-deps uuid-utils workers-runtime-sdk
	$(BIN)/python -m pytest -m worker tests/worker tests/cf_llama_emulator/worker

local: $(VENV)/ready
	$(BIN)/cf-llama model pull
	$(BIN)/python -m pytest -m local

# The oldest versions that pyproject.toml declares, with the newest test tools that go with them; pip cannot resolve that.
# The core alone comes first, as the frameworks ask for a newer pydantic.
LOWEST := .venv-lowest/bin/uv pip
TOOLS := 'pytest>=9' pytest-asyncio pytest-benchmark pytest-xdist hypothesis httpx2 hypercorn trustme uvloop
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	$(LOWEST) compile --quiet pyproject.toml --extra emulator --extra limits --resolution lowest-direct --output-file .venv-lowest/core.txt
	$(LOWEST) install --quiet --python .venv-lowest --constraint .venv-lowest/core.txt --editable '.[emulator,limits]' $(TOOLS)
	.venv-lowest/bin/python -m pytest -n auto tests/cf_llama tests/cf_llama_emulator --ignore tests/cf_llama/cli
	$(LOWEST) compile --quiet pyproject.toml --extra langchain --extra llama-index --extra emulator --extra tokens \
		--extra cli --extra limits --resolution lowest-direct --output-file .venv-lowest/all.txt
	grep '^httpx==' .venv-lowest/all.txt > .venv-lowest/override.txt
	$(LOWEST) install --quiet --python .venv-lowest --constraint .venv-lowest/all.txt --override .venv-lowest/override.txt \
		--link-mode copy --editable '.[langchain,llama-index,emulator,tokens,cli,limits]' --group dev
	.venv-lowest/bin/python -m pytest -n auto

newest:
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install --quiet --upgrade pip
	.venv-newest/bin/python -m pip install --quiet --editable '.[langchain,llama-index,emulator,tokens,cli,limits]' --group dev
	.venv-newest/bin/python -m pytest -n auto

live: $(VENV)/ready
	$(BIN)/python -m pytest -m live tests/live
	@[ -z "$${CLOUDFLARE_ACCOUNT_ID:-$$CF_ACCOUNT_ID}" ] || $(BIN)/cf-llama verify --yes

notebooks: $(VENV)/ready
	$(BIN)/cf-llama model pull
	$(BIN)/python notebooks/save.py

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-lowest .venv-newest .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another with PYTHON=...")'
	@echo "[1/3] a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python came without venv: install your system's python3-venv"; exit 1; }
	@$(PIP) install --quiet --upgrade 'pip>=25.1'  # the first that reads dependency groups
	@echo "[2/3] cf-llama, LangChain, LlamaIndex and the tools to test them: some 150 packages, a minute or two"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[langchain,llama-index,emulator,tokens,cli,limits]' --group dev
	@echo "[3/3] llama.cpp, to think with a local model"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[local]' || echo "no llama.cpp for this machine: everything else works, with the rule engine"
	@touch $@
