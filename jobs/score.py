"""Compute accuracies, drops and S_robust, with intervals.

ray job submit --working-dir . -- python jobs/score.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("score")
