"""Captions as tokens, in the pool and in a step."""

import pytest
import torch
from open_clip import SimpleTokenizer, decode
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.data import Digits, ForgetRequest, UnlearningData
from unlearning_pl.data.captions import Captions, tokenize
from unlearning_pl.errors import InputError

TEXTS = [("a cat",), ("a dog", "a brown dog", "it barks"), ("two birds", "they sing")]


def words(tokens: torch.Tensor) -> str:
    return decode(tokens).replace("<start_of_text>", "").partition("<end_of_text>")[0].strip()


def test_captions_keep_their_images_and_their_order() -> None:
    captions, index = Captions(TEXTS, 12), torch.tensor([2, 0, 1])
    assert [words(row) for row in captions.first(index)] == ["two birds", "a cat", "a dog"]
    everything = captions.all(index)
    assert [[words(row) for row in rows if row.any()] for rows in everything] == [list(TEXTS[i]) for i in index]
    assert everything.shape == (3, 3, 12)


def test_every_caption_is_drawn_equally_often_and_none_of_another_image() -> None:
    drawn = [words(row) for row in Captions(TEXTS, 12).draw(torch.tensor([0, 1, 2]).repeat(2000))]
    counts = {text: drawn.count(text) for text in set(drawn)}
    assert set(counts) == {text for texts in TEXTS for text in texts}
    for texts in TEXTS:
        for text in texts:
            assert counts[text] == pytest.approx(2000 / len(texts), abs=150)


def test_tokens_are_open_clips_and_many_are_made_like_few() -> None:
    texts = [f"photo number {row}" for row in range(5000)]
    made = tokenize(texts, 9)
    assert made.dtype == torch.int32
    assert torch.equal(made[4095:4098].long(), SimpleTokenizer(context_length=9)(texts[4095:4098]))
    cut = tokenize(["one two three four five six seven eight nine ten"], 5)[0]
    assert (words(cut), int(cut[-1])) == ("one two three", 49407)


def test_a_step_draws_captions_and_an_evaluation_takes_the_first() -> None:
    data, learner = make_data(), make_learner("CLIP")
    seen: list[tuple[bool, torch.Tensor, torch.Tensor]] = []
    losses = learner.losses

    def watching(outputs: object, sample: object) -> torch.Tensor:
        seen.append((learner.training, sample.index, sample.text))
        return losses(outputs, sample)

    learner.losses = watching
    make_trainer(max_epochs=2, logger=False).fit(learner, datamodule=data)
    captions = data.pool.text(24)
    for training, index, text in seen:
        own = (captions.all(index) == text[:, None]).all(2)
        assert own.any(1).all()
        assert training or own[:, 0].all()
    drawn = torch.cat([(captions.first(index) == text).all(1) for training, index, text in seen if training])
    assert 0.2 < float(drawn.double().mean()) < 0.8
    assert not all(training for training, *_ in seen)


def test_a_learner_without_text_gets_none() -> None:
    data, learner = make_data(), make_learner("SimCLR")
    texts: list[object] = []
    objective = learner.objective
    learner.objective = lambda module, batch: texts.append(batch["train"].text) or objective(module, batch)
    make_trainer(max_epochs=1, logger=False).fit(learner, datamodule=data)
    assert set(texts) == {None}


def test_images_without_captions_are_refused_before_anything_is_written(tmp_path: pytest.TempPathFactory) -> None:
    data = UnlearningData(Digits(train_size=48, image_size=8), forget=ForgetRequest(count=8), batch_size=16)
    with pytest.raises(InputError, match="images with captions for a learner that reads text, got a source without"):
        make_trainer(tmp_path / "run").fit(make_learner("CLIP"), datamodule=data)
    assert not (tmp_path / "run").exists()


def test_descriptions_of_the_classes_are_the_sources_templates() -> None:
    prompts = make_data().prompts(24)
    assert prompts.shape == (10, 2, 24)
    assert [words(tokens) for tokens in prompts[7]] == ["the number 7", "a 7"]
    assert make_data().prompts(None) is None
