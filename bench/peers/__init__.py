"""The same sessions recorded by other programs: `python -m bench.peers`. The rules are in ../README.md."""
