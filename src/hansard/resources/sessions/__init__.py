"""Sessions, the trunk: what was recorded, folded into what the API answers."""
