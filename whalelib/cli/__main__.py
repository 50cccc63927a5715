"""`python -m whalelib.cli`, for launchers such as torchrun that start a module."""

from whalelib.cli import main

main()
