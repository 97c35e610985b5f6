"""Generate all planned images that do not exist yet.

ray job submit --working-dir . -- python jobs/generate.py RUN
"""

from xray.cli.job import run_verb

if __name__ == "__main__":
    run_verb("generate")
