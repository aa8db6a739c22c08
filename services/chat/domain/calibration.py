"""What was measured for an embedding model: how far to trust it, and when to be silent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNMEASURED_CHANCE, UNMEASURED_TELLING = 0.4, 0.31
"""For languages that were not measured: what lies between those that were."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Numbers that belong to one embedding model; another model needs its own."""

    lexical: float
    """Weight of the lexical ranking in the fused one."""
    dense: float
    """Weight of the dense ranking in the fused one."""
    kinship: float
    """Weight of the nearness of single words (`adapters.kinship`), on top of both rankings."""
    floor: float
    """Evidence below which a bot refuses, unless its settings say otherwise."""
    chance: Mapping[str, float] = field(default_factory=dict)
    """By language: the cosine of a question and a text that have nothing to do with each other."""
    telling: Mapping[str, float] = field(default_factory=dict)
    """By language of the text: the evidence that tells a question it answers from another."""

    abroad: Mapping[str, float] = field(default_factory=dict)
    """By language of a question that is in none of the texts': what tells there."""

    def chance_of(self, language: str | None) -> float:
        """What cosine says nothing, in this language."""
        return self.chance.get(language or "", UNMEASURED_CHANCE)

    def worth(self, language: str | None) -> float:
        """What evidence in this language is multiplied by, so that one floor fits all."""
        return self.floor / self.telling.get(language or "", UNMEASURED_TELLING)

    def worth_abroad(self, language: str | None) -> float:
        """The same where the question is in this language and the text in another."""
        return self.floor / self.abroad.get(language or "", self.floor)


STATIC = Calibration(
    lexical=0.7,
    dense=0.3,
    kinship=0.5,
    floor=0.36,
    chance={"de": 0.28, "en": 0.14, "es": 0.37, "fr": 0.19, "ru": 0.67, "zh": 0.59},
    telling={"de": 0.33, "en": 0.38, "es": 0.34, "ru": 0.27, "zh": 0.21},
    abroad={"de": 0.34, "es": 0.32, "ru": 0.23},
)
"""The bundled static embedder; see the decisions on the lexical scheme and on evidence."""
SENTENCE = Calibration(lexical=0.5, dense=0.5, kinship=0.3, floor=0.36)
"""A model made for sentences, not measured: cautious weights."""
MINILM = Calibration(
    lexical=0.5,
    dense=0.5,
    kinship=0.0,
    floor=0.36,
    chance={"en": 0.06},
    telling={"en": 0.36},
)
"""The model of the extra `minilm`, measured in English; see the decision on it."""
CALIBRATIONS = {"local/wordllama-256": STATIC, "local/minilm": MINILM}


def calibration(embedding_model: str) -> Calibration:
    """The numbers of a model."""
    return CALIBRATIONS.get(embedding_model, SENTENCE)
