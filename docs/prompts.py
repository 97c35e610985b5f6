"""Generate `prompts.md`, the page of all prompts.

python docs/prompts.py
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xray.backgrounds.inpainting.prompts import LIGHTS, our_prompts, published_prompts

INTRODUCTION = """# Prompts

The prompts of `generated_background`. `python docs/prompts.py` writes this page from the tables that xray reads; a test
compares the two.

A category's own `prompts` in the recipe replace ours:

```yaml
categories:
  red fox: {indices: [277], prompts: [a frozen harbour at dusk, a tennis court after rain]}
```

## Ours (`prompts: ours`)

Each prompt describes a plain place, its light and its depth of field. Every place follows three rules:

- It neither names nor implies the object: the model would generate a second one, which many categories would count as
  correct. So there is no garage around a car wheel, no market stall around fruit and no pasture around cattle.
- It is not a class of ImageNet-1k: a model that answers *coral reef* or *library* would be correct about the place, not
  distracted by it. No place contains a class name or its last word (a *bench*, for *park bench*), in singular or
  plural; a test compares them with all names and synonyms. What a diffusion model adds unasked is not known in advance.
- It implies neither people nor writing, which the default negative prompt excludes.

A category whose members share a habitat or a use has six typical and six atypical places, classified by judgement, not
by measurement. The typical and the atypical place of a line share light and depth of field, so that only the place
differs; variants 2k and 2k + 1 of a photograph are the two places of one line. Broad categories (the groups of the
animals sample, such as bird or carnivore) have no single typical place: a panda's is not a dog's. They have twelve of
place `any`, and `places: typical` is an error for them.

A prompt is `photo of place, light, depth of field`; it names no lens or camera, since the model may generate one.
Line 1 of the red fox's typical prompts:

"""

PUBLISHED = """
## Published (`prompts: fig14`)

The prompts of XIMAGENET-12 (Li et al., arXiv 2310.08182, Fig. 14), as printed, one per category. Several ask to keep
the *background* unchanged, the opposite of the scenario's purpose; they are included for fidelity. The figure does not
state which panel belongs to which category. *Certain* panels name the object, or a subject that fits no other category
as well. The others are *inferred*: two panels of the sea (c, f) for crayfish and anemone fish, which may be swapped;
green grass (d) for the dog; and two equal texts (a, k) for the two lizards, whose order does not matter.

| panel | category | assigned | prompt |
|---|---|---|---|
"""


def page() -> str:
    """Return the whole page as Markdown."""
    lines = [f"    {our_prompts()['red fox'][0].text}", "", "| line | light, depth of field |", "|---|---|"]
    lines += [f"| {line} | {light} |" for line, light in enumerate(LIGHTS, 1)]
    for name, prompts in our_prompts().items():
        if not name:
            lines += _listed("Every other category", "Places that suit any category", name)
        elif any(prompt.place == "any" for prompt in prompts):
            lines += _listed(name, "Places of any kind", name)
        else:
            lines += _paired(name)
    rows = sorted(published_prompts().values(), key=lambda row: row["panel"])
    table = [f"| {row['panel']} | {row['category']} | {row['assigned']} | {row['text']} |" for row in rows]
    return INTRODUCTION + "\n".join(lines) + "\n" + PUBLISHED + "\n".join(table) + "\n"


def _paired(name: str) -> Iterator[str]:
    yield from ("", f"### {name}", "", "| line | typical | atypical |", "|---|---|---|")
    pairs = zip(_places(name, "typical"), _places(name, "atypical"), strict=True)
    yield from (f"| {line} | {one} | {other} |" for line, (one, other) in enumerate(pairs, 1))


def _listed(heading: str, description: str, name: str) -> Iterator[str]:
    yield from ("", f"### {heading}", "", f"{description}; line {len(LIGHTS) + 1} has the light of line 1 again.", "")
    yield from (f"{line}. {place}" for line, place in enumerate(_places(name, "any"), 1))


def _places(name: str, kind: str) -> Sequence[str]:
    texts = [prompt.text for prompt in our_prompts()[name] if prompt.place == kind]
    return [
        text.removeprefix("photo of ").removesuffix(f", {LIGHTS[line % len(LIGHTS)]}")
        for line, text in enumerate(texts)
    ]


if __name__ == "__main__":
    Path(__file__).with_name("prompts.md").write_text(page(), encoding="utf-8")
