"""Events: what happened in sessions beside the talk, such as transfers."""
