"""What was measured for an embedding model: how far to trust it, and when to be silent."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Calibration:
    """Numbers that belong to one embedding model; another model needs its own."""

    lexical: float
    """Weight of the lexical ranking in the fused one."""
    dense: float
    """Weight of the dense ranking in the fused one."""
    floor: float
    """Evidence below which a bot refuses, unless its settings say otherwise."""
    chance: Mapping[str, float] = field(default_factory=dict)
    """By language: how much of a cosine says nothing, beyond what the floor allows for."""

    def likeness(self, cosine: float, language: str | None) -> float:
        """The cosine as evidence; 0 to 1."""
        return max(0.0, cosine - self.chance.get(language or "", 0.0))


STATIC = Calibration(
    lexical=0.7,
    dense=0.3,
    floor=0.36,
    chance={
        **dict.fromkeys(("en", "fr", "it"), 0.12),
        **dict.fromkeys(("es", "pt", "ru", "uk"), 0.05),
        **dict.fromkeys(("cs", "pl"), 0.2),
        "ko": 0.4,
    },
)
"""The bundled static embedder; see the decision on the lexical scheme for the measurements."""
SENTENCE = Calibration(lexical=0.5, dense=0.5, floor=0.36)
"""A model made for sentences, not measured: cautious weights."""
CALIBRATIONS = {"local/wordllama-256": STATIC}


def calibration(embedding_model: str) -> Calibration:
    """The numbers of a model."""
    return CALIBRATIONS.get(embedding_model, SENTENCE)
