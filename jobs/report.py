"""Write report.html of a run.

ray job submit --working-dir . -- python jobs/report.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("report")
