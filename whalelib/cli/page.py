"""The command that serves the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whalelib.cli.shared import app, trained

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.command("app")
def serve(
    model: Annotated[str, typer.Argument(help="a run's folder, a detector's or transcriber's, or a name on the hub")],
    corrections: Annotated[Path, typer.Option(help="where corrections are saved")] = Path("corrections"),
    minutes: Annotated[float, typer.Option(min=0.1, help="longest recording that is taken, in minutes")] = 60.0,
    megabytes: Annotated[float, typer.Option(min=0.1, help="largest file that is taken, in MB")] = 500.0,
    host: Annotated[str, typer.Option(help="address to serve at; this machine alone unless told otherwise")] = (
        "127.0.0.1"
    ),
    detector: Annotated[bool, typer.Option("--detector", help="of a run with a transcriber, its detector")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to serve at; 0: the first free one")] = 0,
    browser: Annotated[bool, typer.Option(help="open the page in a browser")] = True,
) -> None:
    """A page to drop recordings on: see, hear, mend. Example: whalelib app experiments/demo/seed=0"""
    from whalelib.app import serving
    from whalelib.app.limits import Limits
    from whalelib.app.opening import opened

    ear = opened(trained(model), detector)
    if host not in _LOOPBACK:
        typer.secho(f"Whoever reaches {host} can use the page, and save corrections.", err=True, fg="yellow")
    where = {"server_name": host, "server_port": port or None, "inbrowser": browser}
    with serving.served(ear, Limits(minutes, megabytes), corrections, **where) as address:
        typer.echo(f"The page is at {address} until Ctrl-C; corrections go to {corrections}.")
        serving.wait()
