"""What training the networks of a chapter takes."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from schurkit.words import duration, plural


@dataclass(frozen=True)
class Cost:
    """What a chapter asks for: networks, how many of them are stored already, and seconds and bytes
    for the rest.
    """

    networks: int = 0
    stored: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, other) -> Cost:
        return Cost(*map(sum, zip(astuple(self), astuple(other))))

    def __str__(self) -> str:
        networks = plural(self.networks, "network")
        if self.stored >= self.networks:
            return f"{networks}, all stored"
        stored = f" ({self.stored} stored)" if self.stored else ""
        return (
            f"{networks}{stored}, about {duration(self.seconds)} to train, "
            f"{_size(self.bytes)} on disk"
        )


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
