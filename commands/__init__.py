"""What the operator's commands do; `cli.py` says how they are called."""
