import torch

from unlearning_pl.types import Sample, concat_streams


def rows(start: int, n: int) -> Sample:
    index = torch.arange(start, start + n)
    return Sample((index.float()[:, None], -index.float()[:, None]), index % 3, index)


def test_joint_keeps_rows_together_and_marks_those_to_forget() -> None:
    sample, forget = concat_streams({"retain": rows(0, 3), "forget": rows(10, 2)})
    assert sample.index.tolist() == [0, 1, 2, 10, 11]
    assert forget.tolist() == [False, False, False, True, True]
    assert torch.equal(sample.views[0][:, 0], sample.index.float())
    assert torch.equal(sample.views[1][:, 0], -sample.index.float())
    assert torch.equal(sample.target, sample.index % 3)


def test_rows_of_the_training_stream_are_not_to_forget() -> None:
    _, forget = concat_streams({"train": rows(0, 4)})
    assert not forget.any()
