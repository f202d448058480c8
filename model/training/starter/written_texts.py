"""Training texts written for this recipe, spelled out from small grammars.

They fill what the public training sets lack: sentiment outside of chat, spam, news topics, urgency, unsafe prompts,
emotions in speech, emergencies, what a question asks for.
"""

import random
import re
from collections.abc import Mapping, Sequence

from model.training.datasets import Dataset, LabelledText
from model.training.starter.phrases.moderation import ABUSE, MESSAGES, PROMPTS
from model.training.starter.phrases.news import NEWS
from model.training.starter.phrases.opinions import (
    FEELINGS,
    FINANCE,
    GRADES,
    OPINIONS,
    REVIEW_FILLERS,
    REVIEW_SUBJECTS,
)
from model.training.starter.phrases.requests import EMERGENCIES, OPENERS, QUESTIONS, SUPPORT
from model.training.starter.phrases.slots import SLOTS

ROWS_PER_SET = 2500
_SLOT = re.compile(r"\{(\w+)\}")


def written_datasets() -> list[Dataset]:
    """The written sets, the same in every run; train rows only."""
    return [
        _dataset("written_reviews", _reviews(random.Random("reviews"))),
        _dataset("written_news", _from_phrases(random.Random("news"), NEWS)),
        _dataset("written_messages", _from_phrases(random.Random("messages"), MESSAGES)),
        _dataset("written_support", _support(random.Random("support"))),
        _dataset("written_prompts", _from_phrases(random.Random("prompts"), PROMPTS)),
        _dataset("written_feelings", _from_phrases(random.Random("feelings"), FEELINGS)),
        _dataset("written_opinions", _from_phrases(random.Random("opinions"), OPINIONS)),
        _dataset("written_finance", _from_phrases(random.Random("finance"), FINANCE)),
        _dataset("written_abuse", _from_phrases(random.Random("abuse"), ABUSE)),
        _dataset("written_emergencies", _from_phrases(random.Random("emergencies"), EMERGENCIES)),
        _dataset("written_questions", _from_phrases(random.Random("questions"), QUESTIONS)),
    ]


def _dataset(name: str, rows: Sequence[LabelledText]) -> Dataset:
    unique = tuple(dict.fromkeys(rows))
    labels = tuple(dict.fromkeys(label for row in unique for label in row.labels))
    return Dataset(name, labels, multi_label=any(len(row.labels) > 1 for row in unique), train=unique, test=())


def _fill(generator: random.Random, phrase: str) -> str:
    """Replace each {slot} by one of its words, again and again until none is left."""
    while match := _SLOT.search(phrase):
        phrase = phrase[: match.start()] + generator.choice(SLOTS[match[1]]) + phrase[match.end() :]
    return phrase


def _reviews(generator: random.Random) -> list[LabelledText]:
    rows = []
    for _ in range(ROWS_PER_SET):
        grade, subject = generator.choice(list(GRADES)), generator.choice(list(REVIEW_SUBJECTS))
        sentences = []
        for _ in range(generator.choice((1, 1, 1, 2, 3))):
            phrase = generator.choice(GRADES[grade])
            sentences.append(phrase.replace("{it}", generator.choice(REVIEW_SUBJECTS[subject])))
        if generator.random() < 0.3:
            filler = generator.choice(REVIEW_FILLERS).replace("{it}", generator.choice(REVIEW_SUBJECTS[subject]))
            sentences.insert(generator.randint(0, len(sentences)), filler)
        rows.append(LabelledText(_vary(generator, " ".join(sentences)), (grade, subject)))
    return rows


def _from_phrases(generator: random.Random, phrases: Mapping[str, Sequence[str]]) -> list[LabelledText]:
    labels = list(phrases)
    rows = []
    for number in range(ROWS_PER_SET):
        label = labels[number % len(labels)]
        rows.append(LabelledText(_vary(generator, _fill(generator, generator.choice(phrases[label]))), (label,)))
    return rows


def _support(generator: random.Random) -> list[LabelledText]:
    rows = []
    kinds = [kind for kind in SUPPORT if kind not in ("urgent", "can wait")]
    for number in range(ROWS_PER_SET):
        kind = kinds[number % len(kinds)]
        text, labels = _fill(generator, generator.choice(SUPPORT[kind])), (kind,)
        if generator.random() < 0.5:
            urgency = generator.choice(("urgent", "can wait"))
            text, labels = f"{text} {_fill(generator, generator.choice(SUPPORT[urgency]))}", (kind, urgency)
        if generator.random() < 0.4:
            text = f"{generator.choice(OPENERS)} {text}"
        rows.append(LabelledText(_vary(generator, text), labels))
    return rows


def _vary(generator: random.Random, text: str) -> str:
    text = _fill(generator, text)
    text = text[:1].upper() + text[1:]
    style = generator.random()
    if style < 0.15:
        return text.lower()
    if style < 0.2:
        return text.upper()
    if style < 0.3:
        return text.rstrip(".")
    return text
