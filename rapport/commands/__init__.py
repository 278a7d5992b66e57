"""One file for each command of `rapport`. A file offers `add_to(app)`; discovery finds it."""
