"""Write the page of all prompts, `prompts.md`, from the tables.

python docs/prompts.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xray.backgrounds.inpainting.prompts import LIGHTS, published, worlds

INTRODUCTION = """# Prompts

What `generated_background` asks its painter for. `python docs/prompts.py` writes this page from the tables that the
program reads, and a test compares the two.

A category's own `prompts` in a recipe take the place of ours:

```yaml
categories:
  red fox: {indices: [277], prompts: [a frozen harbour at dusk, a tennis court after rain]}
```

## Ours (`prompts: ours`)

A plain place, its light, its depth of field. What every line was written for:

- It neither names the object nor implies it: inpainting would paint a second one, which many categories would count as
  right. So there is no garage around a car wheel, no market stall around fruit and no pasture around cattle.
- It is no class of ImageNet-1k: a model that answers *coral reef* or *library* to one would not be confused by the
  place, but right about it. No place names a class or its last word (a *bench*, for *park bench*), in singular or
  plural; a test compares them with all names and synonyms. What a painter adds unasked is not known beforehand.
- It implies neither people nor writing, which the default negative prompt forbids.

Where a category's members share a habitat or a use, it has six typical places and six atypical ones, told apart by
judgement, not by measurement. Both of one line share light and depth of field, so that the place alone differs;
variants 2k and 2k + 1 of a photograph are the two of one line. Broad categories (bovid, landbird, bigungulate,
carnivore, smallmammal, fowl, tool) have no one typical place: a seal's is no dog's. They have twelve of place `any`,
and `places: typical` is an error for them.

A prompt is `photo of place, light, depth of field`; no lens or camera is named, or one may be painted. Line 1 of the
red fox's typical ones:

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
    lines = [f"    {worlds()['red fox'][0].text}", "", "| line | light, depth of field |", "|---|---|"]
    lines += [f"| {line} | {light} |" for line, light in enumerate(LIGHTS, 1)]
    for name, prompts in worlds().items():
        if not name:
            lines += _listed("Every other category", "Places that go with anything", name)
        elif any(prompt.place == "any" for prompt in prompts):
            lines += _listed(name, "Not told apart", name)
        else:
            lines += _paired(name)
    rows = sorted(published().values(), key=lambda row: row["panel"])
    table = [f"| {row['panel']} | {row['category']} | {row['assigned']} | {row['text']} |" for row in rows]
    return INTRODUCTION + "\n".join(lines) + "\n" + PUBLISHED + "\n".join(table) + "\n"


def _paired(name: str) -> Iterator[str]:
    yield from ("", f"### {name}", "", "| line | typical | atypical |", "|---|---|---|")
    pairs = zip(_places(name, "typical"), _places(name, "atypical"), strict=True)
    yield from (f"| {line} | {one} | {other} |" for line, (one, other) in enumerate(pairs, 1))


def _listed(heading: str, what: str, name: str) -> Iterator[str]:
    yield from ("", f"### {heading}", "", f"{what}; line {len(LIGHTS) + 1} has the light of line 1 again.", "")
    yield from (f"{line}. {place}" for line, place in enumerate(_places(name, "any"), 1))


def _places(name: str, kind: str) -> Sequence[str]:
    texts = [prompt.text for prompt in worlds()[name] if prompt.place == kind]
    return [
        text.removeprefix("photo of ").removesuffix(f", {LIGHTS[line % len(LIGHTS)]}")
        for line, text in enumerate(texts)
    ]


if __name__ == "__main__":
    Path(__file__).with_name("prompts.md").write_text(page(), encoding="utf-8")
