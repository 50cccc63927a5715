"""`python -m whalelib.bench [name ...]`: figures that depend on the machine, measured side by side in one run.

Without a name, all of them; `python -m whalelib.bench store` one of them.
"""
