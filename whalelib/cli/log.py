"""The experiment log, and the page of all runs."""

from __future__ import annotations

from typing import Annotated

import typer

from whalelib import experiment, ledger
from whalelib.cli.shared import AsJson, app, as_json, near


@app.command()
def log(
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 if log and results differ")] = False,
    page: Annotated[bool, typer.Option("--page", help="also write the page of all runs")] = False,
    json: AsJson = False,
) -> None:
    """Rebuild EXPERIMENT_LOG.md and its figures from the results. Example: whalelib log --page"""
    home = experiment.home()
    if check:
        differences = ledger.check(home)
        for sentence in differences:
            typer.secho(f"whalelib: {sentence}", err=True, fg=typer.colors.RED)
        if differences:
            typer.secho("whalelib: `whalelib log` writes it anew.", err=True, fg=typer.colors.RED)
        old = [] if differences else ledger.outdated(home)
        if json:
            as_json({"log": str(home / ledger.LOG), "differences": differences, "outdated": old})
        if differences:
            raise typer.Exit(1)
        if json:
            return
        typer.echo(f"{ledger.LOG} says what the results say.")
        if old:
            typer.echo(
                f"The code has changed since its marks were set: `whalelib log` would mark {', '.join(old)} anew."
            )
        return
    said = ledger.write_log(home)
    written = ledger.write_page(home) if page else None
    if json:
        as_json({"log": str(home / ledger.LOG), "said": said, "page": written})
        return
    for sentence in said:
        typer.echo(sentence)
    typer.echo(f"{near(home / ledger.LOG)} is up to date.")
    if written:
        typer.echo(f"Wrote {near(written)}.")
