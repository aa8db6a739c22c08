"""The words of a question that say what it is about.

`What`, `when` and `which` hardly stand in the text that answers; being rare there, they would
weigh most. They are left out, and for likeness and coverage the stop words as well.
"""

import re
from collections.abc import Collection

from services.chat.adapters.folding import RUN, WORD
from services.chat.adapters.stems import is_stop_word

ASKING = {
    "ar": "ما ماذا من متى أين كيف كم لماذا هل أي",
    "cs": "co kdo koho komu kým jaký jaká jaké jakých jakým kdy kde kam odkud proč jak kolik který "
    "která které kterých kterým",
    "de": "was welche welcher welches welchem welchen wer wen wem wessen wann wo wohin woher warum "
    "wieso weshalb wie viel viele vielen wurde wurden worden womit wodurch wofür woran worauf "
    "woraus wovon wozu worin heißt heißen gibt gab",
    "en": "what which who whom whose when where why how many much long often far do does did is "
    "are was were can could should would will",
    "es": "qué que cuál cual cuáles cuales quién quien quiénes quienes cuándo cuando dónde donde "
    "adónde cómo como cuánto cuántos cuánta cuántas fue fueron es son",
    "fr": "que quoi qui quel quelle quels quelles lequel laquelle quand où pourquoi comment "
    "combien est sont était fut",
    "it": "che cosa chi quale quali quando dove perché come quanto quanti quante quanta",
    "ja": "何 なに 誰 だれ いつ どこ どれ どの なぜ どうして どのように どうやって いくつ いくら "
    "ですか ますか",
    "ko": "무엇 누구 언제 어디 어느 왜 어떻게 얼마 몇",
    "nl": "wat welk welke wie wiens wanneer waar waarom hoe hoeveel",
    "pl": "co kto kogo komu kim jaki jaka jakie jakich jakim kiedy gdzie dokąd skąd dlaczego czemu "
    "jak ile czy który która które których którym",
    "pt": "que quê qual quais quem quando onde como quanto quantos quanta quantas porquê porque",
    "ru": "что кто кого кому кем ком какой какая какое какие каких каким какую какого какому "
    "какими когда где куда откуда почему зачем сколько как чем чему чего чей чья чьё чьи был "
    "была было были является являются ли",
    "sv": "vad vilken vilket vilka vem vems när var hur varför",
    "tr": "ne nedir neden niçin nasıl kim kimin hangi hangisi nerede nereye nereden zaman kaç",
    "uk": "що хто кого кому ким який яка яке які яких яким коли де куди звідки чому скільки як чи",
    "zh": "什么时候 什么 甚么 哪些 哪里 哪个 哪儿 哪 谁 何时 何地 怎么 怎样 如何 为什么 为何 "
    "多少 几 是否 吗 呢",
}
"""Words that ask, by language."""
WORDS = {language: frozenset(words.split()) for language, words in ASKING.items()}
UNSPACED = {
    language: re.compile("|".join(sorted(WORDS[language], key=len, reverse=True)))
    for language in ("ja", "zh")
}


def asked(question: str, languages: Collection[str | None]) -> str:
    """`question` without the words that ask, in any of `languages`; all of it if nothing is left.

    A language that is not known may be any.
    """
    kept = [word for word in _words(question, languages) if not _asks(word, languages)]
    return " ".join(kept) or question


def content_words(question: str, languages: Collection[str | None]) -> list[str]:
    """The distinct words that carry its meaning, stop words left out as well."""
    kept = [
        word
        for word in _words(question, languages)
        if not _asks(word, languages)
        and not any(is_stop_word(word, language) for language in languages)
    ]
    return list(dict.fromkeys(kept)) or _words(question, languages)


def _words(question: str, languages: Collection[str | None]) -> list[str]:
    """In lower case. Runs without blanks are cut where a word that asks is taken out."""
    lowered = question.casefold()
    for language, pattern in UNSPACED.items():
        if language in languages or None in languages:
            lowered = pattern.sub(" ", lowered)
    return WORD.findall(RUN.sub(r" \g<0> ", lowered))


def _asks(word: str, languages: Collection[str | None]) -> bool:
    known = [WORDS[language] for language in languages if language in WORDS]
    return any(word in words for words in known or WORDS.values())
