# Two commands do everything: `make book` builds the book, `make test` runs all tests.
# Each sets up its own environment in .venv first; the second time there is nothing to set up.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# Notebooks run in folders of their own, where a relative path would mean something else.
# (Not by $(abspath ...), which takes a path with a space in it for two.)
absolute = $(shell $(PYTHON) -c 'import os; print(os.path.abspath(os.environ["$(1)"]))')
ifdef BLINDSPOTS_DATA
export BLINDSPOTS_DATA := $(call absolute,BLINDSPOTS_DATA)
endif
ifdef BLINDSPOTS_CACHE
export BLINDSPOTS_CACHE := $(call absolute,BLINDSPOTS_CACHE)
endif

# Threads that wait for each other must not spin: beside anything else that runs, a build in which
# they do takes ten times as long.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help book slides notebooks epub pdf test test-quick test-variants lab lint check-site check-bounds check-wheel mutants assignments grade check-grading experiment clean

help:
	@echo "make book        build the book into _build/html, with its slides"
	@echo "make slides      cut the slides again from the built book, into _build/html/slides"
	@echo "make notebooks   write the notebook edition of the built book into _build/notebooks"
	@echo "make epub        make an EPUB of the built book, make pdf a PDF"
	@echo "make test        run all tests, doctests and notebooks"
	@echo "make test-quick  run what takes less than a minute, while editing"
	@echo "make test-variants  run the tests as other processors would (half an hour)"
	@echo "make lab         open the chapters in JupyterLab"
	@echo "make lint        check style and types"
	@echo "make check-site  open the built book in Chromium and check every page and every slide"
	@echo "make check-bounds  bound 2,000 random models and 5,000 convolutions, and look for steeper places"
	@echo "make check-wheel build and install the package as strangers would, and run a chapter with it"
	@echo "make mutants     break each core function and see a test fail"
	@echo "make assignments build the graded assignments into _build/assignments"
	@echo "make grade SUBMISSIONS=folder ASSIGNMENT=name  grade a folder of notebooks"
	@echo "make check-grading  grade a class of sixty, some of whom mean no good"
	@echo "make experiment NAME=name  make stored results again, one of: $(EXPERIMENTS)"
	@echo "make clean       remove everything that make has made"

$(READY): pyproject.toml constraints.txt tools/set_up.py
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON) here: install Python 3.10 or newer, or say make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) tools/set_up.py

book: $(READY)
	@$(BIN)/python -m tools.build_book

slides: $(READY)
	@$(BIN)/python -m tools.build_slides

notebooks: $(READY)
	@$(BIN)/python -m tools.build_notebooks

epub pdf: $(READY)
	@$(BIN)/python -m tools.build_print $@

# Files of tests run side by side.
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder

test: $(READY)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) book/chapters tests blindspots

test-quick: $(READY)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --no-cov -m "not slow" tests blindspots

# Other instruction sets, numbers of threads, a busy machine; about five minutes each.
test-variants: $(READY)
	@$(BIN)/python -m tools.machine_variants $(OPTIONS)

# The notebook edition, once the book is built: in it, numbers and boxes need no Sphinx.
lab: $(READY)
	@[ ! -d _build/notebooks ] || $(BIN)/jupyter trust _build/notebooks/*/*.ipynb >/dev/null
	@$(BIN)/jupyter lab $(if $(wildcard _build/notebooks),_build/notebooks,book)/chapters

lint: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/nbstripout --verify --keep-count book/*/*.ipynb

check-site: slides
	@BLINDSPOTS_SITE=_build/html $(BIN)/python -m pytest --no-cov -n auto $(OPTIONS) tests/test_site_in_browser.py \
	  tests/test_live_in_browser.py tests/test_build_notebooks.py
	@BLINDSPOTS_SLIDES=_build/html/slides $(BIN)/python -m pytest --no-cov tests/test_slides_in_browser.py

check-bounds: $(READY)
	@BLINDSPOTS_RANDOM_MODELS=2000 BLINDSPOTS_RANDOM_CONVOLUTIONS=5000 \
	  $(BIN)/python -m pytest --no-cov -n auto tests/test_random_models.py

mutants: $(READY)
	@$(BIN)/python -m tools.mutants $(OPTIONS)

assignments: $(READY)
	@$(BIN)/python -m coursework.editions

# It resumes after an interruption. OPTIONS="--notebook 100 --jobs 4" and the like.
grade: $(READY)
	@[ -n "$(SUBMISSIONS)" ] || \
	  { echo "Which notebooks? Say make grade SUBMISSIONS=folder, with files <student's id>.ipynb"; exit 1; }
	@$(BIN)/python -m coursework.grade_class "$(SUBMISSIONS)" --assignment "$(ASSIGNMENT)" $(OPTIONS)

# What strangers install, in environments of its own; OPTIONS=--all runs every chapter there.
check-wheel: $(READY)
	@$(BIN)/python -m tools.check_wheel $(OPTIONS)

check-grading: $(READY)
	@$(BIN)/python -m tools.check_grading

# NAME=transfer OPTIONS="--seeds 3", or "--dask tcp://..." for a cluster. Those over seeds resume after
# an interruption. What our attacks are compared with has an environment of its own.
EXPERIMENTS := attacks fair_training lipschitz photographs robustness strangers threads trainings \
  transfer units
PEERS := experiments/.venv

experiment: $(if $(filter attacks robustness strangers,$(NAME)),$(PEERS)/ready,$(READY))
	@[ -n "$(filter $(NAME),$(EXPERIMENTS))" ] || \
	  { echo "Which experiment? Say make experiment NAME=..., one of: $(EXPERIMENTS)"; exit 1; }
	@$(if $(filter attacks robustness strangers,$(NAME)),$(PEERS)/bin,$(BIN))/python -m experiments.$(NAME) $(OPTIONS)

# The package has its pinned versions there, and the other libraries what they ask for. One of these
# needs visdom, whose build needs an old setuptools.
$(PEERS)/ready: experiments/attacks_requirements.txt constraints.txt
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -q "setuptools<81" wheel
	@$(PEERS)/bin/python -m pip install -q --no-build-isolation "visdom>=0.2,<0.3"
	@$(PEERS)/bin/python -m pip install -q -c constraints.txt -e .
	@$(PEERS)/bin/python -m pip install -q -r $<
	@touch $@

clean:
	rm -rf .venv $(PEERS) _build .coverage .pytest_cache .mypy_cache .ruff_cache
