"""Evaluate models on every image of a run.

ray job submit --working-dir . -- python jobs/evaluate.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("evaluate")
