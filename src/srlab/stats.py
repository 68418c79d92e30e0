"""``python -m srlab.stats``: the values of a source's files, and a normaliser that fits them."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from omegaconf import DictConfig

from srlab.cli.arguments import quoted
from srlab.cli.command import prepare, run
from srlab.cli.settings import check_axes, check_bands
from srlab.cli.termination import cleaned_up_if_stopped
from srlab.mistakes import Mistake

log = logging.getLogger(__name__)


def stats(config: DictConfig) -> None:
    """Print a table of the values of all files, and draw their histograms."""
    outputs = _outputs(config)
    # Only now is torch imported, which takes seconds.
    from srlab.cli.building import built
    from srlab.cli.following import check_masks, follow_files, is_chosen
    from srlab.files import replaced
    from srlab.report.histogram_chart import draw
    from srlab.report.suggestion import suggested
    from srlab.report.values import of_source, table

    check_axes(config, "scale")
    check_bands(config)
    check_masks(config)
    for group in ("normaliser", "degradation", "split"):
        if is_chosen(group):
            raise Mistake(f"{group}= changes nothing here: files are measured as they are.")
    follow_files(config)
    data = built(config.data)
    groups = of_source(data, progress=True)
    files = len(groups[0].files)
    log.info("%d %s; unit: %s; full scale: %g", files, "files" if files > 1 else "file",
             data.unit or "unknown", data.data_range)  # fmt: skip
    log.info("%s", table(groups))
    suggestion = suggested(groups, unit=data.unit, data_range=data.data_range)
    log.info("suggested: %s\n  %s", suggestion.choice, suggestion.reason)
    if "output" in outputs:
        with replaced(outputs["output"]) as unfinished:
            draw(groups, unfinished, unit=data.unit)
        log.info("wrote %s", config.output)
    if "json" in outputs:
        tables = {values.title or "files": values.to_json() for values in groups}
        tables["suggestion"] = vars(suggestion)
        with replaced(outputs["json"]) as unfinished:
            unfinished.write_text(json.dumps(tables, allow_nan=False))
        log.info("wrote %s", config.json)


def _outputs(config: DictConfig) -> dict[str, Path]:
    """Return the paths to write to, by their keys; raises a `Mistake` if one cannot be written."""
    from srlab.files import new_file

    outputs = {}
    for key, ending in (("output", ".png"), ("json", ".json")):
        if config[key] is None:
            continue
        outputs[key] = new_file(config[key], overwrite=config.overwrite)
        if outputs[key].suffix.lower() != ending:
            raise Mistake(f"{key} is {config[key]}; its name must end in {ending}.")
    return outputs


def main() -> None:
    """Run the command."""
    prepare()
    with cleaned_up_if_stopped():
        run(
            stats,
            config_name="stats",
            settings="srlab.cli.settings.StatsSettings",
            arguments=quoted(sys.argv[1:]),
        )


if __name__ == "__main__":
    main()
