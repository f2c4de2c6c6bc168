"""Texts of commands and of their options, which the parser and the short help share."""

USAGE = {
    "fit": "[--config FILE ...] [--run FOLDER] [options]",
    "unlearn": "--original RUN [--config FILE ...] --forget.fraction 0.1 [--run FOLDER] [options]",
    "validate": "--run RUN [options]",
    "test": "--run RUN [options]",
    "predict": "--run RUN [--to FILE] [options]",
    "split": "[--original RUN] --forget.fraction 0.1 [--output FILE.json] [options]",
    "views": "[--run RUN | --config FILE ...] [--output FILE.png] [options]",
}
DESCRIPTION = {
    "fit": "Train a model: the original on all training data, or the retrained reference on the retain set.",
    "unlearn": "Make a trained model forget. The original provides model and data; choose the request and the method.",
    "validate": "Compute the loss, and a classifier's accuracy, of a run on its held-out images.",
    "test": "Compute the loss, and a classifier's accuracy, of a run on its test images.",
    "predict": "Save the features of every image by a run's model, and its class probabilities, with ids.",
    "split": "Preview a forget request before training: counts, classes, overlap, near duplicates that stay.",
    "views": "Draw augmented views on a PNG sheet: each row has an image, its views, id, class and captions.",
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

OWN = {
    "split": {
        "original": "Run whose data and encoder to use, or a file of weights",
        "architecture": "Architecture of a file, such as timm/NAME",
        "hardest": "Number of images with the highest loss of the original",
        "easiest": "Number of images with the lowest loss of the original",
        "nearest": "Id of an image, with its neighbours by features",
        "count": "Number of images with --nearest",
        "earlier": "Earlier requests: run folders or files of ids",
        "threshold": "Minimum cosine of near duplicates [0.98; pixels 0.97]",
        "show": "Maximum number of near duplicates to list [20]",
        "output": "JSON file of the ids, for --forget.file",
        "overwrite": "Replace an existing file",
        "include_duplicates": "Add retained near duplicates to the file",
    },
    "views": {
        "run": "Run whose data to draw; --config and --data override it",
        "images": "Number of images, alternating between classes [8]",
        "ids": "Ids of the images to draw; replaces --images",
        "views": "Number of views of each image [6]",
        "seed": "Seed of the views [0]",
        "output": "File to write [views.png]",
        "overwrite": "Replace an existing file",
    },
}
"""Texts of the options that a command has alone, with their defaults in brackets."""


def own_text(command: str, option: str) -> str:
    """Text of an option for the parser, which adds the default itself.

    Example:
        >>> own_text("split", "show")
        'Maximum number of near duplicates to list.'
    """
    return f"{OWN[command][option].partition(' [')[0]}."
