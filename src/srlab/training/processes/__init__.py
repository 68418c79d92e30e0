"""The processes of a run: what they exchange, and how runs are kept apart.

`ranks` averages and gathers values over processes, and `strategy` checks Lightning's strategy.
`folder` locks a run's folder, and `isolation` restores the state of a process after a run.
`conditions` lists what the last bits of a result depend on.
"""
