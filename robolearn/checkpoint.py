"""Checkpoints of a run and the deployable policy bundle: written whole or not at all, checked before they are used.

A checkpoint is a folder `<step>/` with one file a part and the marker `DONE`, which lists size and CRC-32 of each file;
`latest` beside it names the newest. A bundle is `policy.safetensors`, `config.yaml` and `spec.json`, which does the same.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from robolearn.core.errors import CheckpointError, RobolearnError
from robolearn.core.files import FolderWriter, replace_file, settle_folder, verify_folder, write_folder
from robolearn.core.specs import EnvSpec
from robolearn.core.types import Array

DONE = "DONE"
LATEST = "latest"
WEIGHTS, SPEC, CONFIG = "policy.safetensors", "spec.json", "config.yaml"
CHECKPOINT_SCHEMA = "robolearn-checkpoint/1"
BUNDLE_SCHEMA = "robolearn-policy/1"
_ARRAY = "__ndarray__"


@dataclass(kw_only=True, slots=True, frozen=True)
class Bundle:
    """A policy that can be deployed."""

    state: dict[str, Array]
    """Weights by name, as `Agent.policy_state` returned them."""
    spec: EnvSpec
    """What the policy was trained for; compare it with `EnvSpec.require_same`."""
    step: int
    """Env steps of training behind it."""
    config: str
    """The resolved configuration of the run, YAML."""


def save(directory: Path, step: int, parts: Mapping[str, Mapping[str, object]], keep: int) -> Path:
    """Write a checkpoint, point `latest` at it and delete the oldest beyond `keep`.

    A checkpoint of the same step is replaced, and later ones go: a resumed run has left them behind. Interrupting this function at any moment leaves the earlier ones intact.

    Args:
        directory: The folder of all checkpoints of a run.
        step: Env steps so far; names the checkpoint.
        parts: State by part name (`agent`, `replay`, `loop`, ...): nested dicts, lists and tuples of tensors, arrays,
            strings, numbers, bytes and None. Arrays come back as arrays, NumPy scalars as Python numbers.
        keep: How many checkpoints stay, at least 1.

    Returns:
        The folder of the new checkpoint.

    Raises:
        CheckpointError: If a value cannot be stored without pickle, or the disk is full; nothing is left then.
    """
    import torch

    plain = {name: _encode(state, name) for name, state in parts.items()}

    def fill(folder: FolderWriter) -> None:
        for name, state in plain.items():
            with folder.open(f"{name}.pt") as file:
                torch.save(state, file)

    directory = Path(directory)
    target = directory / str(step)
    write_folder(target, DONE, {"schema": CHECKPOINT_SCHEMA, "step": step}, fill)
    replace_file(directory / LATEST, f"{step}\n")
    known = steps(directory)
    kept = [other for other in known if other <= step][-max(keep, 1) :]
    for other in set(known) - set(kept):
        # without its marker a half-deleted checkpoint is no checkpoint
        (directory / str(other) / DONE).unlink(missing_ok=True)
        shutil.rmtree(directory / str(other), ignore_errors=True)
    return target


def load(directory: Path, step: int | None = None) -> dict[str, dict[str, object]]:
    """Return the parts of a checkpoint, tensors on the CPU; nothing in it can run code.

    Args:
        directory: The folder of all checkpoints of a run.
        step: Which one; None takes the one that `latest` names.

    Raises:
        CheckpointError: If it is missing, incomplete or damaged; names the file and the newest good checkpoint.
    """
    directory = Path(directory)
    chosen = latest_step(directory) if step is None else step
    folder = directory / str(chosen)
    settle_folder(folder)
    parts: dict[str, dict[str, object]] = {}
    try:
        for name in cast("dict[str, object]", verify_folder(folder, DONE, CHECKPOINT_SCHEMA)["files"]):
            parts[name.removesuffix(".pt")] = _load_part(folder / name)
    except CheckpointError as error:
        fix = _advice(directory, chosen)
        raise CheckpointError(error.where, expected=error.expected, got=error.got, fix=fix) from error
    return parts


def steps(directory: Path) -> list[int]:
    """Return the steps of all complete checkpoints, oldest first."""
    marked = (marker.parent.name for marker in Path(directory).glob(f"*/{DONE}"))
    return sorted(int(name) for name in marked if name.isdecimal())


def latest_step(directory: Path) -> int:
    """Return the step of the checkpoint that was written last.

    Raises:
        CheckpointError: If there is none.
    """
    directory = Path(directory)
    known = steps(directory)
    if not known:
        raise CheckpointError(
            str(directory), expected="a checkpoint", got="none that is complete", fix="was the run stopped too early?"
        )
    try:
        step = int((directory / LATEST).read_text())
    except (OSError, ValueError):
        return known[-1]
    return step


def save_bundle(directory: Path, state: Mapping[str, Array], spec: EnvSpec, step: int, config_yaml: str) -> Path:
    """Write the deployable policy, replacing an older one as a whole.

    Args:
        directory: The folder of the bundle, usually `runs/<name>/policy`.
        state: Weights by name.
        spec: What the policy was trained for.
        step: Env steps of training behind it.
        config_yaml: The resolved configuration of the run.

    Raises:
        CheckpointError: If the disk is full; the older bundle stays then.
    """
    from safetensors.numpy import save as to_safetensors

    def fill(folder: FolderWriter) -> None:
        with folder.open(WEIGHTS) as file:
            file.write(to_safetensors({name: np.asarray(value, order="C") for name, value in state.items()}))
        with folder.open(CONFIG) as file:
            file.write(config_yaml.encode())

    write_folder(Path(directory), SPEC, {"schema": BUNDLE_SCHEMA, "step": step, **spec.to_plain()}, fill)
    return Path(directory)


def load_bundle(directory: Path) -> Bundle:
    """Read a deployable policy; needs no torch.

    Raises:
        CheckpointError: If it is missing, foreign or damaged, naming the file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_safetensors

    directory = Path(directory)
    settle_folder(directory)
    described = verify_folder(directory, SPEC, BUNDLE_SCHEMA)
    try:
        spec = EnvSpec.from_plain(described, str(directory / SPEC))
        state = from_safetensors((directory / WEIGHTS).read_bytes())
        config = (directory / CONFIG).read_text()
        step = int(cast("int", described["step"]))
    except (RobolearnError, SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(str(directory), expected="a policy bundle", got=str(error)) from error
    return Bundle(state=state, spec=spec, step=step, config=config)


def _advice(directory: Path, damaged: int) -> str:
    """Return the advice that follows a damaged checkpoint."""
    for step in reversed(steps(directory)):
        if step == damaged:
            continue
        try:
            verify_folder(directory / str(step), DONE, CHECKPOINT_SCHEMA)
        except CheckpointError:
            continue
        return f"the newest good checkpoint is {step}: resume from it"
    return "no good checkpoint is left: start the run anew"


def _load_part(path: Path) -> dict[str, object]:
    import torch

    try:
        # the one place of robolearn that loads what torch saved: tensors and plain values, never code
        plain: object = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
        return cast("dict[str, object]", _decode(plain))
    except Exception as error:  # whatever torch's reader meets in a foreign file
        raise CheckpointError(
            str(path),
            expected="tensors and plain values",
            got=str(error).splitlines()[0],
            fix="was it written by robolearn?",
        ) from error


def _encode(value: object, where: str) -> object:
    """Return `value` made of what torch stores without pickling classes."""
    import torch

    match value:
        case torch.Tensor():
            # a view would drag its whole storage into the file
            small = value.untyped_storage().nbytes() > value.nbytes
            return value.detach().clone() if small else value.detach()
        case np.ndarray():
            return {_ARRAY: _to_tensor(value, where), "dtype": value.dtype.str, "shape": value.shape}
        case np.generic():
            return value.item()
        case Mapping():
            return {_key(key, where): _encode(item, f"{where}.{key}") for key, item in value.items()}
        case list():
            return [_encode(item, f"{where}[{i}]") for i, item in enumerate(value)]
        case tuple():
            return tuple(_encode(item, f"{where}[{i}]") for i, item in enumerate(value))
        case None | bool():
            return value
        case int() | float() | str() | bytes():
            return _plain(value)
        case _:
            raise CheckpointError(
                where,
                expected="tensors, arrays, numbers, text, bytes, lists, tuples or dicts",
                got=type(value).__name__,
            )


def _plain(value: float | str | bytes) -> object:
    """Strip subclasses such as enums, whose class torch would store."""
    match value:
        case int():
            return int(value)
        case float():
            return float(value)
        case str():
            return str(value)
        case _:
            return bytes(value)


def _decode(value: object) -> object:
    import torch

    match value:
        case {"__ndarray__": torch.Tensor() as tensor, "dtype": str() as dtype, "shape": tuple() as shape}:
            return tensor.numpy().view(dtype).reshape(shape)
        case dict():
            return {key: _decode(item) for key, item in value.items()}
        case list():
            return [_decode(item) for item in value]
        case tuple():
            return tuple(_decode(item) for item in value)
        case _:
            return value


def _to_tensor(array: Array, where: str) -> object:
    import torch

    if array.dtype.hasobject:
        raise CheckpointError(where, expected="an array of numbers", got="an array of objects")
    flat = np.require(array, requirements=["C", "W"])
    try:
        return torch.from_numpy(flat)
    except (TypeError, ValueError):
        # text, dates and foreign byte order: as bytes
        return torch.from_numpy(flat.reshape(-1).view(np.uint8))


def _key(key: object, where: str) -> str | int:
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise CheckpointError(where, expected="text or integers as keys", got=repr(key))
    return str(key) if isinstance(key, str) else key
