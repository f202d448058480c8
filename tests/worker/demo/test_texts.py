import random

import pytest

from worker.demo.texts import WRITERS


@pytest.mark.parametrize("tenant", WRITERS)
def test_every_template_is_used_and_every_slot_filled(tenant: str) -> None:
    writer = WRITERS[tenant]
    chance = random.Random(0)
    texts = [writer.write(chance) for _ in range(2000)]
    assert not any("{" in text or "}" in text for text in texts)
    for templates in writer.templates.values():
        for template in templates:
            beginning = template.split("{")[0]
            assert any(text.startswith(beginning) for text in texts)


@pytest.mark.parametrize("tenant", WRITERS)
def test_every_subject_with_templates_has_a_weight(tenant: str) -> None:
    writer = WRITERS[tenant]
    assert set(writer.weights) == set(writer.templates)
