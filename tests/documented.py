"""The commands that a page shows, without the name of the program."""

import re


def commands(text: str) -> list[str]:
    text = re.sub(r"^.*docker/slurm/train\.sbatch (.*?)[)\"]?$", r"unlearning-pl \1", text, flags=re.MULTILINE)
    blocks = re.findall(r"```(?:ba)?sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line.removeprefix("unlearning-pl ") for line in lines if line.startswith("unlearning-pl ")]
