# Thin wrappers around `invoke`, for those who like make. They need make and a Python 3.11 or newer with venv.
# Works with make 3.81 and any /bin/sh. Paths are relative: the folder's own path may hold blanks.

# Taken as it stands, so that nothing in it is expanded or run; each recipe passes it on from its environment.
override TIER := $(value TIER)
export TIER

INVOKE = .venv/bin/invoke
OF_TIER = $${TIER:+--tier="$$TIER"}

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo reset undo prune prepare seed migrate audit status check shell test clean tier-is-a-word

help:
	@echo 'make demo                 set up, build INT and STG, see PROD refused; twice is fine'
	@echo 'make test                 set up and run the tests, on INT only (ARGS="-k trail -x")'
	@echo 'make setup                make .venv and install everything into it (PYTHON=python3.12)'
	@echo 'make reset TIER=int       build the database anew from migrations and seeds, then swap it in'
	@echo 'make undo TIER=stg        bring back what the last reset replaced'
	@echo 'make prune TIER=stg       drop what was kept, once its retention has ended'
	@echo 'make prepare TIER=int     keep what makes the next reset a rename'
	@echo 'make seed TIER=stg        add the seed rows that are missing; what people changed stays'
	@echo 'make migrate TIER=stg     apply the pending revisions; the rows stay'
	@echo 'make audit TIER=stg       show who did what, and whether it worked'
	@echo 'make status TIER=stg      show a tier at a glance; without TIER= every tier'
	@echo 'make check                validate the settings and connect to every tier'
	@echo 'make shell TIER=stg       open psql on a tier'
	@echo 'make clean                stop the servers, remove .venv and caches; databases and the trail stay'
	@echo
	@echo 'Without TIER= the flag in the environment decides, else INT. make itself fails with exit code 2;'
	@echo 'for the exit codes of a task run it without make: .venv/bin/invoke reset --tier=int'

setup:
	@sh make/setup.sh

demo: setup
	@sh make/demo.sh

reset undo prune prepare seed migrate audit status check shell: tier-is-a-word setup
	@$(INVOKE) $@ $(OF_TIER)

test: setup
	@.venv/bin/python -m pytest -n auto --dist loadfile $(ARGS)

clean:
	@if [ -x $(INVOKE) ]; then $(INVOKE) server stop || true; fi
	rm -rf .venv .nox build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage

tier-is-a-word:
	@case "$$TIER" in *[!A-Za-z0-9_-]*) \
	    echo 'make: TIER holds a character that no tier has. Write it like this: TIER=stg' >&2; exit 2;; esac
