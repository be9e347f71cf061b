"""What would read a y that it must not see through its sources: a blend that learns, beside what that one is made of,
and pseudo-labels of a model that has seen the held rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kit import registry
from kit.levels import below
from kit.plugs import Plugs
from kit.recipe import Blend, Model


def check(reader: Plugs, models: Sequence[Model], blends: Sequence[Blend]) -> None:
    """Note what would read such a y."""
    _check_blends(reader, blends)
    _check_teachers(reader, models, {b.name for b in blends})


def _check_blends(reader: Plugs, blends: Sequence[Blend]) -> None:
    """Note each blend that learns weights over another such blend and that one's own sources.

    Out of fold the weights of the inner blend change with the fold by what y says, on test they do not. Beside its
    sources that change is a direction of its own, which an outer blend enlarges. A stacker that learns nothing (mean,
    weighted, ...) enlarges nothing, and inside it leaves nothing to be found: these go together with anything.
    """
    needs = {b.name: b.needs for b in blends}
    learns = {b.name for b in blends if _learns(b)}
    for blend in (b for b in blends if b.name in learns):
        found = _inner(blend, learns, needs)
        if found is not None:
            inner, own = found
            others = [s for s in blend.sources if s not in own]
            reader.add(
                "a blend that learns its weights cannot read another such blend beside that one's own sources",
                ("blend", blend.name, "from"),
                got=f"{inner} beside {', '.join(own)}, which it is made of",
                next=f"from: [{', '.join(others)}], or the models without {inner}, or use: mean",
            )


def _check_teachers(reader: Plugs, models: Sequence[Model], blends: Collection[str]) -> None:
    """Note each pseudo-label whose model has, for some fold, seen the y that this fold holds."""
    known = {m.name: m for m in models}
    for model in models:
        for name in model.teachers:
            teacher = known.get(name)
            if teacher is None and name not in blends:
                continue  # there is no such source, which is noted elsewhere
            if teacher is None:
                got, advice = f"{name}, a blend", "name one of the models it is made of"
            elif teacher.reads:
                got, advice = f"{name}, which reads {', '.join(teacher.reads)}", f"source: {teacher.reads[0]}"
            elif teacher.refit:
                got = f"{name}, which predicts test by a fit on all rows"
                advice = f"models: {{{name}: {{refit: false}}}}"
            else:
                continue
            at = ("models", model.name, "augment")
            reader.add("pseudo-labels come from a model that has not seen the held rows", at, got=got, next=advice)


def _learns(blend: Blend) -> bool:
    """Return whether a blend weighs several sources by y."""
    return len(blend.sources) > 1 and registry.learns(blend.plug.use)


def _inner(blend: Blend, learns: set[str], needs: Mapping[str, Sequence[str]]) -> tuple[str, list[str]] | None:
    """Return a source that is made of others of the blend's sources by weights that were learnt, and these others."""
    for source in blend.sources:
        made_of = set[str]().union(*(below(name, needs) - {name} for name in below(source, needs) & learns))
        own = [s for s in blend.sources if s in made_of and s != source]
        if own:
            return source, own
    return None
