"""Files of a data set: found, matched, grouped and masked, with a limit on open ones."""
