"""Agents: how each did, by version of its prompt. Gives the figures that pages and programs show."""
