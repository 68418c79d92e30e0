"""Sources: one class for each kind of data set, as a YAML in ``conf/data`` names it."""
