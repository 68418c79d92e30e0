"""Training: the Lightning module, the schedule of its phases, the weight average, callbacks and loggers."""
