"""Sources of LR and HR pairs: one class for each kind of data set in ``conf/data``."""
