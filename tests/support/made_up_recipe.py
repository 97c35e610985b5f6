"""The recipe of runs that are made up file by file."""

RECIPE = {"scenarios": {"original": {"kind": "original"}}, "categories": {}, "source": {"kind": "imagefolder"}}
