"""The command that opens the notebooks."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from whalelib import experiment
from whalelib.cli.shared import app
from whalelib.errors import needs_extra

_FIRST = "00_quickstart.ipynb"


@app.command(context_settings={"ignore_unknown_options": True})
def lab(
    options: Annotated[list[str] | None, typer.Argument(help="handed on to JupyterLab", show_default=False)] = None,
) -> None:
    """The notebooks in JupyterLab, ready to run. Example: whalelib lab --no-browser --port=8890

    The home's notebooks are opened (it is given its own copies where it has none), with the Python that runs this
    command, and what they make lies in the home, as if `whalelib run` had made it.
    """
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise needs_extra("jupyterlab", "notebooks") from None
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # a kernel called python3 elsewhere is another Python
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # several notebooks at once, as in `whalelib run`
    folder = experiment.notebooks()
    first = f"--LabApp.default_url=/lab/tree/{folder.name}/{_FIRST}"
    LabApp.launch_instance([f"--ServerApp.root_dir={folder.parent}", first, *(options or [])])
