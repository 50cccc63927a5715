"""Checkpoints of a training on this machine: which are whole, which is the newest, which are averaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whalelib.train.recipe import Recipe

STATE = "trainer_state.json"  # the last file of a checkpoint to be written


def newest_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint whose last-written file is whole; broken ones, left by a kill, are removed."""
    whole = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            whole.append((state_of(checkpoint)["global_step"], checkpoint))
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint)
    return str(max(whole)[1]) if whole else None


def state_of(checkpoint: Path) -> dict[str, Any]:
    """What the Trainer wrote of a checkpoint: steps, the log so far, which was the best."""
    return json.loads((checkpoint / STATE).read_text(encoding="utf-8"))


def settle(checkpoint: Path) -> None:
    """Let a checkpoint know where the best one lies now: the folder may have come from another place or machine."""
    state = state_of(checkpoint)
    if state.get("best_global_step"):
        best = checkpoint.parent / f"checkpoint-{state['best_global_step']}"
        if state.get("best_model_checkpoint") != str(best) and best.is_dir():
            state["best_model_checkpoint"] = str(best)
            part = checkpoint / f"{STATE}.part"
            part.write_text(json.dumps(state, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            part.replace(checkpoint / STATE)


def stopped_early(checkpoint: Path, patience: int) -> bool:
    """Had the training that left this checkpoint run out of patience?"""
    told = state_of(checkpoint).get("stateful_callbacks", {}).get("EarlyStoppingCallback", {})
    told = told[0] if isinstance(told, list) else told
    return bool(patience) and told.get("attributes", {}).get("early_stopping_patience_counter", 0) >= patience


def to_average(folder: Path, log: list[Mapping[str, Any]], recipe: Recipe) -> list[Path]:
    """The checkpoints of the last or the best epochs, oldest first."""
    judged = [(row[f"eval_{recipe.choose_by}"], row["step"]) for row in log if f"eval_{recipe.choose_by}" in row]
    if recipe.average == "best":  # of equals the earlier, as where one is kept
        judged.sort(key=lambda score: score[0], reverse=not recipe.smaller_is_better)
        judged = judged[: recipe.averaged]
    chosen = sorted(step for _, step in judged[-recipe.averaged :])
    return [folder / f"checkpoint-{step}" for step in chosen]
