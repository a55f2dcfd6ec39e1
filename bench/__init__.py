"""What `make bench` runs: the monitor beside the least that could do its job, in one run, as ratios."""
