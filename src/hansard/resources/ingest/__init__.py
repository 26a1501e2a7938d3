"""Ingest: the recorder's door. Events come in here, by HTTP or from a file."""
