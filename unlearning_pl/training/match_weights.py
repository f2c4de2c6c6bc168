"""Weights of any file under a learner's own names, with the names that they have in the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from unlearning_pl.learners import Learner
from unlearning_pl.learners.key_maps import OWN, KeyMap, key_maps_of
from unlearning_pl.learners.library_models import is_encoder
from unlearning_pl.training.dense_tensors import check_tensors
from unlearning_pl.training.state_dicts import plain_name, strip_prefixes

COUNTER = "num_batches_tracked"
"""Buffer of batch normalisation that older or other tools do not save, and that is not used with a momentum."""


class MatchedWeights(NamedTuple):
    """Weights under a learner's names.

    Attributes:
        state: Weights by the learner's names, as far as it has such.
        key_map: The map of names that left the fewest differences.
        origin: Name in the file of each weight, by its name in the learner.
        left_out: Names in the file of tensors that are no part of the model.
        added: Names of weights that are the learner's own, since the file may lack them.
    """

    state: dict[str, Tensor]
    key_map: KeyMap
    origin: dict[str, str]
    left_out: list[str]
    added: list[str]


def match_weights(learner: Learner, state: Mapping[str, Any], path: Path, new_head: bool = False) -> MatchedWeights:
    """Give weights the names of a learner: strip the prefixes of wrappers, then convert names of another code base.

    Of the learner's maps (:func:`~unlearning_pl.learners.key_maps.key_maps_of`) the one counts with which the fewest
    names differ. The counters of batch normalisation, and what a learner can start without (MoCo's queue), are
    the learner's own if the file has none. Single numbers get the learner's shape.

    Args:
        learner: The learner.
        state: Content of the file by name.
        path: The file, for messages.
        new_head: Whether the learner's own head stays if its backbone is one of an encoder, whose file has none.

    Raises:
        InputError: If a value is no dense tensor, or two names become equal.
    """
    check_tensors(state, path)
    own = {plain_name(name): name for name in learner.state_dict()}
    optional = {name for name in own if name.endswith(COUNTER) or name in learner.optional_weights}
    if new_head and is_encoder(str(learner.hparams.get("backbone", ""))):
        optional |= {name for name in own if name.startswith(("head.", "projection_head."))}

    def differences(names: Mapping[str, Any], key_map: KeyMap) -> int:
        given = {plain_name(name) for name in learner.weights(key_map.apply(names))}
        return len(own.keys() - optional - given) + len(given - own.keys())

    candidates = []
    for key_map in (OWN, *key_maps_of(learner)):
        stripped = strip_prefixes(state, path, lambda names, key_map=key_map: differences(names, key_map))  # type: ignore[misc]
        candidates.append((differences(stripped, key_map), key_map, stripped))
        if candidates[-1][0] == 0:  # the others need not fit, or even be applicable
            break
    _, key_map, stripped = min(candidates, key=lambda candidate: candidate[0])
    return _matched(learner, own, optional, state, stripped, key_map)


def _matched(
    learner: Learner,
    own: Mapping[str, str],
    optional: set[str],
    state: Mapping[str, Tensor],
    stripped: Mapping[str, Tensor],
    key_map: KeyMap,
) -> MatchedWeights:
    file_name = {id(value): name for name, value in state.items()}
    renamed = key_map.apply(stripped)
    old_name = {new: old for old in stripped if (new := key_map.rename(old)) is not None}
    source = {id(value): file_name[id(stripped[old_name[new]])] for new, value in renamed.items()}
    expected = learner.state_dict()
    weights, origin = dict[str, Tensor](), dict[str, str]()
    for new, value in learner.weights(renamed).items():
        name = own.get(plain_name(new), plain_name(new))
        single = name in expected and value.dim() < 2 and value.numel() == expected[name].numel() == 1
        weights[name] = value.reshape(expected[name].shape) if single else value
        if id(value) in source:
            origin[name] = source[id(value)]
    added = [own[name] for name in sorted(optional) if own[name] not in weights]
    left_out = [file_name[id(value)] for old, value in stripped.items() if key_map.rename(old) is None]
    return MatchedWeights({name: expected[name] for name in added} | weights, key_map, origin, left_out, added)
