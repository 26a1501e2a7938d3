"""The command line: serve, keys, import, export, doctor, config. A command is a short function."""

import sys


def main() -> None:
    """Run `hansard`. Without the server's packages, say how to get them."""
    try:
        from hansard.cli.commands import hansard
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("hansard"):
            raise
        sys.exit(f"This needs {error.name}; install it with: pip install 'hansard[server]'")
    hansard()
