"""Runs written as files of other tools: weights, traced models, and folders for the Hugging Face hub."""
