"""One folder per thing the API serves; `routers.py` lists their doors.

Any resource may lean on sessions, and sessions on accounts, but none on its neighbour.
"""
