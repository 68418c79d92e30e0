"""``python -m srlab.verify``: check that a model made an output from an input."""

from __future__ import annotations

import logging
import sys

from omegaconf import DictConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, require, require_models, run
from srlab.cli.termination import cleaned_up_if_stopped

log = logging.getLogger(__name__)


def verify(config: DictConfig) -> None:
    """Compute some blocks of an output again, and compare them with those in the file."""
    from srlab.files import existing_path, file_and_image, is_remote

    require(config, "output", "input", "model")
    require_models(config.model)
    for name in (config.output, config.input):
        if not is_remote(name):
            existing_path(file_and_image(name)[0])
    # Only now is torch imported, which takes seconds.
    import srlab
    from srlab.prediction import Opened
    from srlab.prediction.verification import verify as verified

    paths = [config.model] if isinstance(config.model, str) else list(config.model)
    verdict = verified(
        [Opened(path, srlab.load(path, trust=config.trust)) for path in paths],
        config.output,
        config.input,
        blocks=config.blocks,
        seed=config.seed,
        guide=config.guide,
        dates=config.dates,
        device=config.device,
    )
    log.info("%s: %s", config.output, verdict)
    log.info("whoever made it had this model and this input, by their SHA-256, and this program")


def main() -> None:
    """Run the command."""
    prepare()
    with cleaned_up_if_stopped():
        run(
            verify,
            config_name="verify",
            settings="srlab.cli.settings.VerifySettings",
            arguments=quoted(sys.argv[1:]),
        )


if __name__ == "__main__":
    main()
