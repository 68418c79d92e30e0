"""``python -m srlab.train``: one composed run."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from srlab import cli
from srlab.resume import CONFIG, LAST, resumed

log = logging.getLogger(__name__)


def train(config: DictConfig) -> float | None:
    """Build what the configuration names, train it, and return the best value of the monitored metric."""
    import torch
    from lightning import seed_everything

    from srlab.bundle import ModelCard, load_checkpoint
    from srlab.losses import WeightedLoss
    from srlab.training.adversary import Adversary
    from srlab.training.callbacks import Checkpoints
    from srlab.training.guard import Guard
    from srlab.training.module import GAN
    from srlab.training.optimisation import Training
    from srlab.training.update import Losses
    from srlab.training.validation import Validation
    from srlab.weights import load_weights

    _quieten()
    folder = Path(HydraConfig.get().runtime.output_dir)
    checkpoint = config.resume
    if checkpoint:
        config = OmegaConf.load(folder / CONFIG)  # type: ignore[assignment]
        state = load_checkpoint(checkpoint)
        _cut_curves(config, after=state["global_step"])
        log.info("resuming %s after %d steps", folder, state["global_step"])

    for key in ("max_steps", "val_check_interval"):
        if config.trainer[key] is not None and config.trainer[key] < 1:
            raise ValueError(f"trainer.{key} is {config.trainer[key]}; give a number of generator updates >= 1.")
    # A debugging aid of deterministic mode, which costs a quarter of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    seed_everything(config.seed, verbose=False)
    data = _built(config.data)
    generator = _built(config.generator)
    discriminator = _built(config.discriminator)
    normaliser = _built(config.normaliser)
    if config.weights and not checkpoint:
        load_weights(generator, config.weights, match=config.weights_match, channels=data.channels)
    elif not checkpoint and config.weights_match != "exact":
        raise ValueError(f"weights_match={config.weights_match} needs weights=PATH.")
    training = {
        name: Training(
            optimiser=_built(config.optimiser[name]),
            scheduler=_built(config.scheduler[name]),
            clip=_built(config.clipping[name]),
        )
        for name in ("generator", "discriminator")
    }
    adversary = discriminator and Adversary(
        discriminator=discriminator,
        training=training["discriminator"],
        penalty=_built(config.penalty),
        **_built(config.adversarial),
    )
    average, degradation = _built(config.ema), _built(config.degradation)
    module = GAN(
        losses=Losses(
            generator=generator,
            normaliser=normaliser,
            content=WeightedLoss(_built(config.loss)),
            degradation=degradation,
            data_range=data.data_range,
        ),
        training=training["generator"],
        adversary=adversary,
        schedule=_built(config.schedule),
        ema=average and average(generator),
        guard=Guard(on_nonfinite=config.on_nonfinite, max_skips=config.max_skips),
        validation=Validation(metrics=_built(config.metric), degradation=degradation, data_range=data.data_range),
        card=ModelCard.from_json(state["srlab"]) if checkpoint else _card(config, data),
        seed=config.seed,
    )
    callbacks = [*_built(config.callbacks).values()]
    trainer = _built(config.trainer, callbacks=callbacks, logger=[*_built(config.logger).values()])
    if not checkpoint:
        OmegaConf.save(config, folder / CONFIG)
    if trainer.is_global_zero:
        log.info("training %s in %s", _described(module), folder)
    try:
        trainer.fit(module, datamodule=_built(config.loader)(data), ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # Lightning's answer to Ctrl-C
        if (folder / LAST).is_file():
            log.info("stopped; go on from the last checkpoint with resume=last hydra.run.dir=%s", folder)
        raise KeyboardInterrupt from None
    if trainer.is_global_zero:
        log.info("done: %s", folder / "model.safetensors")
    return next((callback.best for callback in callbacks if isinstance(callback, Checkpoints)), None)


def _built(node: Any, **more: Any) -> Any:  # noqa: ANN401 (whatever the YAML names)
    """Instantiate a node; lists and dictionaries become Python's own."""
    return instantiate(node, _convert_="all", **more) if node is not None else None


def _card(config: DictConfig, data: Any) -> Any:  # noqa: ANN401 (a Source, a ModelCard)
    """What the bundle will say of the model."""
    import torch

    import srlab
    from srlab.bundle import ModelCard
    from srlab.data.statistics import value_range
    from srlab.nn.dims import per_axis

    return ModelCard(
        generator=OmegaConf.to_container(config.generator, resolve=True),  # type: ignore[arg-type]
        normaliser=OmegaConf.to_container(config.normaliser, resolve=True),  # type: ignore[arg-type]
        scale=per_axis(config.scale, config.spatial_dims),
        bands=data.bands,
        channels=data.channels,
        unit=data.unit,
        training_range=value_range(data.training),
        pixel_size=data.pixel_size,
        versions={"srlab": srlab.__version__, "torch": str(torch.__version__)},
    )


def _cut_curves(config: DictConfig, *, after: int) -> None:
    """Have each logger that can drop what an interrupted run logged beyond its checkpoint."""
    for node in config.logger.values():
        if "purge_step" in node:
            node.purge_step = after + 1


def _described(module: Any) -> str:  # noqa: ANN401 (a GAN)
    def millions(network: Any) -> str:  # noqa: ANN401
        return f"{type(network).__name__} ({sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters)"

    scale = "×".join(str(factor) for factor in module.card.scale)
    against = f" against {millions(module.discriminator)}" if module.discriminator else ""
    return f"{millions(module.generator)} at scale {scale}{against}"


def _quieten() -> None:
    """Silence what torch and Lightning say of our own doings, which would hide what a user should read."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for harmless in (
        ".*does not have many workers.*",
        ".*module.s. in eval mode at the start of training.*",  # the weight average always is
        ".*Detected call of .lr_scheduler.step.*",  # the discriminator's counts while it still rests
        ".*sync_dist=True.*",  # every rank validates on all views, so the means agree
        ".*isinstance.treespec, LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=harmless)


def main() -> None:
    """Run the command."""
    cli.prepare()
    with cli.one_line_errors():
        arguments = resumed(sys.argv[1:])
    cli.run(train, config_name="train", arguments=arguments)


if __name__ == "__main__":
    main()
