"""Attributes of methods, learners and the data module, and parts of checkpoints, under deprecated names."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from unlearning_pl.deprecated.names import ATTRIBUTES, warn

C = TypeVar("C", bound=type)


class _OldName:
    """Descriptor of a deprecated attribute: reads and sets the one that replaces it.

    Args:
        new: The attribute that replaces it.
        owner: The class that defines it; ``super()`` finds what this class defines, as for any attribute.
    """

    def __init__(self, new: str, owner: type) -> None:
        self.new, self.owner = new, owner

    def __set_name__(self, owner: type, name: str) -> None:
        self.old = name

    def __get__(self, instance: Any, owner: type) -> Any:
        warn(f"{owner.__name__}.{self.old}", self.new)
        if self.new not in vars(self.owner) or (instance is not None and self.new in vars(instance)):
            return getattr(owner if instance is None else instance, self.new)
        defined = vars(self.owner)[self.new]
        return defined.__get__(instance, owner) if hasattr(defined, "__get__") else defined

    def __set__(self, instance: Any, value: Any) -> None:
        warn(f"{type(instance).__name__}.{self.old}", self.new)
        setattr(instance, self.new, value)


class _RemovedAttribute:
    """Descriptor of an attribute that no longer exists: reading or setting it raises an AttributeError with a remedy.

    Args:
        name: The attribute.
        remedy: What takes its place.
    """

    def __init__(self, name: str, remedy: str) -> None:
        self.name, self.remedy = name, remedy

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__}.{self.name} was removed in version 0.2. {self.remedy}")

    def __set__(self, instance: Any, value: Any) -> None:
        self.__get__(instance, type(instance))


def without_removed(removed: Mapping[str, str]) -> Callable[[C], C]:
    """Class decorator for attributes that no longer exist: using one raises an AttributeError, so none has no effect.

    Args:
        removed: What takes the place of each attribute.

    Example:
        >>> @without_removed({"feed": "Override extend_plan."})
        ... class Data: ...
        >>> Data().feed = None
        Traceback (most recent call last):
        ...
        AttributeError: Data.feed was removed in version 0.2. Override extend_plan.
    """

    def decorate(cls: C) -> C:
        for name, remedy in removed.items():
            setattr(cls, name, _RemovedAttribute(name, remedy))
        return cls

    return decorate


class RenamedAttributes:
    """Base of the classes that users extend or call and whose attributes were renamed."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for old, new in ATTRIBUTES.items():
            own = vars(cls).get(old)
            if own is not None and hasattr(cls, new):  # otherwise it is an attribute of the subclass's own
                warn(f"{cls.__name__}.{old}", new)
                setattr(cls, new, own)
                if old == "scramble":  # 0.1 called it with one argument
                    setattr(cls, "borrows_targets", False)  # noqa: B010
            if new in vars(cls) or new in vars(cls).get("__annotations__", {}):
                name = _OldName(new, cls)
                name.__set_name__(cls, old)
                setattr(cls, old, name)


def supply_renamed(module: Any) -> None:
    """Give a module that is no :class:`Learner` the attributes of docs/protocol.md that it has under deprecated names.

    Args:
        module: Module to change in place; its registered parameters and submodules stay the same.
    """
    for old in ("rematch", "scaffold", "scramble"):
        if not hasattr(module, ATTRIBUTES[old]) and hasattr(module, old):
            warn(f"{type(module).__name__}.{old}", ATTRIBUTES[old])
            object.__setattr__(module, ATTRIBUTES[old], getattr(module, old))


def auxiliary_state(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Weights of the auxiliary modules in a checkpoint, which version 0.1 called its scaffold.

    Example:
        >>> auxiliary_state({"scaffold": {"scaffold.head.bias": 0.0}})
        {'auxiliary_modules.head.bias': 0.0}
    """
    if "auxiliary_modules" in checkpoint:
        return dict(checkpoint["auxiliary_modules"])
    scaffold = checkpoint.get("scaffold", {})
    return {name.replace("scaffold", "auxiliary_modules", 1): value for name, value in scaffold.items()}
