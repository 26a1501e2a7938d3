"""Recordings: the sound of sessions. None can be stored yet; the doors are those the SDKs knock at."""
