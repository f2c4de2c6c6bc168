"""Search for the smallest step that is enough."""

from collections.abc import Callable


def smallest_sufficient_step(is_enough: Callable[[float], bool], first: float, tries: int) -> float | None:
    """Double a step until it is enough, then bisect between the largest that is not and the smallest that is.

    Args:
        is_enough: Whether a step is enough, true from some step on.
        first: The first step to try, positive.
        tries: Number of steps to try, at least 1.

    Returns:
        The smallest step that was found to be enough; None if none was.

    Example:
        >>> smallest_sufficient_step(lambda step: step > 3, first=1.0, tries=5)
        3.5
    """
    low, high, step = 0.0, None, first
    for _ in range(tries):
        if is_enough(step):
            high = step
        else:
            low = step
        step = 2 * step if high is None else (low + high) / 2
    return high
