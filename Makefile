# Two commands for a newcomer: `make demo` and `make test`. Both set everything up first, with nothing but Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

CALLS ?= 20000
SEED ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check chaos bench fuzz format local newest live notebooks clean

help:
	@echo "make demo       a streamed chain, an agent with a tool, and RAG with its source: offline, on a small local model"
	@echo "make test       every test that needs neither an account nor a model"
	@echo "make check      linter, formatter and types"
	@echo "make chaos      20,000 calls through everything that can go wrong; SEED=2 and CALLS=200000 change the run"
	@echo "make bench      what a call costs, beside raw httpx and other packages; writes benchmarks/results"
	@echo "make local      the tests that think with a real local model"
	@echo "make newest     LangChain's tests on its newest core"
	@echo "make live       the tests that call the service; needs CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN"
	@echo "make notebooks  run the notebooks and save them with their output"
	@echo "make fuzz       the laws of the readers with thousands of made-up answers each"
	@echo "make format     put the code into shape"
	@echo "make clean      remove what make made"

demo: $(VENV)/ready
	@[ -n "$${CLOUDFLARE_ACCOUNT_ID:-$$CF_ACCOUNT_ID}" ] || $(BIN)/cf-llama model pull \
		|| echo "No local model can be had here: going on with the rule engine."
	@$(BIN)/python examples/demo.py

test: $(VENV)/ready
	$(BIN)/python -m pytest

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

local: $(VENV)/ready
	$(BIN)/cf-llama model pull
	$(BIN)/python -m pytest -m local

# Cores of LangChain after 1.7.2 ask for a certifi that may not be out yet, and never import it: uv can look past that.
newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet uv
	echo 'certifi>=2020' > .venv-newest/override.txt
	.venv-newest/bin/uv pip install --quiet --python .venv-newest --override .venv-newest/override.txt \
		--editable '.[langchain,emulator,tokens]' 'langchain-core>=1.8.2' 'langchain>=1.5' langchain-tests langgraph \
		httpx2 hypothesis pytest pytest-asyncio
	.venv-newest/bin/python -m pytest tests/langchain_cf_llama

live: $(VENV)/ready
	$(BIN)/python -m pytest -m live tests/live

notebooks: $(VENV)/ready
	$(BIN)/cf-llama model pull
	$(BIN)/python notebooks/save.py

format: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .venv-newest .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another with PYTHON=...")'
	@echo "[1/3] a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python came without venv: install your system's python3-venv"; exit 1; }
	@$(PIP) install --quiet --upgrade 'pip>=25.1'  # the first that reads dependency groups
	@echo "[2/3] cf-llama, LangChain, LlamaIndex and the tools to test them: some 150 packages, a minute or two"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[langchain,llama-index,emulator,tokens,cli]' --group dev
	@echo "[3/3] llama.cpp, to think with a local model"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[local]' || echo "no llama.cpp for this machine: everything else works, with the rule engine"
	@touch $@
