"""`python -m hansard` is `hansard`."""

from hansard.cli import main

main()
