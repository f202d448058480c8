"""Ways of looking at a training set: its own labels, and coarser questions its gold labels also answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from model.training.datasets import Dataset
from model.training.starter.written_phrases import REVIEW_SUBJECTS

REQUESTS, EMOTION, TOXICITY, TOPICS, MESSAGES = "requests", "emotion", "toxicity", "topics", "messages"

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

POSITIVE = (
    "admiration", "amusement", "approval", "caring", "excitement", "gratitude", "joy", "love", "optimism", "pride",
    "relief",
)  # fmt: skip
NEGATIVE = (
    "anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear", "grief", "nervousness",
    "remorse", "sadness",
)  # fmt: skip

SENTIMENT_WORDINGS = (
    ("positive", "negative", "neutral"),
    ("positive sentiment", "negative sentiment", "neutral sentiment"),
    ("positive opinion", "negative opinion", "no opinion"),
    ("good", "bad", "neither good nor bad"),
    ("happy", "unhappy", "indifferent"),
    ("favourable", "unfavourable", "factual"),
    ("praise", "criticism", "statement of fact"),
    ("likes it", "dislikes it", "does not say"),
    ("satisfied", "dissatisfied", "neutral tone"),
    ("optimistic tone", "pessimistic tone", "matter-of-fact"),
    ("positive emotion", "negative emotion", "no emotion"),
    ("great", "terrible", "okay"),
    ("pleased", "upset", "calm"),
    ("approving", "disapproving", "impartial"),
    ("friendly", "hostile", "objective"),
    ("positive review", "negative review", "mixed or neutral review"),
    ("enthusiastic", "disappointed", "unemotional"),
    ("very positive", "very negative", "neutral"),
)

EKMAN = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": ("joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride",
            "admiration", "desire", "caring"),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "neutral": ("neutral",),
}  # fmt: skip
EKMAN_WORDINGS = (
    ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"),
    ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "no emotion"),
    ("the speaker is angry", "the speaker is disgusted", "the speaker is scared", "the speaker is happy",
     "the speaker is sad", "the speaker is surprised", "the speaker is calm"),
)  # fmt: skip
CLEAR_EMOTIONS = (
    "anger",
    "disgust",
    "fear",
    "joy",
    "love",
    "optimism",
    "sadness",
    "surprise",
    "gratitude",
    "amusement",
)

OFFENSIVE_WORDINGS = (
    ("offensive", "not offensive"),
    ("offensive language", "clean language"),
    ("rude", "polite"),
    ("insult", "no insult"),
    ("toxic", "not toxic"),
    ("toxic", "civil"),
    ("abusive", "not abusive"),
    ("abusive", "harmless"),
    ("profanity", "no profanity"),
    ("vulgar", "decent"),
    ("harassment", "acceptable"),
    ("bullying", "friendly"),
    ("violates the rules", "follows the rules"),
    ("inappropriate", "appropriate"),
    ("unsafe", "safe"),
)
HATE_WORDINGS = (
    ("hateful", "not hateful"),
    ("hate speech", "not hate speech"),
    ("hate speech", "acceptable speech"),
    ("hatred", "no hatred"),
    ("attacks a group of people", "does not attack anyone"),
    ("discrimination", "no discrimination"),
    ("bigotry", "harmless"),
    ("hate", "neutral"),
)

GRADE_WORDINGS = (
    ("very positive", "somewhat positive", "mixed", "somewhat negative", "very negative"),
    ("excellent", "good", "average", "bad", "terrible"),
    ("five stars", "four stars", "three stars", "two stars", "one star"),
    ("loves it", "likes it", "has mixed feelings", "dislikes it", "hates it"),
)
SPAM_WORDINGS = (
    ("spam", "not spam"),
    ("spam", "ham"),
    ("junk mail", "normal mail"),
    ("unwanted advertising or fraud", "legitimate message"),
    ("scam or spam", "genuine message"),
    ("spam message", "ordinary message"),
)
URGENCY_WORDINGS = (
    ("urgent", "can wait"),
    ("urgent", "not urgent"),
    ("high priority", "low priority"),
    ("emergency", "routine"),
    ("needs an answer now", "no hurry"),
)
SAFETY_WORDINGS = (
    ("unsafe", "safe"),
    ("harmful", "harmless"),
    ("malicious", "benign"),
    ("dangerous", "acceptable"),
    ("harmful request", "ordinary request"),
    ("should be refused", "should be answered"),
)
INJECTION_WORDINGS = (
    ("prompt injection", "ordinary request"),
    ("jailbreak", "benign"),
    ("tries to override the instructions", "normal prompt"),
    ("attack on the assistant", "legitimate use"),
)
NEWS_WORDINGS = (
    ("sports", "politics", "business", "technology", "science", "health", "entertainment", "crime",
     "environment and weather", "war and conflict", "education", "travel", "food", "religion", "cars"),
    ("sport", "government and elections", "economy and companies", "computers and internet", "research", "medicine",
     "film, music and celebrities", "law and police", "climate and nature", "military", "schools", "holidays",
     "cooking", "faith", "automobiles"),
    ("athletics and games", "political news", "finance", "tech", "scientific discovery", "illness and treatment",
     "arts and culture", "criminal justice", "natural disaster", "armed conflict", "teaching", "tourism",
     "eating and drinking", "spirituality", "vehicles"),
)  # fmt: skip

CLINC_DOMAINS = {
    "banking": "account blocked|application status|balance|"
    "bill balance|bill due|direct deposit|freeze account|interest rate|min payment|"
    "order checks|pay bill|pin change|report fraud|routing|spending history|transactions|transfer",
    "credit cards": "apr|card declined|credit limit|credit limit change|credit score|damaged card|expiration date|"
    "improve credit score|international fees|new card|redeem rewards|replacement card duration|report lost card|"
    "rewards balance",
    "cooking and restaurants": "accept reservations|calories|cancel reservation|confirm reservation|cook time|"
    "food last|how busy|ingredient substitution|ingredients list|meal suggestion|nutrition info|recipe|"
    "restaurant reservation|restaurant reviews|restaurant suggestion",
    "home and errands": "calendar|calendar update|next song|order|order status|play music|reminder|reminder update|"
    "shopping list|shopping list update|smart home|todo list|todo list update|update playlist|what song",
    "cars and driving": "current location|directions|distance|gas|gas type|jump start|last maintenance|mpg|"
    "oil change how|oil change when|schedule maintenance|tire change|tire pressure|traffic|uber",
    "travel": "book flight|book hotel|car rental|carry on|exchange rate|flight status|international visa|"
    "lost luggage|plug type|timezone|translate|travel alert|travel notification|travel suggestion|vaccines",
    "everyday tools": "alarm|calculator|date|definition|find phone|flip coin|make call|measurement conversion|"
    "roll dice|share location|spelling|text|time|timer|weather",
    "work and human resources": "income|insurance|insurance change|meeting schedule|next holiday|payday|pto balance|"
    "pto request|pto request status|pto used|rollover 401k|schedule meeting|taxes|w2",
    "small talk": "are you a bot|do you have pets|fun fact|goodbye|greeting|how old are you|meaning of life|tell joke|"
    "thank you|what are your hobbies|what can i ask you|what is your name|where are you from|who do you work for|"
    "who made you",
    "settings of the assistant": "cancel|change accent|change ai name|change language|change speed|change user name|"
    "change volume|maybe|no|repeat|reset settings|sync device|user name|whisper mode|yes",
}
CLINC_WORDINGS = (
    tuple(CLINC_DOMAINS),
    ("bank account", "credit card", "food", "household", "automobile", "trip", "utilities", "job", "chit-chat",
     "control"),
    ("finance", "payment cards", "dining", "home", "transport", "tourism", "tools", "employment", "conversation",
     "assistant settings"),
)  # fmt: skip


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
            tuple((label,) for label in dataset.labels),
            (dataset.labels,),
            weight=WRITTEN_WEIGHT if name.startswith("written_") else 1.0,
        )
        for name, dataset in known.items()
        if name != "written_reviews"  # its grades are no rivals: what is very positive is positive too
    ]
    return own + [view for view in _derived() if view.dataset in known]


def _derived() -> list[View]:
    positive_negative = tuple(tuple(wording[:2]) for wording in SENTIMENT_WORDINGS)
    clinc = tuple(tuple(labels.split("|")) for labels in CLINC_DOMAINS.values())
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
    return [
        View("sentiment", "goemotions", EMOTION, sentiment, SENTIMENT_WORDINGS, exclusive=True, weight=2.0, seldom=2),
        View("polarity", "goemotions", EMOTION, sentiment[:2], positive_negative, exclusive=True),
        View("ekman", "goemotions", EMOTION, tuple(EKMAN.values()), EKMAN_WORDINGS, exclusive=True),
        View(
            "clear_emotions", "goemotions", EMOTION, tuple((label,) for label in CLEAR_EMOTIONS), (CLEAR_EMOTIONS,),
            exclusive=True,
        ),
        *(
            View(f"offensive_{name}", name, TOXICITY, classes, OFFENSIVE_WORDINGS, exclusive=True)
            for name, classes in offensive_pairs.items()
        ),
        *(
            View(f"hate_{name}", name, TOXICITY, classes, HATE_WORDINGS, exclusive=True)
            for name, classes in hate_pairs.items()
        ),
        View("clinc_domains", "clinc150", REQUESTS, clinc, CLINC_WORDINGS, exclusive=True),
        *_written(),
    ]  # fmt: skip


def _written() -> list[View]:
    reviews, messages, support, prompts = "written_reviews", "written_messages", "written_support", "written_prompts"
    good, bad = ("very positive", "positive"), ("very negative", "negative")
    grades = (("very positive",), ("positive",), ("mixed or average",), ("negative",), ("very negative",))
    spam = ("advertising spam", "scam", "phishing", "dating spam")
    wanted = ("personal message", "work mail", "automatic notification", "newsletter")
    news = tuple((name,) for name in NEWS_WORDINGS[0])
    injection, dangerous, harmless = ("prompt injection",), ("dangerous request",), ("harmless request",)
    unsafe = (*injection, *dangerous)
    subjects = tuple((name,) for name in REVIEW_SUBJECTS)
    return [
        View("review_subject", reviews, REQUESTS, subjects, (tuple(REVIEW_SUBJECTS),), exclusive=True, weight=0.5),
        View(
            "review_polarity", reviews, EMOTION, (good, bad), tuple(names[:2] for names in SENTIMENT_WORDINGS),
            exclusive=True, weight=1.0,
        ),
        View("review_grades", reviews, EMOTION, grades, GRADE_WORDINGS, exclusive=True, weight=0.5),
        View("spam", messages, MESSAGES, (spam, wanted), SPAM_WORDINGS, exclusive=True, weight=0.5),
        View("urgency", support, REQUESTS, (("urgent",), ("can wait",)), URGENCY_WORDINGS, exclusive=True, weight=0.3),
        View("safety", prompts, TOXICITY, (unsafe, harmless), SAFETY_WORDINGS, exclusive=True, weight=0.5),
        View("injection", prompts, TOXICITY, (injection, harmless), INJECTION_WORDINGS, exclusive=True, weight=0.5),
        View("news", "written_news", TOPICS, news, NEWS_WORDINGS, exclusive=True, weight=0.5),
    ]  # fmt: skip
