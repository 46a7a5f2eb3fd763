"""A model's and its optimiser's tensors by name, out and back in."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from vidskim.errors import CheckpointError, SettingsError

MODEL, OPTIMIZER = "model.", "optimizer."


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name.

    Raises:
        SettingsError: there are none, or some are of a type too coarse to add small updates to.
    """
    found = {name: value for name, value in model.named_parameters() if value.requires_grad}
    if not found:
        raise SettingsError("nothing to train: no parameter of the model has requires_grad")
    coarse = [name for name, value in found.items() if value.dtype not in (torch.float32, torch.float64)]
    if coarse:
        raise SettingsError(
            f"trained parameters must be float32 or float64, received {found[coarse[0]].dtype} in {coarse[0]} and "
            f"{len(coarse) - 1} more. Load the model as float32; precision='bfloat16' casts only what is computed"
        )
    return found


def kept_buffers(model: nn.Module) -> dict[str, Tensor]:
    """The buffers that belong to the state dict, by name."""
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    state = model.state_dict()
    return {
        name: value for name, value in state.items() if name not in parameters and isinstance(value, Tensor)
    }


def pack(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that changes in training, on the CPU. Frozen parameters are left out.

    To be used before the next step: on a CPU these are the model's own tensors, not copies.
    """
    parameters = trained_parameters(model)
    # buffers are copied, for some are views of one another, which the file format refuses
    tensors = {f"{MODEL}{name}": _stored(value) for name, value in parameters.items()}
    tensors |= {f"{MODEL}{name}": _stored(value).clone() for name, value in kept_buffers(model).items()}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{OPTIMIZER}{name}.{key}"] = _stored(value)
    return tensors


def unpack(tensors: Mapping[str, Tensor], *, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put back what `pack` took.

    Raises:
        CheckpointError: the model has other tensors than the one that was packed.
    """
    parameters = trained_parameters(model)
    targets: dict[str, Tensor] = {**parameters, **kept_buffers(model)}
    stored = {name.removeprefix(MODEL): value for name, value in tensors.items() if name.startswith(MODEL)}
    _check_names(stored, targets)
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(stored[name])
    names = {parameter: name for name, parameter in parameters.items()}
    layout = optimizer.state_dict()
    order = [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for index, name in enumerate(order):
        prefix = f"{OPTIMIZER}{name}."
        own = {
            key.removeprefix(prefix): value.clone()
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
        states |= {index: own} if own else {}
    optimizer.load_state_dict({"state": states, "param_groups": layout["param_groups"]})


def _stored(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()


def _check_names(stored: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    problems = [f"{name} is not in the checkpoint" for name in _without(targets, stored)]
    problems += [f"{name} is not in the model" for name in _without(stored, targets)]
    for name in sorted(set(stored) & set(targets)):
        was, now = list(stored[name].shape), list(targets[name].shape)
        if was != now:
            problems.append(f"{name} was {was}, is {now}")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise CheckpointError(
            f"the training was of another model: {'; '.join(problems[:5])}{more}. Train in another folder, or remove "
            "this one"
        )


def _without(names: Iterable[str], others: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(others))
