"""Texts of the training commands and of their options, which the parser and the short help share."""

USAGE = {
    "fit": "[--config FILE ...] [--run FOLDER] [options]",
    "unlearn": "--original RUN [--config FILE ...] --forget.fraction 0.1 [--run FOLDER] [options]",
    "validate": "--run RUN [options]",
    "test": "--run RUN [options]",
    "predict": "--run RUN [--to FILE] [options]",
}
DESCRIPTION = {
    "fit": "Train a model: the original on all training data, or the retrained reference on the retain set.",
    "unlearn": "Make a trained model forget. The original provides model and data; choose the request and the method.",
    "validate": "Compute the loss, and a classifier's accuracy, of a run on its held-out images.",
    "test": "Compute the loss, and a classifier's accuracy, of a run on its test images.",
    "predict": "Save the features of every image by a run's model, and its class probabilities, with ids.",
}
EPOCHS = {"fit": 100, "unlearn": 10}
"""Default number of epochs."""

OPTIONS = {
    "run": "Run folder; default runs/{original,retrained,METHOD}.",
    "overwrite": "Replace the run that the folder holds.",
    "optimizer": "Optimiser of the parameters.",
    "schedule": "Learning-rate schedule.",
    "warmup_steps": "Optimiser steps over which the learning rate rises first; 0 for none, and for three tenths of the "
    "run with one_cycle.",
    "milestones": "Epochs after which multi_step divides the learning rate by ten, such as [91, 136].",
    "weight_decay_on": "Parameters that weight decay acts on: all, or matrices, the weights of two dimensions or more, "
    "without norms and biases; null for the model's default, which is matrices for CLIP and all for the others.",
    "allow": "Package or class of your own, or of somebody you trust, that the configuration of a run may name.",
}
"""Texts of the options that no class documents."""
