"""Markdown extension for the Sphinx markup of docstrings: roles become references, formulas become MathML.

Formulas are ``.. math::`` and ``:math:`` in docstrings, and ``$`...`$``, which GitHub renders, on the pages of docs/.

Browsers draw MathML themselves, so that formulas need neither a script nor a network.
"""

import html
import re
from collections.abc import Callable

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from typing_extensions import override

_CODE = re.compile(r"^ *(`{3,}).*?^ *\1`*$", re.MULTILINE | re.DOTALL)
_MATH = re.compile(r"^( *)\.\. math:: *(.*(?:\n\1 +\S.*)*)", re.MULTILINE)
_INLINE_MATH = re.compile(r":math:`([^`]+)`|\$`([^`]+)`\$")
_ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):`~?([\w.]+)`")
_LITERAL = re.compile(r"(?<!`)``(?!`)([^`\n]+)``(?!`)")


class SphinxMarkup(Extension):
    """Reads Sphinx roles and formulas.

    Args:
        resolve: Full name of a role's target, given as it is written; None if the site does not have it.
    """

    def __init__(self, resolve: Callable[[str], str | None]) -> None:
        super().__init__()
        self._resolve = resolve

    @override
    def extendMarkdown(self, md: Markdown) -> None:
        # after the ends of lines are set, which removes placeholders, and before code fences
        md.preprocessors.register(_Preprocessor(md, self._resolve), "sphinx_markup", 28)


class _Preprocessor(Preprocessor):
    def __init__(self, md: Markdown, resolve: Callable[[str], str | None]) -> None:
        super().__init__(md)
        self._resolve = resolve

    @override
    def run(self, lines: list[str]) -> list[str]:
        text, parts, end = "\n".join(lines), list[str](), 0
        for code in _CODE.finditer(text):
            parts += [self._convert(text[end : code.start()]), code[0]]
            end = code.end()
        return "".join([*parts, self._convert(text[end:])]).split("\n")

    def _convert(self, text: str) -> str:
        text = _MATH.sub(lambda match: f"\n{match[1]}{self._formula(match[2], 'block')}\n", text)
        text = _INLINE_MATH.sub(lambda match: self._formula(match[1] or match[2], "inline"), text)
        text = _ROLE.sub(lambda match: self._reference(match[1]), text)
        return _LITERAL.sub(lambda match: f"`{match[1]}`", text)

    def _formula(self, tex: str, display: str) -> str:
        math = convert(" ".join(tex.split()), display=display)
        if "\\" in re.sub("<[^>]*>", "", math):  # latex2mathml keeps a command that it does not know as text
            raise ValueError(f"Expected commands of LaTeX that latex2mathml converts, got {tex}. Write it differently.")
        return self.md.htmlStash.store(f'<div class="formula">{math}</div>' if display == "block" else math)

    def _reference(self, target: str) -> str:
        code = f"<code>{html.escape(target.rpartition('.')[2])}</code>"
        name = self._resolve(target)
        return self.md.htmlStash.store(f'<autoref identifier="{name}">{code}</autoref>' if name else code)
