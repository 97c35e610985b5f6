"""Remove the objects from all photographs of a run.

ray job submit --working-dir . -- python jobs/remove.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("remove")
