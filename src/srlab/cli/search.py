"""Starting and continuing of a search with Optuna in its folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

log = logging.getLogger(__name__)


class Search(Callback):
    """Creates the folder of a search, and continues a study that is already in it.

    By itself, Hydra's sweeper would run `n_trials` more trials, and a sampler with the same seed
    would repeat the first points. This callback reduces `n_trials` to the number that is missing,
    and adds the number of existing trials to the seed. Failed trials count as done; killed ones do
    not.
    """

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Adapt the sweeper's settings before the sweeper is built."""
        Path(config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        sweeper = config.hydra.sweeper
        trials = _trials(sweeper.storage, sweeper.study_name)
        if not trials:
            return
        done = [trial for trial in trials if trial.state.is_finished()]
        left = max(sweeper.n_trials - len(done), 0)
        if not left and not any(trial.values for trial in done):
            # Hydra turns exceptions of callbacks into warnings; SystemExit passes.
            raise SystemExit(
                f"error: the search in {config.hydra.sweep.dir} has its {sweeper.n_trials} trials, "
                "and all of them failed; raise hydra.sweeper.n_trials, or choose another "
                "hydra.sweep.dir."
            )
        log.info("going on with a study: %d trials are done, %d are left", len(done), left)
        with read_write(config), open_dict(config):
            sweeper.n_trials = left
            if OmegaConf.select(sweeper, "sampler.seed") is not None:
                sweeper.sampler.seed += len(trials)


def _trials(storage: Any, name: str | None) -> list[Any]:
    """Return the trials of a study on disk; an empty list if there is no such study."""
    if not isinstance(storage, str) or name is None:
        return []
    from optuna.storages import get_storage  # an extra, which only a search needs

    opened = get_storage(storage)
    if name not in {study.study_name for study in opened.get_all_study_summaries()}:
        return []
    return list(opened.get_all_trials(opened.get_study_id_from_name(name)))
