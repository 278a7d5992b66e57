"""The parts of the simulator; `rapport/simulate.py` says what the whole does."""
