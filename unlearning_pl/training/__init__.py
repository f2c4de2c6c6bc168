"""Training runs: the trainer, checkpoints and run folders."""
