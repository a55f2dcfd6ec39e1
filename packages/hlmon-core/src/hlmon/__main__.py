"""`python -m hlmon` is the `hlmon` program."""

from hlmon.cli import main

main()
