"""Captions made from the names of classes."""

from collections.abc import Sequence
from dataclasses import replace

from unlearning_pl.data.sources.source import DEFAULT_PROMPT, Source
from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet


class TemplateCaptions(Source):
    """Wrap a source and make captions from the class names of its images.

    It lets image-text models train and be evaluated on data sets that have only classes. Idea: Radford et
    al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, arXiv 2103.00020,
    section 3.1.4. Underscores in names are spaces in captions.

    Args:
        source: Source of the images and classes; image size and channel statistics are those of the source.
        templates: Sentences with ``{}`` in the place of the class name; each makes one caption of every image.

    Raises:
        InputError: If there is no template, one lacks ``{}``, or the source has no classes.

    Example:
        >>> from unlearning_pl.data import Digits
        >>> train, _ = TemplateCaptions(Digits(train_size=1), ["the digit {}.", "a {}."]).load()
        >>> train.captions
        [('the digit 6.', 'a 6.')]
    """

    def __init__(self, source: Source, templates: Sequence[str] = (DEFAULT_PROMPT,)) -> None:
        require(
            not isinstance(templates, str) and len(templates) > 0,
            f"Expected a list of templates, got {templates!r}. Give one or more, such as 'a photo of a {{}}.'.",
        )
        for template in templates:
            require(
                "{}" in template,
                f"Expected a template with {{}} in the place of the class, got {template!r}. "
                "Write for instance 'a photo of a {}.'.",
            )
        self.source, self.templates = source, tuple(templates)
        self.mean, self.std, self.image_size = source.mean, source.std, source.image_size

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the images of the source, and replace their captions."""
        train, test = self.source.load()
        return self._captioned(train), self._captioned(test)

    def _captioned(self, images: ImageSet) -> ImageSet:
        require(
            len(images.class_names) > 0,
            f"Expected a source with classes, got none of {type(self.source).__name__}. "
            "Use the source itself if it has captions, or another one.",
        )
        of_class = template_captions(images.class_names, self.templates)
        return replace(images, captions=[of_class[target] for target in images.targets.tolist()])


def template_captions(
    class_names: Sequence[str], templates: Sequence[str] = (DEFAULT_PROMPT,)
) -> list[tuple[str, ...]]:
    """Captions of each class: its name in the place of ``{}`` of each template.

    Example:
        >>> template_captions(["polar_bear"])
        [('a photo of a polar bear.',)]
    """
    names = [name.replace("_", " ") for name in class_names]
    return [tuple(template.replace("{}", name) for template in templates) for name in names]
