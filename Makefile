# Each target first installs srlab and what it needs into .venv. Results lie in outputs/.
#
# make demo             trains a small GAN on photographs, and compares it with bicubic interpolation
# make demo-satellite   trains a model for a Sentinel-2 scene, scores it on held-out ground, and writes a COG
# make demo-microscopy  trains a model for a picture of stained tissue, scores it, and writes OME-TIFF and OME-Zarr
# make demo-video       trains a model for a video, scores it on held-out shots, and writes an mp4 of twice its size
# make demo-mri         trains a 3D model that makes thick slices of a head thin, scores it, and writes a NIfTI
# make test             runs lint, type checks and all but the slow tests
# make slow             runs the slow tests
# make coverage         runs the tests of make test, and lists the lines of code that they do not reach
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
BIN := .venv/bin
READY := .venv/ready
NOW := $(shell date +%Y-%m-%d_%H-%M-%S)
RUN := outputs/demo/$(NOW)
SATELLITE := outputs/demo-satellite/$(NOW)
MICROSCOPY := outputs/demo-microscopy/$(NOW)
VIDEO := outputs/demo-video/$(NOW)
MRI := outputs/demo-mri/$(NOW)

.PHONY: demo demo-satellite demo-microscopy demo-mri demo-video test slow coverage

demo: $(READY)
	$(BIN)/python -m srlab.train experiment=demo hydra.run.dir=$(RUN)
	$(BIN)/python -m srlab.evaluate model=$(RUN)/model.safetensors data=demo output=$(RUN)

demo-satellite: $(READY)
	$(BIN)/python demos/satellite_scene.py $(SATELLITE)/scene.tif
	$(BIN)/python -m srlab.train experiment=demo_satellite data.root=$(SATELLITE)/scene.tif hydra.run.dir=$(SATELLITE)
	$(BIN)/python -m srlab.evaluate model=$(SATELLITE)/model.safetensors data=self_sentinel2 data.root=$(SATELLITE)/scene.tif part=validation output=$(SATELLITE)
	$(BIN)/python -m srlab.predict model=$(SATELLITE)/model.safetensors input=$(SATELLITE)/scene.tif output=$(SATELLITE)/scene_x2.tif layout=cog

demo-microscopy: $(READY)
	$(BIN)/python demos/microscope_tissue.py $(MICROSCOPY)/tissue.ome.tif
	$(BIN)/python -m srlab.train experiment=demo_microscopy data.root=$(MICROSCOPY)/tissue.ome.tif data.bands=[red,green,blue] hydra.run.dir=$(MICROSCOPY)
	$(BIN)/python -m srlab.evaluate model=$(MICROSCOPY)/model.safetensors data=microscopy data.root=$(MICROSCOPY)/tissue.ome.tif data.bands=[red,green,blue] part=validation output=$(MICROSCOPY)
	$(BIN)/python -m srlab.predict model=$(MICROSCOPY)/model.safetensors input=$(MICROSCOPY)/tissue.ome.tif output=$(MICROSCOPY)/tissue_x2.ome.tif
	$(BIN)/python -m srlab.predict model=$(MICROSCOPY)/model.safetensors input=$(MICROSCOPY)/tissue.ome.tif output=$(MICROSCOPY)/tissue_x2.ome.zarr

# The last shots, frames 187 to 249, are held out. A shot begins at frame 187.
demo-video: $(READY)
	$(BIN)/python demos/video_clip.py $(VIDEO)/clip.mp4
	$(BIN)/python -m srlab.train experiment=demo_video data.root=$(VIDEO)/clip.mp4 split.fraction=0.252 hydra.run.dir=$(VIDEO)
	$(BIN)/python -m srlab.evaluate model=$(VIDEO)/model.safetensors data=video data.root=$(VIDEO)/clip.mp4 part=validation output=$(VIDEO)
	$(BIN)/python -m srlab.predict model=$(VIDEO)/model.safetensors input=$(VIDEO)/clip.mp4 output=$(VIDEO)/clip_x2.mp4

demo-mri: $(READY)
	$(BIN)/python demos/head_volume.py $(MRI)/head.nii.gz $(MRI)/head_3mm.nii.gz
	$(BIN)/python -m srlab.train experiment=demo_mri data.root=$(MRI)/head.nii.gz hydra.run.dir=$(MRI)
	$(BIN)/python -m srlab.evaluate model=$(MRI)/model.safetensors data=medical_mri data.root=$(MRI)/head.nii.gz part=validation output=$(MRI)
	$(BIN)/python -m srlab.predict model=$(MRI)/model.safetensors input=$(MRI)/head_3mm.nii.gz output=$(MRI)/head_1mm.nii.gz

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
