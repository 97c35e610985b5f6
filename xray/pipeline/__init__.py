"""The verbs of a run, one module or folder each: plan, generate, evaluate, train, score, verify and the rest."""
