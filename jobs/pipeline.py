"""Run every step: plan, generate, evaluate, sweep, score, report.

ray job submit --working-dir . -- python jobs/pipeline.py RECIPE RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("pipeline")
