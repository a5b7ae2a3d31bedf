# The commands of a developer's day. Each line also works by itself; .ci/run reads it from here where there is no make.
VENV ?= .venv

.PHONY: setup test slow lint format docs

setup:
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -e '.[test]'

test:
	$(VENV)/bin/pytest

slow:
	$(VENV)/bin/pytest -m slow -n 3

lint:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy nas_space strategies experiments
	$(VENV)/bin/lint-imports --no-cache

format:
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs:
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
