"""Values of a data set: their range, unit and statistics, and whether files agree."""
