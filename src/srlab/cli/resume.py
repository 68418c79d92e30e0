"""Resuming of a run in its folder, from its checkpoint and with its configuration."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from srlab.cli.arguments import quoted, sweeping
from srlab.cli.configuration import composed
from srlab.mistakes import ExistingFile, MissingFile, Mistake
from srlab.training.processes.folder import is_held, refuse_held
from srlab.training.status import read_status

LAST = Path("checkpoints") / "last.ckpt"
CONFIG = "config.yaml"

FREE = ("loader.num_workers", "cache")
"""Keys that may differ in a resumed run, including all below them: no result depends on them."""


def resumed(arguments: Sequence[str], *, alone: bool = True) -> list[str]:
    """Return the command line of the run to resume; without ``resume=``, the same line, quoted.

    ``resume=last`` means the last checkpoint in ``hydra.run.dir=``. Without this key, it is the
    last checkpoint of the newest unfinished run of this name. ``resume=PATH`` names a checkpoint in
    a run's folder. All other settings on the command line must agree with the configuration of the
    run, except for `FREE`.

    Raises a `Mistake` if they do not agree, or if there is nothing to resume. If `alone`, this
    process is the first of its run. Then another process that trains in the folder also raises one.
    """
    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    resume = values.get("resume", "null")
    folder = Path(values["hydra.run.dir"]) if "hydra.run.dir" in values else None
    if resume in ("", "null"):
        if folder is not None:
            if alone:
                refuse_held(folder)  # before Hydra overwrites its files there
            _refuse_started(folder)
        return quoted(arguments)

    if sweeping(arguments):
        raise Mistake("resume= goes on with one run; it cannot be combined with -m or sweep=.")
    taken = ("resume", "hydra.run.dir")
    given = [argument for argument in quoted(arguments) if _key(argument) not in taken]
    checkpoint = _last(folder, given) if resume == "last" else Path(os.path.expanduser(resume))
    folder = _run_folder(checkpoint)
    if alone:
        refuse_held(folder)

    stored = [str(line) for line in _read(folder / ".hydra" / "overrides.yaml")]
    chosen_anew = ("resume", *({*map(_key, given)} & {*FREE}))
    kept = [line for line in stored if not _is_under(_key(line), chosen_anew)]
    own = [*_search_path(folder), *kept]
    _refuse_differences(own, [line for line in given if not line.startswith("-")], folder)
    free = [argument for argument in given if _is_under(_key(argument), FREE)]
    where = quoted([f"hydra.run.dir={folder}", f"resume={checkpoint}"])
    return [*own, *free, *where, "hydra.mode=RUN"]


def begin(config: DictConfig, folder: Path) -> tuple[DictConfig, dict[str, Any] | None]:
    """Return the configuration of a run, and the checkpoint's contents if it is resumed.

    A resumed run uses its stored configuration. Its loggers drop values after the checkpoint.
    """
    if not config.resume:
        _refuse_started(folder)
        return config, None

    from srlab.models.bundle import load_checkpoint  # torch is imported only where it is needed

    state = load_checkpoint(config.resume)
    stored = _stored_config(folder, config)
    for node in stored.logger.values():
        if node is not None and "purge_step" in node:
            node.purge_step = state["global_step"] + 1
    return stored, state


def _refuse_started(folder: Path) -> None:
    if (folder / LAST).exists():
        raise ExistingFile(
            f"{folder} already holds a run; go on with it by resume=last, or choose another "
            "hydra.run.dir."
        )


def _stored_config(folder: Path, now: DictConfig) -> DictConfig:
    """Return the configuration of the run in `folder`, with the `FREE` keys of `now`."""
    config = _read(folder / CONFIG)
    assert isinstance(config, DictConfig)
    config.resume = now.resume
    for key in FREE:
        OmegaConf.update(config, key, OmegaConf.select(now, key), merge=False)
    return config


def _search_path(folder: Path) -> list[str]:
    """Return the override of Hydra's search path, if the run's command line had one."""
    hydra = _read(folder / ".hydra" / "hydra.yaml").hydra
    lines = map(str, hydra.overrides.hydra)
    return [line for line in lines if _key(line) == "hydra.searchpath"]


def _key(argument: str) -> str:
    return argument.partition("=")[0].lstrip("+")


def _is_under(key: str, keys: Sequence[str]) -> bool:
    """Whether a key is one of `keys`, or below one."""
    return any(f"{key}.".startswith(f"{each}.") for each in keys)


def _last(folder: Path | None, overrides: Sequence[str]) -> Path:
    """Return the last checkpoint of a folder, or of the newest unfinished run of this name."""
    if folder is not None:
        if not (folder / LAST).is_file():
            raise MissingFile(f"there is nothing to resume in {folder}: it has no {LAST}.")
        return folder / LAST
    config = composed("train", overrides, with_hydra=True)
    HydraConfig.instance().set_config(config)
    runs = Path(config.hydra.run.dir).parent
    found = newest_unfinished(path for path in runs.glob("*") if (path / CONFIG).is_file())
    if found is None:
        raise MissingFile(
            f"there is nothing to resume: {runs} has no unfinished run with a checkpoint; name the "
            "run's folder by hydra.run.dir=."
        )
    return found / LAST


def newest_unfinished(folders: Iterable[Path]) -> Path | None:
    """Return the run with the newest last checkpoint that has not ended and is not running.

    A run that diverged has ended; it is resumed only if its folder is given.
    """
    started = [folder for folder in folders if (folder / LAST).is_file()]
    for folder in sorted(started, key=lambda run: (run / LAST).stat().st_mtime, reverse=True):
        if read_status(folder) is None and not is_held(folder):
            return folder
    return None


def _finished(checkpoint: Path, folder: Path) -> bool:
    """Whether a run is complete.

    A run that was killed before it wrote its status is not: it still has to write it.
    """
    ended = read_status(folder)
    if ended is None or ended.status == "stopped early":
        return ended is not None

    from srlab.models.bundle import load_checkpoint  # torch is imported only where it is needed

    steps = load_checkpoint(checkpoint)["global_step"]
    return bool(steps >= _read(folder / CONFIG).trainer.max_steps)


def _read(path: Path) -> Any:
    """Read a YAML of the run's folder; raises a `Mistake` if it cannot be read."""
    try:
        return OmegaConf.load(path)
    except Exception as error:  # errors of YAML, of decoding and of the file system
        raise Mistake(
            f"{path} cannot be read ({' '.join(str(error).split())}): put it back as it was, or "
            "start a new run from the weights by weights=."
        ) from error


def _run_folder(checkpoint: Path) -> Path:
    """Return the folder of a checkpoint's run; raises a `Mistake` if it cannot be resumed."""
    if not checkpoint.is_file():
        raise MissingFile(f"there is nothing to resume: {checkpoint} does not exist.")
    folder = checkpoint.parent.parent
    if not (folder / CONFIG).is_file() or not (folder / ".hydra" / "overrides.yaml").is_file():
        raise Mistake(
            f"{checkpoint} does not lie in a run's folder: {folder} has no {CONFIG}. To start a "
            "new run from its weights, use weights= instead of resume=."
        )
    if _finished(checkpoint, folder):
        raise Mistake(
            f"the run in {folder} is finished; to train on from its weights, use "
            f"weights={checkpoint} and another hydra.run.dir."
        )
    return folder


def _refuse_differences(own: Sequence[str], given: Sequence[str], folder: Path) -> None:
    stored = _plain(composed("train", own, with_hydra=True))
    wanted = _plain(composed("train", [*own, *given], with_hydra=True))
    lines = "; ".join(_differences(stored, wanted))
    if lines:
        raise Mistake(
            f"a resumed run keeps its configuration ({folder / CONFIG}), but the command line "
            f"differs: {lines}. Leave these out, or start a new run from its weights by weights=."
        )


def _plain(config: DictConfig) -> dict[Any, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    plain.pop("hydra")
    return plain


def _differences(stored: object, wanted: object, prefix: str = "") -> Iterator[str]:
    """Yield a line for each value in which two configurations differ."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in sorted({*stored, *wanted}, key=str):
            inner = f"{prefix}.{key}".lstrip(".")
            yield from _differences(stored.get(key), wanted.get(key), inner)
    elif stored != wanted and not _is_under(prefix, FREE):
        yield f"{prefix} is {stored} in the run and {wanted} on the command line"
