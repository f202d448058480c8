"""Records that somebody wrote to break the worker, from a seed."""

import json
import random
from collections.abc import Callable

from model.tokenizer import MARKERS

TENANTS = ("shop", "forum", "desk")
WORDS = [
    "where", "is", "my", "parcel", "refund", "invoice", "late", "broken", "thanks", "login", "password", "the", "a",
]  # fmt: skip
FIELDS = ("text", "tenant", "id", "at", "title")
SPECIAL_TOKENS = ("[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "</s>", "<pad>", "<|endoftext|>")
BAD_UNICODE = (
    "\\ud800", "\\udfff\\ud800", "\\u0000", "\u202e", "\u200b", "\ufeff", "\ufffe", "\ufffd", "a\u0301\u0301\u0301",
    "\U0001f468\u200d\U0001f469", "\U0010ffff", "\\u0007", "\u2028", "ﷺ", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢", "\\ud83d\\ude00",
)  # fmt: skip
BAD_BYTES = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xfe\xff", b"\xe2\x82", b"\x00")
NUMBERS = ("1e999", "-1e999", "NaN", "Infinity", "1" * 400, "-0", "0.1e-400", "9007199254740993", "01", "1.", ".5")
LARGEST_TEXT_CHARACTERS = 60_000

Kind = Callable[[random.Random], bytes | None]
Headers = list[tuple[str, bytes | None]]


def hostile_value(rng: random.Random) -> bytes | None:
    """The value of one record; about one in three could be classified."""
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    return kind(rng)


def hostile_headers(rng: random.Random) -> Headers:
    """Headers that claim to be the worker's or a tracer's own, and other people's rubbish."""
    names = (
        "traceparent", "tracestate", "tenant", "at", "", "ü" * 50,
        "gliclass-reason", "gliclass-late", "gliclass-value-null", "gliclass-value-omitted-bytes", "gliclass-tenant",
    )  # fmt: skip
    values = (None, b"", b"\xff\xfe", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"x" * 300, b"shop", b"-1")
    return [(rng.choice(names), rng.choice(values)) for _ in range(rng.randrange(4))]


def hostile_key(rng: random.Random) -> bytes | None:
    return rng.choice((None, b"", b"key", rng.randbytes(8), b"\xff"))


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randrange(1, 25)))


def _good(rng: random.Random) -> bytes:
    message = {"text": sentence(rng), "tenant": rng.choice(TENANTS), "id": rng.randrange(10**6), "title": "a title"}
    return json.dumps(message).encode()


def _mutated(rng: random.Random) -> bytes:
    value = bytearray(_good(rng))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(value) + 1)
        match rng.randrange(5):
            case 0:
                value[at : at + 1] = rng.randbytes(1)
            case 1:
                del value[at : at + rng.randrange(1, 8)]
            case 2:
                value[at:at] = rng.choice((b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"null"))
            case 3:
                value[at:at] = rng.choice(BAD_BYTES)
            case _:
                del value[at:]
                if not value:
                    break
    return bytes(value)


def _random_bytes(rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(400))


def _huge(rng: random.Random) -> bytes:
    filler = rng.choice(("x", "word ", "\u200b", "ü ", "<<LABEL>>", "\\n", "\U0001d518"))
    text = filler * rng.randrange(1, LARGEST_TEXT_CHARACTERS // len(filler))
    return b'{"tenant": "%s", "text": "%s"}' % (rng.choice(TENANTS).encode(), text.encode())


def _deep(rng: random.Random) -> bytes:
    depth = rng.choice((5, 50, 200, 1000, 1024, 1025, 5000, 50_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"text":', b"}"), (b'{"a":[', b"]}")))
    nested = opening * depth + b"1" + closing * (depth if rng.random() < 0.8 else depth - 1)
    return nested if rng.random() < 0.5 else b'{"tenant":"shop","text":"hello","more":' + nested + b"}"


def _bad_unicode(rng: random.Random) -> bytes:
    text = "".join(rng.choice((*BAD_UNICODE, *WORDS, " ")) for _ in range(rng.randrange(1, 20)))
    value = f'{{"tenant": "{rng.choice(TENANTS)}", "text": "{text}"}}'.encode()
    return value if rng.random() < 0.7 else value.replace(b"e", rng.choice(BAD_BYTES), 1)


def _markers(rng: random.Random) -> bytes:
    parts = [rng.choice((*MARKERS, *SPECIAL_TOKENS, *WORDS)) for _ in range(rng.randrange(1, 40))]
    return json.dumps({"tenant": rng.choice(TENANTS), "text": rng.choice(("", " ")).join(parts)}).encode()


def _wrong_types(rng: random.Random) -> bytes:
    fields = {name: json.dumps(rng.choice((sentence(rng), *TENANTS))) for name in FIELDS}
    for name in rng.sample(FIELDS, rng.randrange(1, 4)):
        fields[name] = _any_json(rng)
    pairs = [f'"{name}": {value}' for name, value in fields.items() if rng.random() < 0.9]
    if rng.random() < 0.2:
        pairs += rng.choices(pairs or ['"text": 1'], k=2)  # a key that comes twice
    return ("{" + ", ".join(pairs) + "}").encode()


def _any_json(rng: random.Random) -> str:
    scalars = ("null", "true", "false", '""', '"  "', "0", "-1", "[]", "{}", '{"text": "inside"}', '["a", 1, null]')
    return rng.choice((*scalars, *NUMBERS, json.dumps("x" * rng.randrange(400))))


def _no_object(rng: random.Random) -> bytes | None:
    return rng.choice((None, b"", b" ", _any_json(rng).encode(), b"\xef\xbb\xbf" + _good(rng), _good(rng) * 2))


KINDS: dict[Kind, float] = {
    _good: 10,
    _mutated: 30,
    _random_bytes: 10,
    _bad_unicode: 15,
    _markers: 10,
    _wrong_types: 18,
    _no_object: 6.5,
    _huge: 0.2,
    _deep: 0.3,
}
