"""`python -m hansard` is `hansard`."""

from hansard.cli import main

if __name__ == "__main__":  # the processes of `--workers` import this module too
    main()
