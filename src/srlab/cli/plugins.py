"""A Hydra plugin that finds the configurations of third-party packages."""

from __future__ import annotations

import importlib.util
from importlib.metadata import EntryPoint, entry_points

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from srlab.mistakes import Mistake


class ThirdPartyConfigs(SearchPathPlugin):
    """Puts the YAML folders of other packages on Hydra's search path.

    Packages declare their folders as entry points of the group ``srlab.conf``. The value of an
    entry point is a package or folder, such as ``theirs.conf``.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append each folder."""
        for point in entry_points(group="srlab.conf"):
            for folder in _folders(point):
                search_path.append(provider=point.name, path=f"file://{folder}")


def _folders(point: EntryPoint) -> list[str]:
    try:
        found = importlib.util.find_spec(point.value)
    except ModuleNotFoundError as error:
        raise Mistake(
            f"{point.name} declares its configurations at {point.value}, which is not there: mend "
            "its entry point of the group srlab.conf, or uninstall it."
        ) from error
    if found is None:
        return []
    return [*(found.submodule_search_locations or ())]
