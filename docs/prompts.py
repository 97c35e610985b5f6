"""Write the page of all prompts, `prompts.md`, from the tables.

python docs/prompts.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xray.backgrounds.prompts import LIGHTS, published, worlds

INTRODUCTION = """# Prompts

What `generated_background` asks its painter for. `python docs/prompts.py` writes this page from the tables that the
program reads, and a test compares the two.

A category's own `prompts` in a recipe take the place of ours:

```yaml
categories:
  red fox: {indices: [277], prompts: [a frozen harbour at dusk, a tennis court after rain]}
```

## Ours (`prompts: ours`)

A place, its light, its lens. Neither the object nor people are ever named: inpainting would paint them. Each category
has six typical places, where it is usually photographed, and six atypical ones, where it is not. Typical and atypical
places of one line share light and lens, so that the place alone differs. A prompt is `place, light, lens, photograph`.
Line 1 of the red fox's typical ones:

"""

PUBLISHED = """
## Published (`prompts: fig14`)

The prompts of XIMAGENET-12 (Li et al., arXiv 2310.08182, Fig. 14), as printed, one a category. Several ask to keep the
*background* unchanged, the opposite of the scenario's purpose; they are here for fidelity. The figure does not say
which panel belongs to which category. *Certain* are those that name the object or a subject that no other category fits
as well. The rest is *inferred*: two panels of the sea (c, f) for crayfish and anemone fish, which may be the other way
round; green grass (d) for the dog; and two equal texts (a, k) for the two lizards, whose order does not matter.

| panel | category | assigned | prompt |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, Markdown."""
    lines = [f"    {worlds()['red fox'][0].text}", "", "| line | light, lens |", "|---|---|"]
    lines += [f"| {line} | {light} |" for line, light in enumerate(LIGHTS, 1)]
    for name in worlds():
        lines += _section(name) if name else _general()
    rows = sorted(published().values(), key=lambda row: row["panel"])
    table = [f"| {row['panel']} | {row['category']} | {row['assigned']} | {row['text']} |" for row in rows]
    return INTRODUCTION + "\n".join(lines) + "\n" + PUBLISHED + "\n".join(table) + "\n"


def _section(name: str) -> Iterator[str]:
    yield from ("", f"### {name}", "", "| line | typical | atypical |", "|---|---|---|")
    pairs = zip(_places(name, "typical"), _places(name, "atypical"), strict=True)
    yield from (f"| {line} | {one} | {other} |" for line, (one, other) in enumerate(pairs, 1))


def _general() -> Iterator[str]:
    yield from ("", "### Every other category", "", "Places that go with anything; line 7 has the light of line 1.", "")
    yield from (f"{line}. {place}" for line, place in enumerate(_places("", "any"), 1))


def _places(name: str, kind: str) -> Sequence[str]:
    texts = [prompt.text for prompt in worlds()[name] if prompt.place == kind]
    return [text.removesuffix(f", {LIGHTS[line % len(LIGHTS)]}, photograph") for line, text in enumerate(texts)]


if __name__ == "__main__":
    Path(__file__).with_name("prompts.md").write_text(page(), encoding="utf-8")
