"""The command line: each module parses options, calls one verb and prints its result."""
