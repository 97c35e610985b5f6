"""Python imports this at the start of every process that has this folder in PYTHONPATH: those that may be killed."""

import reaching

reaching.watch()
