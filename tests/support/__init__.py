"""Inputs and machinery that tests share."""
