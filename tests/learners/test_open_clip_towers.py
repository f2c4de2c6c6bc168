"""CLIP's towers by name, and weights from elsewhere."""

from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.model import CLIP as Published  # noqa: N811
from open_clip.model import CustomTextCLIP
from safetensors.torch import save_file
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import CLIP
from unlearning_pl.learners.open_clip_towers import build_towers, pretrained_path, tower_settings
from unlearning_pl.training.weights import load_weights
from unlearning_pl.types import Pixels


@pytest.mark.parametrize(("name", "size"), [("RN-slim", 64), ("RN-slim", 32), ("ViT-slim", 32), ("ViT-slim", 8)])
def test_slim_towers_give_embeddings_of_one_width(name: str, size: int) -> None:
    learner = CLIP(name, image_size=size).eval()
    with torch.no_grad():
        images = learner.embed(torch.randn(2, 3, size, size))
        texts = learner.embed_text(torch.ones(2, learner.context_length).long())
    assert images.shape == texts.shape == (2, learner.feature_dim)


def test_a_model_of_open_clip_is_built_by_name_and_normalises_as_it_was_trained() -> None:
    learner = CLIP("RN50", image_size=32)
    assert learner.context_length == 77
    assert learner.pixels == Pixels(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    assert CLIP("RN-slim").pixels is None


@pytest.mark.parametrize("one_module", [True, False])
def test_weights_that_open_clip_saved_give_its_own_answers(one_module: bool, tmp_path: Path) -> None:
    settings = tower_settings("ViT-slim")
    kind = Published if one_module else CustomTextCLIP
    theirs = kind(settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"]).eval()
    save_file({name: value.contiguous() for name, value in theirs.state_dict().items()}, tmp_path / "w.safetensors")
    ours = CLIP("ViT-slim").eval()
    load_weights(ours, tmp_path / "w.safetensors")
    images, tokens = torch.randn(2, 3, 32, 32), open_clip.SimpleTokenizer(context_length=24)(["a cat", "two dogs"])
    with torch.no_grad():
        torch.testing.assert_close(ours.embed(images), theirs.encode_image(images))
        torch.testing.assert_close(ours.embed_text(tokens), theirs.encode_text(tokens))
        torch.testing.assert_close(1 / ours.temperature, theirs.logit_scale.exp())


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_fit_begins_with_the_weights_given_and_unlearn_with_the_file_as_original(ending: str, tmp_path: Path) -> None:
    given, path = make_learner("CLIP"), tmp_path / f"w.{ending}"
    state = {name: value + 0.01 for name, value in given.state_dict().items()}
    if ending == "pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    for verb in ("fit", "unlearn"):
        learner = make_learner("CLIP")
        learner.optimize_with(lambda parameters: torch.optim.SGD(parameters, lr=0.0))
        trainer = make_trainer(tmp_path / verb, max_epochs=1)
        if verb == "fit":
            trainer.fit(learner, datamodule=make_data(), weights=str(path))
        else:
            trainer.unlearn(learner, make_data(), str(path))
        for name, value in learner.named_parameters():
            torch.testing.assert_close(value.detach(), state[name], msg=name)


@pytest.mark.parametrize("scale", [7.0, -3.0])
def test_a_scale_out_of_range_is_brought_back_when_loaded_weights_are_trained(scale: float, tmp_path: Path) -> None:
    state = make_learner("CLIP").state_dict() | {"logit_scale": torch.tensor(scale)}
    torch.save(state, tmp_path / "w.pt")
    learner = make_learner("CLIP")
    make_trainer(max_epochs=1).fit(learner, datamodule=make_data(), weights=str(tmp_path / "w.pt"))
    assert 0.01 - 1e-6 <= float(learner.temperature.detach()) <= 1 + 1e-6


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "RN-slimm"}, "got 'RN-slimm'. Did you mean RN-slim"),
        ({"model": "nothing like it"}, "one of open_clip's models, got 'nothing like it'. Correct it"),
        ({"model": "roberta-ViT-B-32"}, "CLIP's own tokens"),
        ({"model": "coca_ViT-B-32"}, "two towers"),
        ({"model": "RN-slim", "image_size": 5}, "image_size that RN-slim accepts, got 5"),
        ({"temperature": 0.0}, "temperature from 0.01 to 1, got 0.0"),
    ],
)
def test_wrong_settings_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        CLIP(**options)


def test_without_open_clip_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearning_pl.learners.open_clip_towers.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"Run pip install 'unlearning-pl\[clip\]'"):
        build_towers("RN-slim")


def test_published_weights_that_cannot_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", fails)
    with pytest.raises(InputError, match=r"'openai' of RN50-quickgelu, got .* downloading them \(no network\)"):
        pretrained_path("RN50-quickgelu", "openai")
    monkeypatch.setattr("open_clip.pretrained.download_pretrained", lambda *_: "there.pt")
    assert pretrained_path("RN50-quickgelu", "openai") == "there.pt"
    assert pretrained_path("RN50", "runs/original") is None
    assert pretrained_path("RN-slim", "openai") is None


@pytest.mark.parametrize(
    ("model", "tag", "told"),
    [
        ("ViT-B-32", "openai", "QuickGELU, as the weights 'openai' were .* Choose ViT-B-32-quickgelu"),
        ("ViT-L-14", "laion2b_s32b_b82k", r"normalised as those of ViT-L-14, .* with mean \(0.5, 0.5, 0.5\)"),
    ],
)
def test_published_weights_of_a_model_that_computes_otherwise_are_refused(
    model: str, tag: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetched(*_: object) -> str:
        raise AssertionError("refused before anything is fetched")

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", fetched)
    with pytest.raises(InputError, match=told):
        pretrained_path(model, tag)


def test_what_lies_here_is_taken_before_what_is_published_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, learner = make_learner("CLIP"), make_learner("CLIP")
    (tmp_path / "openai/checkpoints").mkdir(parents=True)
    torch.save(given.state_dict(), tmp_path / "openai/checkpoints/last.ckpt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(type(learner), "pretrained_path", lambda *_: "fetched.pt")
    load_weights(learner, "openai")
    assert torch.equal(learner.logit_scale, given.logit_scale)
    assert torch.equal(next(learner.parameters()), next(given.parameters()))
    with pytest.raises(InputError, match=r"fetched\.pt"):
        load_weights(learner, "laion")
