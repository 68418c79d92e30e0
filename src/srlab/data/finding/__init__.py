"""Finds the files of a data set, with their partners, guides and masks.

`usable` leaves out files that cannot be used, and `handles` limits how many are open at a time.
"""
