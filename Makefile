# make demo   sets everything up, trains a small GAN on photographs and compares it with bicubic interpolation
# make test   sets everything up, and runs lint, types and tests
# make slow   the few tests that take long
# make coverage   the tests of make test again, with the lines that none of them reaches
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
BIN := .venv/bin
READY := .venv/ready
RUN := outputs/demo/$(shell date +%Y-%m-%d_%H-%M-%S)

.PHONY: demo test slow coverage

demo: $(READY)
	$(BIN)/python -m srlab.train experiment=demo hydra.run.dir=$(RUN)
	$(BIN)/python -m srlab.evaluate model=$(RUN)/model.safetensors data=demo output=$(RUN)

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow" -n auto

coverage: $(READY)
	$(BIN)/pytest -m "not slow" -n auto --cov

slow: $(READY)
	$(BIN)/pytest -m slow -n auto

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,dev]"
	touch $@
