# make setup | train | test | check | bench | bench-setup | docs        each sets up what it needs
#   ARGS=...          further words for robolearn or pytest:     make train ARGS="env=reach seed=3"
#   PYTHON=...        the interpreter of a new .venv             (python3.11, else python3)
#   TORCH_INDEX=...   an index to take torch from, such as PyTorch's CPU-only one; by default pip's own
PYTHON ?= $(shell command -v python3.11 || echo python3)
TORCH_INDEX ?=
ARGS ?=
BENCH ?= env backdrop formats replay sac tasks learn
BIN := .venv/bin
PINS := constraints.txt
ADAPTERS := tools/adapters.txt
PEER_PINS := robolearn/bench/peers/requirements.txt
STAMP := .venv/.ready
PEER_STAMP := .venv-peers/.ready

.PHONY: setup train test check bench bench-setup docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml $(PINS) $(ADAPTERS) tools/setup_machine.sh
	bash tools/setup_machine.sh $(PYTHON)
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -q -c $(PINS) setuptools
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install -q --no-deps --index-url $(TORCH_INDEX) $(shell grep '^torch==' $(PINS)))
	$(BIN)/python -m pip install -q --no-build-isolation -c $(PINS) -e '.[all]'
	$(BIN)/python -m pip install -q --no-deps -r $(ADAPTERS)
	@touch $@

train: $(STAMP)
	$(BIN)/robolearn train $(ARGS)

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not gpu and not robot" $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/vulture
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow" tests/test_architecture.py tests/test_packaging.py tests/test_style.py tests/test_readme.py
	OMP_NUM_THREADS=1 $(BIN)/pytest --doctest-modules --pyargs robolearn

bench: $(STAMP)
	for what in $(BENCH); do $(BIN)/robolearn bench $$what $(ARGS) || exit; done

docs: $(STAMP)
	$(BIN)/python tools/tasks_page.py

bench-setup: $(PEER_STAMP)

$(PEER_STAMP): $(PEER_PINS) pyproject.toml tools/setup_machine.sh
	bash tools/setup_machine.sh $(PYTHON)
	.venv-peers/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv-peers
	$(if $(TORCH_INDEX),.venv-peers/bin/python -m pip install -q --no-deps --index-url $(TORCH_INDEX) $(shell grep '^torch==' $(PEER_PINS)))
	.venv-peers/bin/python -m pip install -q --no-deps -r $(PEER_PINS)
	.venv-peers/bin/python -m pip install -q --no-build-isolation --no-deps -e .
	@touch $@

clean:
	rm -rf .venv .venv-peers build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
