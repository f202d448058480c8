"""Classes of the derived views: which gold labels are in each, and aligned rows of names they may have.

One row is drawn per task, so that the label tower learns what the classes mean rather than how they are spelled.
"""

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
POLARITY_WORDINGS = tuple(names[:2] for names in SENTIMENT_WORDINGS)

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

FEELING_WORDINGS = (
    ("anger", "disgust", "fear", "joy", "sadness", "surprise", "no emotion"),
    ("angry", "disgusted", "afraid", "happy", "sad", "surprised", "neutral"),
    ("rage", "revulsion", "worry", "happiness", "grief", "astonishment", "matter-of-fact"),
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

ABUSE_WORDINGS = (
    ("racism", "religious hatred", "sexism", "homophobia", "mocking disabled people", "hatred of foreigners", "threat",
     "personal insult", "obscene language", "provocation", "harmless"),
    ("racist", "hate against a religion", "misogyny", "hate because of sexual orientation",
     "hate against disabled people", "nationalism", "threatening violence", "insults somebody", "vulgar", "trolling",
     "not abusive"),
    ("race", "religion", "women", "gay and transgender people", "disability", "national origin",
     "incitement to violence", "directed at one person", "swearing", "baiting", "nothing wrong"),
)  # fmt: skip

GRADE_WORDINGS = (
    ("very positive", "somewhat positive", "mixed", "somewhat negative", "very negative"),
    ("excellent", "good", "average", "bad", "terrible"),
    ("five stars", "four stars", "three stars", "two stars", "one star"),
    ("loves it", "likes it", "has mixed feelings", "dislikes it", "hates it"),
)

FINANCE_WORDINGS = (
    ("good for investors", "bad for investors", "of no consequence"),
    ("positive", "negative", "neutral"),
    ("bullish", "bearish", "no opinion"),
    ("good news", "bad news", "statement of fact"),
    ("the share price will rise", "the share price will fall", "no effect on the share price"),
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

EMERGENCY_WORDINGS = (
    ("medical help", "drinking water", "food", "shelter", "rescue", "evacuation", "roads and buildings",
     "electricity and sewage", "violence and crime", "terror attack", "change of government", "nothing of the kind"),
    ("doctors and medicine", "water", "hunger", "housing", "missing or trapped people", "leaving the area",
     "damaged infrastructure", "power cut and sanitation", "crime", "terrorism", "political upheaval", "other"),
    ("health", "thirst", "supply of food", "homeless people", "search for survivors", "moving people to safety",
     "transport", "public utilities", "security", "bombing", "coup", "irrelevant"),
)  # fmt: skip

QUESTION_KINDS = {
    "a person or group": "person|group or company|job or title",
    "a place": "city|country|mountain, river or sea",
    "a quantity or date": "number of things|date|money|distance or size|weight|duration|temperature or speed|"
    "percentage",
    "an explanation": "meaning of a word|reason|way to do something",
    "a short form": "short form",
    "a thing": "animal|plant or food|disease or medicine|language or word|colour|book, film or song|sport or game|"
    "event|material|tool or product",
}

QUESTION_WORDINGS = (
    tuple(QUESTION_KINDS),
    ("who", "where", "how many or how much", "what does it mean, why or how", "acronym", "which thing"),
    ("somebody", "geographic location", "numeric value", "definition, reason or method", "abbreviated expression",
     "object, animal or other entity"),
    ("asks for a person", "asks for a place", "asks for a number", "asks for an explanation", "asks about an acronym",
     "asks for a thing"),
    ("people", "geography", "figures and dates", "description", "letters", "objects"),
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
