"""Ways of looking at a training set: its own labels, and coarser questions its gold labels also answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from model.training.datasets import Dataset
from model.training.starter.phrases.opinions import REVIEW_SUBJECTS
from model.training.starter.view_classes import (
    ABUSE_WORDINGS,
    CLEAR_EMOTIONS,
    CLINC_DOMAINS,
    CLINC_WORDINGS,
    EKMAN,
    EKMAN_WORDINGS,
    EMERGENCY_WORDINGS,
    FEELING_WORDINGS,
    FINANCE_WORDINGS,
    GRADE_WORDINGS,
    HATE_WORDINGS,
    INJECTION_WORDINGS,
    NEGATIVE,
    NEWS_WORDINGS,
    OFFENSIVE_WORDINGS,
    POLARITY_WORDINGS,
    POSITIVE,
    QUESTION_KINDS,
    QUESTION_WORDINGS,
    SAFETY_WORDINGS,
    SENTIMENT_WORDINGS,
    SPAM_WORDINGS,
    URGENCY_WORDINGS,
)

REQUESTS, EMOTION, TOXICITY, TOPICS, MESSAGES = "requests", "emotion", "toxicity", "topics", "messages"
QUESTIONS = "questions"

FAMILY = {
    "bitext_customer_support": REQUESTS,
    "clinc150": REQUESTS,
    "hint3_powerplay11": REQUESTS,
    "hint3_sofmattress": REQUESTS,
    "nlupp_hotels": REQUESTS,
    "snips": REQUESTS,
    "goemotions": EMOTION,
    "convabuse": TOXICITY,
    "davidson_hate_offensive": TOXICITY,
    "edos_sexism": TOXICITY,
    "edos_sexism_vector": TOXICITY,
    "stormfront_hate": TOXICITY,
    "surge_toxicity": TOXICITY,
    "mag_paper_field": TOPICS,
    "scicite": TOPICS,
    "clickbait_headlines": TOPICS,
    "it_service_tickets": REQUESTS,
    "written_reviews": EMOTION,
    "written_news": TOPICS,
    "written_messages": MESSAGES,
    "written_support": REQUESTS,
    "written_prompts": TOXICITY,
    "written_feelings": EMOTION,
    "written_opinions": EMOTION,
    "written_finance": EMOTION,
    "written_abuse": TOXICITY,
    "written_emergencies": TOPICS,
    "written_questions": QUESTIONS,
}

KIND_OF_TEXT = {
    "bitext_customer_support": ("customer support message", "question to a web shop"),
    "clinc150": ("request to a voice assistant", "command to an assistant"),
    "snips": ("request to a voice assistant", "command to an assistant"),
    "hint3_powerplay11": ("question about a fantasy sports game", "gaming support"),
    "hint3_sofmattress": ("question about buying a mattress", "furniture shop"),
    "nlupp_hotels": ("question to a hotel", "hotel guest request"),
    "goemotions": ("social media comment", "casual remark"),
    "convabuse": ("conversation with a chatbot", "chat dialogue"),
    "davidson_hate_offensive": ("slang tweet", "vulgar tweet"),
    "edos_sexism": ("comment about women", "talk about men and women"),
    "stormfront_hate": ("post on a political forum", "talk about race and immigration"),
    "mag_paper_field": ("title of a scientific paper", "academic title"),
    "scicite": ("sentence from a research article", "academic prose"),
    "clickbait_headlines": ("headline", "title of an article"),
    "it_service_tickets": ("internal IT ticket", "help desk e-mail"),
}

WRITTEN_WEIGHT = 0.5
GRADED = ("written_reviews", "written_opinions")
"""Sets without a view of their own labels: the derived views word their grades so that rivals exclude each other."""


@dataclass(frozen=True, slots=True)
class View:
    """One question about the texts of one set.

    Attributes:
        classes: gold labels of each class; a text is in a class when it has one of them.
        wordings: aligned names of the classes; one wording is drawn per task.
        exclusive: whether texts in several classes are left out.
        seldom: the class that is drawn less often than the others. Texts of another kind than these say little, and
            look like "neutral" to a tower that met it in every third text.
        weight: how often it is drawn, relative to others.
    """

    name: str
    dataset: str
    family: str
    classes: tuple[tuple[str, ...], ...]
    wordings: tuple[tuple[str, ...], ...]
    exclusive: bool = False
    weight: float = 1.0
    seldom: int | None = None


def views_of(datasets: Sequence[Dataset]) -> list[View]:
    """Every view whose set is among `datasets` and has train rows; sets without a known family are their own."""
    known = {dataset.name: dataset for dataset in datasets if dataset.train}
    own = [
        View(
            name,
            name,
            FAMILY.get(name, name),
            _each(dataset.labels),
            (dataset.labels,),
            weight=WRITTEN_WEIGHT if name.startswith("written_") else 1.0,
        )
        for name, dataset in known.items()
        if name not in GRADED
    ]
    return own + [view for view in _derived() if view.dataset in known]


def _derived() -> list[View]:
    sentiment = (POSITIVE, NEGATIVE, ("neutral",))
    offensive_pairs = {
        "davidson_hate_offensive": (("hate speech", "offensive language"), ("neither",)),
        "surge_toxicity": (("toxic",), ("not toxic",)),
        "convabuse": (
            ("ableist", "abusive", "homophobic", "insult to intelligence", "racist", "sexist", "sexual harassment"),
            ("not abusive",),
        ),
    }
    hate_pairs = {
        "stormfront_hate": (("hateful",), ("not hateful",)),
        "edos_sexism": (("sexist",), ("not sexist",)),
        "davidson_hate_offensive": (("hate speech",), ("neither",)),
    }
    parts = [
        View("sentiment", "goemotions", EMOTION, sentiment, SENTIMENT_WORDINGS, weight=2.0, seldom=2),
        View("polarity", "goemotions", EMOTION, sentiment[:2], POLARITY_WORDINGS),
        View("ekman", "goemotions", EMOTION, tuple(EKMAN.values()), EKMAN_WORDINGS),
        View("clear_emotions", "goemotions", EMOTION, _each(CLEAR_EMOTIONS), (CLEAR_EMOTIONS,)),
        *(
            View(f"offensive_{name}", name, TOXICITY, classes, OFFENSIVE_WORDINGS)
            for name, classes in offensive_pairs.items()
        ),
        *(View(f"hate_{name}", name, TOXICITY, classes, HATE_WORDINGS) for name, classes in hate_pairs.items()),
        View("clinc_domains", "clinc150", REQUESTS, _split(CLINC_DOMAINS), CLINC_WORDINGS),
        *_written(),
    ]
    return [replace(view, exclusive=True) for view in parts]


def _written() -> list[View]:
    reviews, messages, support, prompts = "written_reviews", "written_messages", "written_support", "written_prompts"
    feelings, opinions, finance = "written_feelings", "written_opinions", "written_finance"
    praise = (("very positive", "positive"), ("very negative", "negative"))
    grades = _each(("very positive", "positive", "mixed or average", "negative", "very negative"))
    sentiment = _each(("positive", "negative", "neutral"))
    good_or_bad = (("joy", "optimism", "love"), ("anger", "disgust", "fear", "sadness"))
    spam = ("advertising spam", "scam", "phishing", "dating spam")
    wanted = ("personal message", "work mail", "automatic notification", "newsletter")
    injection, dangerous, harmless = ("prompt injection",), ("dangerous request",), ("harmless request",)
    unsafe = (*injection, *dangerous)
    subjects, urgency = tuple(REVIEW_SUBJECTS), ("urgent", "can wait")
    return [
        View("review_subject", reviews, REQUESTS, _each(subjects), (subjects,), weight=0.5),
        View("review_polarity", reviews, EMOTION, praise, POLARITY_WORDINGS, weight=1.0),
        View("review_grades", reviews, EMOTION, grades, GRADE_WORDINGS, weight=0.5),
        View("feelings", feelings, EMOTION, _each(FEELING_WORDINGS[0]), FEELING_WORDINGS, weight=0.7, seldom=6),
        View("feeling_polarity", feelings, EMOTION, good_or_bad, POLARITY_WORDINGS, weight=0.5),
        View("opinions", opinions, EMOTION, sentiment, SENTIMENT_WORDINGS, weight=0.7, seldom=2),
        View("finance", finance, EMOTION, _each(FINANCE_WORDINGS[0]), FINANCE_WORDINGS, weight=0.3),
        View("spam", messages, MESSAGES, (spam, wanted), SPAM_WORDINGS, weight=0.5),
        View("urgency", support, REQUESTS, _each(urgency), URGENCY_WORDINGS, weight=0.3),
        View("safety", prompts, TOXICITY, (unsafe, harmless), SAFETY_WORDINGS, weight=0.5),
        View("injection", prompts, TOXICITY, (injection, harmless), INJECTION_WORDINGS, weight=0.5),
        View("abuse_kinds", "written_abuse", TOXICITY, _each(ABUSE_WORDINGS[0]), ABUSE_WORDINGS, weight=0.5),
        View("news", "written_news", TOPICS, _each(NEWS_WORDINGS[0]), NEWS_WORDINGS, weight=0.5),
        View(
            "emergencies", "written_emergencies", TOPICS, _each(EMERGENCY_WORDINGS[0]), EMERGENCY_WORDINGS, weight=0.5
        ),
        View("question_kinds", "written_questions", QUESTIONS, _split(QUESTION_KINDS), QUESTION_WORDINGS, weight=0.7),
    ]


def _each(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((label,) for label in labels)


def _split(classes: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(labels.split("|")) for labels in classes.values())
