"""What was found, as numbered passages and citations."""

from collections.abc import Sequence

from services.chat.domain.grounding import Grounded
from services.chat.domain.prompt import Passage
from services.chat.ports import Found
from shared.contracts.chat_citations import Citation
from shared.kernel.ids import derived_id

SNIPPET = 200
"""Characters of a passage that clients of the original see."""


def passage(n: int, found: Found) -> Passage:
    return Passage(
        n=n,
        text=found.hit.text,
        title=found.title or found.source_name,
        authority=found.authority,
        language=found.language,
        similarity=found.hit.similarity,
    )


def cite(turn_id: str, context: Sequence[Found], verdict: Grounded) -> tuple[Citation, ...]:
    """Numbered citations of the context. The score is the evidence, between 0 and 1."""
    evidence = {chosen.chunk_id: chosen.evidence for chosen in verdict.context}
    return tuple(
        Citation(
            citation_id=derived_id("citation", turn_id, str(n)),
            n=n,
            source_id=found.hit.source_id,
            document_id=derived_id("document", found.hit.source_id, str(found.hit.revision)),
            chunk_id=found.hit.id,
            title=found.title or found.source_name,
            url=found.url,
            heading=found.hit.heading,
            page=found.hit.page,
            revision=found.hit.revision,
            text_ref=found.text_ref,
            start=found.hit.start,
            end=found.hit.end,
            score=round(evidence[found.hit.id], 4),
            snippet=found.hit.text[:SNIPPET],
            authority=found.authority,
        )
        for n, found in enumerate(context, 1)
    )
