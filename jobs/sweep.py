"""Train models on scenarios, fold by fold, and test them.

ray job submit --working-dir . -- python jobs/sweep.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("sweep")
