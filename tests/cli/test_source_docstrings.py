"""What the source documents is what the imported classes document."""

import inspect

import pytest

from unlearning_pl import data, learners, methods
from unlearning_pl.cli.source_docstrings import documented, exported


@pytest.mark.parametrize("package", [data, learners, methods])
def test_summaries_and_defaults_are_those_of_the_classes(package: object) -> None:
    classes = {name: one for name in package.__all__ if inspect.isclass(one := getattr(package, name))}
    read = exported(package.__name__.rpartition(".")[2])
    assert read.keys() == classes.keys()
    for name, one in classes.items():
        assert read[name].summary == inspect.getdoc(one).splitlines()[0]
        assert read[name].bases == tuple(base.__name__ for base in one.__bases__ if base is not object) or (
            {"nn.Module", "NamedTuple"} & {*read[name].bases}
        )
        if "__init__" in vars(one) and not hasattr(one, "_fields"):
            parameters = inspect.signature(one).parameters
            assert {key: value.default for key, value in parameters.items() if key in read[name].defaults} == {
                key: value for key, value in read[name].defaults.items() if key in parameters
            }


def test_an_argument_has_its_whole_text_on_one_line() -> None:
    text = documented("training/trainer.py", "UnlearningTrainer.unlearn").arguments["original"]
    assert text.startswith("The original's run folder, or a checkpoint of it. If the run in the folder has forgotten")
    assert text.endswith("unlearning continues with that run's own request.")
    assert documented("data/datamodule.py", "UnlearningData").arguments.keys() == (
        inspect.signature(data.UnlearningData).parameters.keys()
    )


def test_a_class_that_a_file_lacks_is_an_error() -> None:
    with pytest.raises(KeyError):
        documented("data/datamodule.py", "UnlearningDat")


@pytest.mark.parametrize(("package", "one"), [(data, data.ForgetRequest), (methods, methods.AlignmentCalibration)])
def test_no_default_is_lost(package: object, one: type) -> None:
    defaults = {key: value.default for key, value in inspect.signature(one).parameters.items()}
    assert exported(package.__name__.rpartition(".")[2])[one.__name__].defaults == defaults
