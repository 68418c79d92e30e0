"""The processes of a run: their exchange of values, and the separation of runs.

- `ranks` averages and gathers values over processes, and `strategy` checks Lightning's strategy.
- `folder` locks a run's folder, and `isolation` restores the state of a process after a run.
- `conditions` lists versions and counts that can change the last bits of a result.
"""
