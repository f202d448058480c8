"""Messages of the demo's tenants, put together from templates: the same seed writes the same texts."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_SLOT = re.compile(r"\{(\w+)\}")
_OPENING_SHARE = 0.5
_CLOSING_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Writer:
    """How one tenant's people write: templates with the words for their slots, one group of templates per subject."""

    weights: Mapping[str, float]
    templates: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    openings: tuple[str, ...]
    closings: tuple[str, ...]

    def write(self, chance: random.Random) -> str:
        """One message of a subject drawn by weight."""
        subject = chance.choices(list(self.weights), list(self.weights.values()))[0]
        text = chance.choice(self.templates[subject])
        if chance.random() < _OPENING_SHARE:
            text = f"{chance.choice(self.openings)} {text}"
        if chance.random() < _CLOSING_SHARE:
            text = f"{text} {chance.choice(self.closings)}"
        return _SLOT.sub(self._word(chance), text)

    def _word(self, chance: random.Random) -> Callable[[re.Match[str]], str]:
        def word(slot: re.Match[str]) -> str:
            if slot[1] == "number":
                return str(chance.randint(2, 99))
            return chance.choice(self.words[slot[1]])

        return word


GAME_CHAT = Writer(
    weights={"play": 6, "praise": 3, "insult": 1.2, "threat": 0.4, "scam": 0.6, "cheating": 0.6},
    templates={
        "play": (
            "need one more for {place}, {role} preferred",
            "anyone up for {mode} in {number} minutes? we still lack a {role}",
            "push {place} now, they have {number} gold left",
            "finally got {item} after {number} runs",
            "wait for me at {place}, I am still loading {mode}",
            "who is on {role} tonight? I bring {item}",
            "the new patch made {place} a lot harder for a {role}",
            "swap to {item} before wave {number}",
        ),
        "praise": (
            "well played, that {item} shot at {place} was amazing",
            "good game everyone, see you tomorrow for {mode}",
            "thanks for carrying me through {place}, great {role}",
            "best {role} I have played {mode} with all week",
        ),
        "insult": (
            "you are the worst {role} I have ever seen at {place}, uninstall the game",
            "shut up you pathetic loser, nobody wants a {role} like you in {mode}",
            "are you stupid or what, even my dog plays {role} better with {item}",
            "what a worthless idiot, {number} deaths in one round",
        ),
        "threat": (
            "I know where you live and I will come and find you, {role}",
            "say that again and I will hurt you after {mode}",
            "you will regret {place}, I am going to break your hands",
        ),
        "scam": (
            "cheap gold at {site}, {number} coins for one dollar",
            "free skins for everyone, just log in at {site}",
            "selling my account with {item}, message me, half price today",
        ),
        "cheating": (
            "that {role} at {place} is clearly using an aimbot, report him",
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
    openings=("hey", "guys", "ok", "ugh", "yo", "omg", "hmm", "team:", "@all"),
    closings=("lol", "please", "gg", ":)", "hurry up", "seriously", "🎮", "no joke", "brb", "{number}x"),
)

MARKET_REVIEWS = Writer(
    weights={"good": 5, "bad": 4, "advert": 0.7, "personal": 0.4},
    templates={
        "good": (
            "The {colour} {product} arrived {early} and works perfectly.",
            "Great {product}, {colour} as ordered, solid material and very easy to clean.",
            "{product} number {number} I order here and I love it as much as the first.",
            "Customer service replaced my {product} within {number} hours, very kind people.",
            "{number} percent below the price of the shop in town and the {colour} {product} is just as good.",
        ),
        "bad": (
            "The {product} broke after {number} days, very poor quality.",
            "Waited {number} days for the {product} and the parcel was open when it came.",
            "Nobody answers my {number} e-mails about the defective {colour} {product}. Terrible service.",
            "Far too expensive for a {colour} {product} that smells of plastic.",
            "This {product} is not {colour}, nothing like the picture, I am disappointed.",
        ),
        "advert": (
            "Do not buy the {product} here, visit {site} for the same thing with {number} percent off!",
            "Check out my own shop at {site}, best {product} of all, use the code SAVE{number}.",
        ),
        "personal": (
            "The courier never came with my {product}, call me on 555 01{number} or write to {mail}.",
            "Please send the new {product} to 12 Mill Lane, flat {number}, and mail the invoice to {mail}.",
        ),
    },
    words={
        "product": ("kettle", "backpack", "desk lamp", "rain jacket", "toaster", "bicycle light", "garden chair"),
        "colour": ("red", "blue", "black", "green", "white", "grey", "yellow", "brown"),
        "early": ("a day early", "on time", "within two days", "before the weekend"),
        "site": ("better-bargains.example", "outlet-king.example"),
        "month": ("January", "April", "July", "November"),
        "mail": ("sam.reader@mail.example", "kim77@post.example"),
    },
    openings=("Well.", "Honest review:", "Update:", "My verdict:", "As a gift:", "After {number} days:"),
    closings=("Ordered in {month}.", "Customer since {month}.", "Just so you know.", "⭐", "Order {number}."),
)

SUPPORT_DESK = Writer(
    weights={"billing": 3, "login": 3, "outage": 1.5, "how": 3, "cancel": 1, "other": 0.7},
    templates={
        "billing": (
            "Charged twice for {month}\nOur card was charged {number} dollars twice for the {plan} plan.",
            "Wrong VAT number\nInvoice {number} of {month} shows an old VAT number, can you send a new one?",
            "Question about the bill\nWhy did the price of the {plan} plan go up by {number} dollars in {month}?",
        ),
        "login": (
            "Cannot log in\nThe password reset mail does not arrive, {person} tried {number} times since this morning.",
            "Two-factor codes are refused\nSince {month} every code on my new phone is wrong, {person} is locked out.",
            "Account locked\n{person} left in {month} and we cannot get into the admin account of the {plan} plan.",
        ),
        "outage": (
            "Everything is down\nNone of our {number} people can open {feature}, we lose money every minute!",
            "{feature} is extremely slow\nSince {month} every page takes half a minute and half of the requests fail.",
        ),
        "how": (
            "How do I use {feature}?\nI would like to share {feature} with {person} but not with the whole team.",
            "Export as CSV\nIs there a way to export {feature} every {number} days? {person} asks, no hurry.",
            "Renaming a project\nWhere can {person} change the name of project {number} in {feature}?",
        ),
        "cancel": (
            "Please cancel our subscription\nWe no longer need the {plan} plan, {number} seats, cancel it in {month}.",
            "Downgrade\nWe want to go back from the {plan} plan to the free one in {month}, {number} seats.",
        ),
        "other": (
            "Thank you\nJust wanted to say that {person} from your team was wonderful in {month}.",
            "Lunch in {month}\nShall we meet at the usual place, {person}? Table for {number}.",
        ),
    },
    words={
        "month": ("January", "March", "June", "August", "October", "December"),
        "plan": ("team", "business", "starter", "enterprise"),
        "feature": ("the dashboard", "the report builder", "shared folders", "the calendar", "the API console"),
        "person": ("Ana", "Mr. Okafor", "Li Wei", "Johanna", "our intern"),
    },
    openings=("Re:", "Fwd:", "Again:", "[ticket {number}]"),
    closings=("Best regards, {person}", "Thanks in advance!", "Sent from my phone", "Customer {number}"),
)

CITY_DESK = Writer(
    weights={"streets": 4, "waste": 3, "parks": 2},
    templates={
        "streets": (
            "There is a deep pothole in {street}, a cyclist nearly fell on {day}.",
            "The street light in front of {street} {number} has been dark since {day}.",
            "Cars park on the pavement of {street} near {number} every {day}, nobody can get through with a pram.",
        ),
        "waste": (
            "Our bins in {street} were not emptied this {day}, number {number} again.",
            "Someone dumped {number} tyres and an old fridge behind {street} on {day}.",
        ),
        "parks": (
            "The swing on the playground at {street} {number} is broken and has a sharp edge.",
            "A large branch hangs over the path in the park near {street} since {day}, it may fall on someone.",
        ),
    },
    words={
        "street": ("Station Road", "Harbour Street", "Elm Avenue", "Church Lane", "Market Square"),
        "day": ("Monday", "Tuesday", "Thursday", "Friday"),
    },
    openings=("Good morning.", "Hello,", "Dear city,", "Second letter:"),
    closings=("Please have a look.", "Kind regards", "Who is responsible for this?", "{number} photos attached."),
)

WRITERS: Mapping[str, Writer] = {
    "game-chat": GAME_CHAT,
    "market-reviews": MARKET_REVIEWS,
    "support-desk": SUPPORT_DESK,
    "city-desk": CITY_DESK,
}
