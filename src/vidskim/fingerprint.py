"""What made a vector: model, weights, preparation, method and settings, as one comparable record."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Fingerprint:
    """Two vectors may be compared only if their fingerprints are equal.

    Args:
        model: architecture in short, such as "clip-vit w768 l12 h12 p32 i224 quick_gelu eps 1e-05".
        weights: sha256 (hex) over names, shapes and values of the vision tower's tensors as stored.
        preparation: image size, resize rule, crop, mean and std.
        method: name of the frame method ("full", "reuse", ...).
        settings: the method's settings, plain JSON values.
    """

    model: str
    weights: str
    preparation: dict[str, Any]
    method: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when any field changes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        record = {"format": FORMAT_VERSION, **asdict(self)}
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Fingerprint":
        """Read what `to_json` wrote.

        Raises:
            ValueError: the text was written in another format version.
        """
        record = json.loads(text)
        version = record.pop("format", None)
        if version != FORMAT_VERSION:
            raise ValueError(f"fingerprint format {version!r}; this version reads {FORMAT_VERSION}")
        return cls(**record)

    def differences(self, other: "Fingerprint") -> list[str]:
        """One line for each field that differs, "field: mine -> theirs"."""
        mine, theirs = _flat(asdict(self)), _flat(asdict(other))
        names = [*mine, *(name for name in theirs if name not in mine)]
        changed = [name for name in names if mine.get(name) != theirs.get(name)]
        return [f"{name}: {mine.get(name)} -> {theirs.get(name)}" for name in changed]


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Fields of fields by their own names, "preparation.size"."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        inner = (
            {f"{name}.{key}": part for key, part in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
        flat.update(inner)
    return flat
