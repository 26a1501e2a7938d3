"""Tests of Hansard, through the door, on real databases."""
