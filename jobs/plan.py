"""Plan a run: write down every image that will be made.

ray job submit --working-dir . -- python jobs/plan.py RECIPE RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("plan")
