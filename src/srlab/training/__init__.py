"""Training: the Lightning module, and everything around its training step.

- `module` is the Lightning module; `training_step` shows one generator update from top to bottom.
- `losses` computes the generator's content loss, and `adversary` the game with a discriminator.
- `schedule` names the phases of a run. `ema` averages weights, and `guard` leaves out updates that
  are not finite. `latest` keeps values for the log that only some updates have.
- `fitting` runs a training, and `status` records how it ended. `rehearsal` tries a validation
  before the first step, and `validation` scores the model during the run.
- `optimisers`, `callbacks`, `loggers` and `processes` are packages of their own.
"""
