# Everything that a fresh machine needs: `make video PROMPT="..."`, `make studio` and `make test`.
# Paths are relative and quoted throughout, so that a clone may lie in any folder, spaces included.

PYTHON ?=#       the Python to build on; empty: the first one found that is new enough
TORCH_INDEX ?=#  an index of packages to take torch from, for another build than pip finds by itself
ARGS ?=#         more options for `himmel generate` (or serve), for example ARGS="--seed 7 --seconds 2"
export PYTHON TORCH_INDEX
# The words exactly as they were given: $ and quotes mean nothing in a prompt.
export PROMPT_WORDS := $(value PROMPT)

VENV := .venv
RUN := $(VENV)/bin/python
NEEDED_GB := 3
NODE_PACKAGES := openai@7.57.0 axe-core@4.14.1

# A folder that was moved, or whose Python is gone, is installed again.
USABLE := $(shell "$(RUN)" -c "" 2>/dev/null && test "$$(cat $(VENV)/folder 2>/dev/null)" = "$$PWD" && echo yes)
AGAIN := $(if $(USABLE),,again)

.PHONY: help video prompt-given studio test screenshots clean again

help:
	@echo 'make video PROMPT="a penguin jumping in the snow"   makes a clip in the folder clips'
	@echo '     ARGS="--seed 7 --seconds 2"                    more options, see himmel generate --help'
	@echo 'make studio   opens the studio in a browser: prints the link to it (more options: himmel serve --help)'
	@echo 'make test     runs every check: lint, format, types, imports, tests'
	@echo 'make screenshots  pictures of every page of the studio, in the folder screenshots'
	@echo 'make clean    removes the virtual environment and all caches'
	@echo 'PYTHON=...    the Python to use (3.11 or newer)'
	@echo 'TORCH_INDEX=...  where to take torch from, see README'

video: prompt-given $(VENV)/installed
	@mkdir -p clips
	@"$(RUN)" -m himmel generate -o clips $(ARGS) -- "$$PROMPT_WORDS"

prompt-given:
	@test -n "$$PROMPT_WORDS" || { echo 'Say what the clip shall show: make video PROMPT="a cat on the beach"'; exit 2; }

studio: $(VENV)/installed
	@"$(RUN)" -m himmel serve $(ARGS)

test: $(VENV)/installed-test
	"$(RUN)" -m ruff check
	"$(RUN)" -m ruff format --check
	"$(RUN)" -m mypy
	"$(VENV)/bin/lint-imports"
	"$(RUN)" -m pytest

# Pictures of every page of the studio, for whoever changes it: look at them.
screenshots: $(VENV)/installed-test
	"$(RUN)" benchmarks/screenshots.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml $(AGAIN)
	@$(make_venv)
	@$(call install,.)
	@pwd > $(VENV)/folder
	@touch $@

$(VENV)/installed-test: pyproject.toml $(VENV)/installed
	@$(call install,.[test])
	@$(install_node_packages)
	@touch $@

# The Videos API is tried with the client for JavaScript too, and pages by axe, where there is a node with npm.
define install_node_packages
set -e; \
if command -v node >/dev/null && command -v npm >/dev/null; then \
  npm install --prefix $(VENV)/node --no-save --silent --no-fund --no-audit $(NODE_PACKAGES) \
    || echo "npm could not install $(NODE_PACKAGES): their tests will be skipped."; \
else echo "There is no node with npm here: the tests of JavaScript and of access will be skipped."; fi
endef

# The oldest Python that will do is asked of each candidate itself: its name promises nothing.
define make_venv
set -e; \
if "$(RUN)" -c "" 2>/dev/null; then exit 0; fi; \
free=$$(df -Pk . | awk 'NR == 2 { print int($$4 / 1048576) }'); \
if [ "$$free" -lt $(NEEDED_GB) ]; then \
  echo "Too little disk: Himmel needs $(NEEDED_GB) GB here, $$free GB are free."; exit 1; \
fi; \
if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; \
else set -- python3 python3.14 python3.13 python3.12 python3.11 python; fi; \
for python; do \
  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
done; \
if [ -z "$$found" ]; then \
  echo "No Python 3.11 or newer was found$${PYTHON:+ under the name $$PYTHON}."; \
  echo "Install one, or say where it is: make PYTHON=/path/to/python3.11 ..."; exit 1; \
fi; \
rm -rf $(VENV); \
if ! "$$found" -m venv $(VENV); then \
  rm -rf $(VENV); \
  echo "$$found cannot make virtual environments (on Debian and Ubuntu: install the package python3-venv)."; exit 1; \
fi
endef

define install
set -e; echo "Installing what Himmel needs (once, some minutes) ..."; \
pip() { "$(RUN)" -m pip install --quiet --disable-pip-version-check "$$@" || { \
  echo "The installation failed; above stands why. Without a network it cannot work; just try again later."; exit 1; }; }; \
torch=$$(sed -n 's/^ *"\(torch==[0-9.]*\)",/\1/p' pyproject.toml); \
if [ -n "$$TORCH_INDEX" ]; then \
  pip --index-url "$$TORCH_INDEX" "$$torch"; \
elif [ "$$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null; then \
  "$(RUN)" -m pip install --quiet --disable-pip-version-check "$$torch+cpu" 2>/dev/null || { \
    echo "No graphics card was found, and pip knows no build of torch for the CPU alone: it may now bring CUDA"; \
    echo "libraries of some gigabytes. To avoid them, stop it and pass TORCH_INDEX=..., see README."; }; \
fi; \
pip --editable "$(1)"
endef
