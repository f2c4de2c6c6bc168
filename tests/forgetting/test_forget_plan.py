"""The single commands of the documents are those that the one command runs."""

import re
from pathlib import Path

from unlearning_pl.forgetting.forget_plan import ForgetPlan, command_line
from unlearning_pl.forgetting.image_layout import Layout
from unlearning_pl.forgetting.recipe import default_recipe
from unlearning_pl.learners import Classifier

DOCS = Path(__file__).parents[2]


def test_the_page_has_the_commands_of_a_torchvision_resnet() -> None:
    recipe = default_recipe(Classifier("torchvision/resnet18", 10), side=224)
    layout = Layout("Folder", "photos/train", "photos/test")
    plan = ForgetPlan("resnet18.pt", "result", [*layout.options(), *recipe.data], recipe.unlearn, [])
    lines = [command_line(words) for words in plan.steps().values()]
    page = (DOCS / "docs" / "forget.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL)
    assert blocks[1].splitlines() == lines
    readme = (DOCS / "README.md").read_text()
    for line in lines:
        assert any(line.startswith(part.removesuffix(" ...")) for part in re.findall(r"^    (unl.*)", readme, re.M))


def test_the_export_has_a_suffix_that_tells_its_format() -> None:
    assert ForgetPlan("a/w.safetensors", "out", [], [], []).export == Path("out/w_unlearned.safetensors")
    assert ForgetPlan("a/pytorch_model.bin", "out", [], [], []).export == Path("out/pytorch_model_unlearned.pt")
