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

.PHONY: help book slides test test-quick test-variants lab lint check-site mutants assignments grade check-grading benchmark-attacks benchmark-lipschitz benchmark-threads sweep-transfer sweep-units sweep-training clean

help:
	@echo "make book        build the book into _build/html"
	@echo "make slides      cut slides from the built book into _build/slides"
	@echo "make test        run all tests, doctests and notebooks"
	@echo "make test-quick  run what takes less than a minute, while editing"
	@echo "make test-variants  run the tests as other processors would (half an hour)"
	@echo "make lab         open the chapters in JupyterLab"
	@echo "make lint        check style and types"
	@echo "make check-site  open the built book in Chromium and check every page and every slide"
	@echo "make mutants     break each core function and see a test fail"
	@echo "make assignments build the graded assignments into _build/assignments"
	@echo "make grade SUBMISSIONS=folder ASSIGNMENT=name  grade a folder of notebooks"
	@echo "make check-grading  grade a class of thirty, half of which means no good"
	@echo "make benchmark-attacks  compare the attack with other libraries (half an hour)"
	@echo "make benchmark-lipschitz  compare bounds on layers, and Table 5 (a quarter of an hour)"
	@echo "make benchmark-threads  one thread against two, alone and beside other work (five minutes)"
	@echo "make sweep-transfer  transfer between networks of five seeds (half an hour)"
	@echo "make sweep-units  units against random directions in networks of five seeds (half an hour)"
	@echo "make sweep-training  ways to train, with pools of blind spots, over five seeds (three hours on two cores)"
	@echo "make clean       remove everything that make has made"

$(READY): pyproject.toml constraints.txt tools/set_up.py
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON) here: install Python 3.10 or newer, or say make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) tools/set_up.py

book: $(READY)
	@$(BIN)/python tools/build_book.py

slides: $(READY)
	@$(BIN)/python tools/build_slides.py

# Files of tests run side by side. CHAPTERS= leaves out the notebooks, which make book executes too.
CHAPTERS ?= book/chapters
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder

test: $(READY)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(CHAPTERS) tests blindspots

test-quick: $(READY)
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --no-cov -m "not slow" tests blindspots

# Other instruction sets, numbers of threads, a busy machine; about five minutes each.
test-variants: $(READY)
	@$(BIN)/python tools/machine_variants.py $(OPTIONS)

lab: $(READY)
	@$(BIN)/jupyter lab book/chapters

lint: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/nbstripout --verify --keep-count book/*/*.ipynb

check-site: slides
	@BLINDSPOTS_SITE=_build/html $(BIN)/python -m pytest --no-cov -n auto tests/test_site_in_browser.py
	@BLINDSPOTS_SLIDES=_build/slides $(BIN)/python -m pytest --no-cov tests/test_slides_in_browser.py

mutants: $(READY)
	@$(BIN)/python tools/mutants.py $(OPTIONS)

assignments: $(READY)
	@$(BIN)/python -m coursework.editions

# It resumes after an interruption. OPTIONS="--notebook 100 --jobs 4" and the like.
grade: $(READY)
	@[ -n "$(SUBMISSIONS)" ] || \
	  { echo "Which notebooks? Say make grade SUBMISSIONS=folder, with files <student's id>.ipynb"; exit 1; }
	@$(BIN)/python -m coursework.grade_class "$(SUBMISSIONS)" --assignment "$(ASSIGNMENT)" $(OPTIONS)

check-grading: $(READY)
	@$(BIN)/python tools/check_grading.py

# An environment of its own, where the package has its pinned versions and the other libraries what
# they ask for. One of these needs visdom, whose build needs an old setuptools.
benchmarks/.venv/ready: benchmarks/attacks/requirements.txt constraints.txt
	@$(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/python -m pip install -q "setuptools<81" wheel
	@benchmarks/.venv/bin/python -m pip install -q --no-build-isolation "visdom>=0.2,<0.3"
	@benchmarks/.venv/bin/python -m pip install -q -c constraints.txt -e .
	@benchmarks/.venv/bin/python -m pip install -q -r $<
	@touch $@

benchmark-attacks: benchmarks/.venv/ready
	@benchmarks/.venv/bin/python benchmarks/attacks/run.py $(OPTIONS)

benchmark-threads: $(READY)
	@$(BIN)/python benchmarks/threads/run.py

benchmark-lipschitz: $(READY)
	@$(BIN)/python benchmarks/lipschitz/run.py $(OPTIONS)

# They resume after an interruption. OPTIONS="--seeds 3", or "--dask tcp://..." for a cluster.
sweep-transfer sweep-units sweep-training: $(READY)
	@$(BIN)/python sweeps/$(@:sweep-%=%).py $(OPTIONS)

clean:
	rm -rf .venv benchmarks/.venv _build .coverage .pytest_cache .mypy_cache .ruff_cache
