"""The network side of prediction: functions from LR tiles to SR tiles, and their devices.

- `predictor` runs one model. `several`, `across`, `leading`, `projection` and `transparency` wrap
  such a function: for averages, for axes that the model does not see, and for what goes round it.
- `device`, `transfer`, `threads`, `precision` and `memory` say where and how it computes.
"""
