"""Messages of the demo's tenants, put together from templates: the same seed writes the same texts."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Writer:
    """How one tenant's people write: templates with the words for their slots, one group of templates per subject."""

    weights: Mapping[str, float]
    templates: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    closings: tuple[str, ...]
    closing_share: float = 0.4

    def write(self, chance: random.Random) -> str:
        """One message of a subject drawn by weight."""
        subject = chance.choices(list(self.weights), list(self.weights.values()))[0]
        text = chance.choice(self.templates[subject])
        if self.closings and chance.random() < self.closing_share:
            text = f"{text} {chance.choice(self.closings)}"
        return _SLOT.sub(self._word(chance), text)

    def _word(self, chance: random.Random) -> Callable[[re.Match[str]], str]:
        def word(slot: re.Match[str]) -> str:
            if slot[1] == "number":
                return str(chance.randint(2, 990))
            return chance.choice(self.words[slot[1]])

        return word


GAME_CHAT = Writer(
    weights={"play": 6, "praise": 3, "insult": 1.2, "threat": 0.4, "scam": 0.6, "cheating": 0.6},
    templates={
        "play": (
            "need one more for the {place} raid, {role} preferred",
            "anyone up for {mode} in ten minutes?",
            "push {place} now, they have {number} gold left",
            "my {item} finally dropped after {number} runs",
            "wait for me at {place}, I am still loading",
            "who is on {role} tonight?",
            "the new patch made {place} a lot harder",
            "swap to {item} before the last wave",
        ),
        "praise": (
            "well played, that {item} shot was amazing",
            "good game everyone, see you tomorrow",
            "thanks for carrying me through {place}",
            "best {role} I have played with all week",
        ),
        "insult": (
            "you are the worst {role} I have ever seen, uninstall the game",
            "shut up you pathetic loser, nobody wants you in this team",
            "are you stupid or what, even my dog plays better {role}",
            "what a worthless idiot, {number} deaths in one round",
        ),
        "threat": (
            "I know where you live and I will come and find you",
            "say that again and I will hurt you after school",
            "you will regret this, I am going to break your hands",
        ),
        "scam": (
            "cheap gold at {site}, {number} coins for one dollar",
            "free skins for everyone, just log in at {site}",
            "selling my account with {item}, message me, half price today",
        ),
        "cheating": (
            "that {role} is clearly using an aimbot, report him",
            "wallhack at {place} again, {number} headshots through the door",
            "they are all cheating, no way he saw me with {item}",
        ),
    },
    words={
        "place": ("the bridge", "the crypt", "mid lane", "the old mine", "the harbour", "sector nine"),
        "role": ("healer", "tank", "sniper", "support", "jungler", "medic"),
        "mode": ("ranked", "duels", "capture the flag", "a quick match", "survival"),
        "item": ("the golden bow", "the plasma rifle", "the dragon shield", "the frost staff"),
        "site": ("goldrush-coins.example", "skins4free.example", "fast-loot.example"),
    },
    closings=("lol", "please", "gg", ":)", "hurry up", "seriously", "🎮", "no joke"),
)

MARKET_REVIEWS = Writer(
    weights={"good": 5, "bad": 4, "advert": 0.7, "personal": 0.4},
    templates={
        "good": (
            "The {product} arrived {early} and works perfectly.",
            "Great {product}, solid material and very easy to clean.",
            "Second {product} I order here and I love it as much as the first.",
            "Customer service replaced my {product} within {number} hours, very kind people.",
            "Half the price of the shop in town and the {product} is just as good.",
        ),
        "bad": (
            "The {product} broke after {number} days, very poor quality.",
            "Waited {number} days for the {product} and the parcel was open when it came.",
            "Nobody answers my e-mails about the defective {product}. Terrible service.",
            "Far too expensive for a {product} that smells of plastic.",
            "The colour of the {product} has nothing to do with the picture, I am disappointed.",
        ),
        "advert": (
            "Do not buy the {product} here, visit {site} for the same thing with {number} percent off!",
            "Check out my own shop at {site}, best {product} of all, use the code SAVE{number}.",
        ),
        "personal": (
            "The courier never came with my {product}, call me on 555 0{number} or write to {mail}.",
            "Please send the new {product} to 12 Mill Lane, flat {number}, and mail the invoice to {mail}.",
        ),
    },
    words={
        "product": ("kettle", "backpack", "desk lamp", "rain jacket", "toaster", "bicycle light", "garden chair"),
        "early": ("a day early", "on time", "within two days", "before the weekend"),
        "site": ("better-bargains.example", "outlet-king.example"),
        "mail": ("sam.reader@mail.example", "kim77@post.example"),
    },
    closings=("Would buy again.", "Never again.", "Recommended.", "Just so you know.", "⭐"),
    closing_share=0.25,
)

SUPPORT_DESK = Writer(
    weights={"billing": 3, "login": 3, "outage": 1.5, "how": 3, "cancel": 1, "other": 0.7},
    templates={
        "billing": (
            "Charged twice for {month}\nOur card was charged {number} dollars twice for the {plan} plan.",
            "Wrong VAT number on the invoice\nThe {month} invoice shows an old VAT number, can you send a new one?",
            "Question about the bill\nWhy did the price of the {plan} plan go up in {month}?",
        ),
        "login": (
            "Cannot log in\nThe password reset mail does not arrive, I tried {number} times since this morning.",
            "Two-factor codes are refused\nSince I have a new phone every code is wrong, I am locked out.",
            "Account locked\n{person} left the company and we cannot get into the admin account.",
        ),
        "outage": (
            "Everything is down\nNone of our {number} people can open {feature}, we lose money every minute!",
            "{feature} is extremely slow\nSince {month} every page takes half a minute and half of the requests fail.",
        ),
        "how": (
            "How do I use {feature}?\nI would like to share {feature} with {person} but not with the whole team.",
            "Export as CSV\nIs there a way to export {feature} once a week? No hurry at all.",
            "Renaming a project\nWhere can I change the name of a project in {feature}?",
        ),
        "cancel": (
            "Please cancel our subscription\nWe no longer need the {plan} plan, please cancel at the end of {month}.",
            "Downgrade\nWe want to go back from the {plan} plan to the free one.",
        ),
        "other": (
            "Thank you\nJust wanted to say that {person} from your team was wonderful.",
            "Lunch on {month} 3rd\nShall we meet at the usual place, {person}?",
        ),
    },
    words={
        "month": ("January", "March", "June", "August", "October", "December"),
        "plan": ("team", "business", "starter", "enterprise"),
        "feature": ("the dashboard", "the report builder", "shared folders", "the calendar", "the API console"),
        "person": ("Ana", "Mr. Okafor", "Li Wei", "Johanna", "our intern"),
    },
    closings=("Best regards, {person}", "Thanks in advance!", "This is urgent.", "Sent from my phone"),
)

CITY_DESK = Writer(
    weights={"streets": 4, "waste": 3, "parks": 2},
    templates={
        "streets": (
            "There is a deep pothole in {street}, a cyclist nearly fell yesterday.",
            "The street light in front of {street} {number} has been dark for two weeks.",
            "Cars park on the pavement of {street} every evening, nobody can get through with a pram.",
        ),
        "waste": (
            "Our bins in {street} were not emptied this {day}, for the second time.",
            "Someone dumped {number} tyres and an old fridge behind {street}.",
        ),
        "parks": (
            "The swing on the playground at {street} is broken and has a sharp edge.",
            "A large branch hangs over the path in the park near {street}, it may fall on someone.",
        ),
    },
    words={
        "street": ("Station Road", "Harbour Street", "Elm Avenue", "Church Lane", "Market Square"),
        "day": ("Monday", "Tuesday", "Thursday", "Friday"),
    },
    closings=("Please have a look.", "Kind regards", "Who is responsible for this?", "Photos are attached."),
)

WRITERS: Mapping[str, Writer] = {
    "game-chat": GAME_CHAT,
    "market-reviews": MARKET_REVIEWS,
    "support-desk": SUPPORT_DESK,
    "city-desk": CITY_DESK,
}
