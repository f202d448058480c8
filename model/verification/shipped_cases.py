"""Texts and label sets, written for this file, on which a checkpoint is compared with another run of itself."""

from model.label_set import Example, LabelSet

TEXTS = (
    "",
    "ok",
    "The parcel arrived two weeks late and the box was crushed.",
    "I absolutely love this phone, the battery lasts for days!",
    "Kann ich meine Rechnung auch per Überweisung bezahlen?",
    "¿Dónde está mi pedido? Llevo tres días esperando una respuesta.",
    "请问这个产品可以退货吗?",
    "URGENT!!! the payment page shows error 500 since 9:00, we lose orders every minute",
    "  leading spaces, a tab\tand\n\na blank line ",
    "naïve café — “quotes” … 😀👍🏽",
    "You people are useless. Nobody answers and I am going to report all of you.",
    "The council approved the new bridge, which opens to traffic in spring. " * 6,
    "First the screen went dark, then the fan stopped, and now it smells of smoke. " * 60,
)

LABEL_SETS = (
    LabelSet(("complaint", "question", "praise")),
    LabelSet(("spam",)),
    LabelSet(
        ("shipping", "billing", "abuse"),
        descriptions=("where a parcel is and in what state", None, "insults and threats"),
    ),
    LabelSet(("urgent", "not urgent"), prompt="How soon must somebody look at this? "),
    LabelSet(
        ("positive", "negative", "neutral"),
        examples=(
            Example("It broke after a day.", ("negative",)),
            Example("Does what it says, and quickly.", ("positive",)),
        ),
    ),
    LabelSet(tuple(f"topic {number}" for number in range(1, 22))),
)
