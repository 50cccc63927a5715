"""The experiment log, and the page of all runs."""

from __future__ import annotations

from typing import Annotated

import typer

from whalelib import experiment, ledger
from whalelib.cli.shared import app, near


@app.command()
def log(
    check: Annotated[bool, typer.Option("--check", help="write nothing; exit 1 if log and results differ")] = False,
    page: Annotated[bool, typer.Option("--page", help="also write the page of all runs")] = False,
) -> None:
    """Rebuild EXPERIMENT_LOG.md and its figures from the results. Example: whalelib log --page"""
    home = experiment.home()
    if check:
        differences = ledger.check(home)
        for sentence in differences:
            typer.secho(f"whalelib: {sentence}", err=True, fg=typer.colors.RED)
        if differences:
            typer.secho("whalelib: `whalelib log` writes it anew.", err=True, fg=typer.colors.RED)
            raise typer.Exit(1)
        typer.echo(f"{ledger.LOG} says what the results say.")
        if old := ledger.outdated(home):
            typer.echo(
                f"The code has changed since its marks were set: `whalelib log` would mark {', '.join(old)} anew."
            )
        return
    for sentence in ledger.write_log(home):
        typer.echo(sentence)
    typer.echo(f"{near(home / ledger.LOG)} is up to date.")
    if page:
        typer.echo(f"Wrote {near(ledger.write_page(home))}.")
