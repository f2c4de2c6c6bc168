"""Training runs: the trainer, its checkpoints, and the folder of a run."""
