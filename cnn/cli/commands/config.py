"""`cnn config`: what is running, for a bug report."""

from __future__ import annotations

from ..common import DebugOption, JsonOption, print_json, reports_errors


@reports_errors
def config(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show the level in use, OpenMP, threads and versions.

    Examples:

    \b
    cnn config
    cnn config --json
    """
    from ...backends import config as configuration

    if as_json:
        print_json(configuration.config())
    else:
        configuration.show_config()
