from typing import Any

import pytest
import yaml
from support.policies import NoModel, compiled_policy, compiled_set, policy_file

from model.errors import LabelSetError
from model.label_set import Example, LabelSet
from model.long_text import Combine, LongText, LongTextMode
from model.scorer import Scorer
from schemas.policy import PolicyFile
from worker.errors import PolicyError
from worker.policies.compiled import (
    DEFAULT_TENANT,
    CompileOptions,
    PolicyStore,
    compile_policies,
    label_set_of,
    policy_version,
)

TWO_TENANTS = """
tenants:
  acme: {weight: 2, latency_budget_seconds: 0.2, tasks: {topic: {mode: multi, labels: [a, b]}}}
  bank: {tasks: {topic: {mode: single, labels: [a, b], thresholds: {b: 0.4}}, mood: {mode: multi, labels: [glad]}}}
"""
OPTIONS = CompileOptions()


class RefusingModel(NoModel):
    def draft(self, label_set: LabelSet) -> Any:
        if "b" in label_set.labels:
            raise LabelSetError("labels leave no room for text; use fewer")
        return super().draft(label_set)


def test_a_compiled_policy_holds_what_the_stream_needs() -> None:
    bank = compiled_set(TWO_TENANTS).tenants["bank"]
    assert [task.name for task in bank.tasks] == ["topic", "mood"]
    assert bank.tasks[0].thresholds == (0.0, 0.4)
    assert bank.prepared == tuple(task.prepared for task in bank.tasks)
    acme = compiled_set(TWO_TENANTS).tenants["acme"]
    assert (acme.tenant, acme.weight, acme.latency_budget_seconds) == ("acme", 2, 0.2)


def test_a_task_becomes_the_label_set_that_the_model_sees() -> None:
    (task,) = compiled_policy("""
        tenants:
          acme:
            tasks:
              topic:
                mode: multi
                labels: {a: {x: about x, y: }}
                prompt: "Sort: "
                examples: [{text: t, labels: [a.x]}]
    """).tasks
    expected = LabelSet(("a.x", "a.y"), ("about x", None), "Sort: ", (Example("t", ("a.x",)),))
    assert task.label_set == expected == label_set_of(task.task)


def test_labels_without_descriptions_have_none() -> None:
    assert compiled_policy(TWO_TENANTS).tasks[0].label_set.descriptions == ()


def test_a_task_publishes_the_scores_that_it_or_the_settings_ask_for() -> None:
    text = "tenants: {acme: {tasks: {x: {mode: multi, labels: [a]}, y: {mode: multi, labels: [a], scores: chosen}}}}"
    by_setting = compiled_policy(text, CompileOptions(scores="all"))
    assert [task.publish_all_scores for task in by_setting.tasks] == [True, False]


def test_a_version_changes_with_its_own_policy_only() -> None:
    before = compiled_set(TWO_TENANTS)
    after = compiled_set(TWO_TENANTS.replace("0.4", "0.5"))
    assert before.tenants["acme"].version == after.tenants["acme"].version
    assert before.tenants["bank"].version != after.tenants["bank"].version


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("{mode: multi, labels: [a, b]}", "{labels: ['a', \"b\"], mode: multi}", True),
        ("{mode: multi, labels: [a, b]}", "{mode: multi, labels: [a, b], prompt: ''}", True),
        ("{mode: multi, labels: [a, b]}", "{mode: multi, labels: [b, a]}", False),
        ("{mode: multi, labels: {a: x, b: y}}", "{mode: multi, labels: {b: y, a: x}}", False),
        ("{mode: multi, labels: [a, b]}", "{mode: multi, labels: [a, b], threshold: 0.4}", False),
        ("{mode: multi, labels: {a: [b]}}", "{mode: multi, labels: [a.b]}", False),
    ],
)
def test_a_version_is_a_hash_of_what_the_policy_says(one: str, other: str, equal: bool) -> None:
    versions = [
        policy_version(policy_file(f"tenants: {{acme: {{tasks: {{topic: {task}}}}}}}").tenants["acme"])
        for task in (one, other)
    ]
    assert (versions[0] == versions[1]) is equal


def test_an_unchanged_tenant_keeps_its_compiled_policy() -> None:
    before = compiled_set(TWO_TENANTS)
    model = NoModel()
    changed = policy_file(TWO_TENANTS.replace("[glad]", "[glad, sad]"))
    after = compile_policies(changed, model, OPTIONS, before)
    assert after.tenants["acme"] is before.tenants["acme"]
    assert after.tenants["bank"] is not before.tenants["bank"]
    assert ("glad", "sad") in [label_set.labels for label_set in model.prepared]


def test_every_label_set_that_the_model_refuses_is_named() -> None:
    with pytest.raises(PolicyError) as caught:
        compile_policies(policy_file(TWO_TENANTS), RefusingModel(), OPTIONS)
    assert caught.value.lines == [
        "tenants.acme.tasks.topic: labels leave no room for text; use fewer",
        "tenants.bank.tasks.topic: labels leave no room for text; use fewer",
    ]


def test_a_route_back_into_the_stream_is_refused() -> None:
    text = """
        default: {tasks: {x: {mode: multi, labels: [a]}}, routes: [{task: x, label: a, topic: messages}]}
        unknown_tenant: default
    """
    with pytest.raises(PolicyError) as caught:
        compiled_set(text, CompileOptions(reserved_topics={"messages": "an input topic, a loop"}))
    assert caught.value.lines == ["default.routes.0.topic: 'messages' is an input topic, a loop; choose another"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("weight: 1", LongText()),
        ("long_text: {mode: head_tail}", LongText(LongTextMode.HEAD_TAIL)),
        ("long_text: {mode: windows}", LongText(LongTextMode.WINDOWS)),
        (
            "long_text: {mode: windows, overlap_tokens: 0, pool: mean}",
            LongText(LongTextMode.WINDOWS, overlap_tokens=0, combine=Combine.MEAN),
        ),
        ("long_text: {mode: windows, max_windows: 3}", LongText(LongTextMode.WINDOWS, max_windows=3)),
    ],
)
def test_what_is_read_of_a_long_text_is_what_the_policy_says(written: str, expected: LongText) -> None:
    policies = compiled_set(f"tenants: {{acme: {{tasks: {{x: {{mode: multi, labels: [a]}}}}, {written}}}}}")
    assert policies.tenants["acme"].long_text == expected


def test_an_unknown_tenant_has_no_policy_unless_there_is_a_default() -> None:
    store = PolicyStore(compiled_set(TWO_TENANTS))
    assert store.resolve("acme") is store.current.tenants["acme"]
    assert store.resolve("stranger") is None
    written = yaml.safe_load(TWO_TENANTS)
    written |= {"unknown_tenant": "default", "default": written["tenants"]["bank"]}
    store.replace(compile_policies(PolicyFile.model_validate(written), NoModel(), OPTIONS))
    stranger = store.resolve("stranger")
    assert stranger is not None
    assert stranger.tenant == DEFAULT_TENANT
    assert list(store.current.by_name()) == ["acme", "bank", DEFAULT_TENANT]


def test_labels_that_the_model_reads_alike_are_refused_with_their_path(scorer: Scorer) -> None:
    text = "tenants: {acme: {tasks: {mood: {mode: multi, labels: [🙂, glad]}, kind: {mode: single, labels: [%s]}}}}"
    with pytest.raises(PolicyError) as caught:
        compile_policies(policy_file(text % '"spam", "sp\u200bam"'), scorer, OPTIONS)
    unread, alike = caught.value.lines
    assert unread.startswith("tenants.acme.tasks.mood: labels[0]: the model cannot read '🙂'")
    assert alike.startswith("tenants.acme.tasks.kind: labels[0] and labels[1]: the model cannot tell 'spam' from")


@pytest.mark.parametrize(("max_windows", "windows"), [(1, 1), (3, 3), (40, 21)])
def test_as_many_windows_are_read_as_the_policy_says_and_the_rest_is_counted(
    scorer: Scorer, max_windows: int, windows: int
) -> None:
    task = "{mode: multi, labels: [a, b]}"
    policy = compile_policies(
        policy_file(
            f"tenants: {{acme: {{tasks: {{x: {task}}}, long_text: {{mode: windows, overlap_tokens: 10, "
            f"max_windows: {max_windows}}}}}}}"
        ),
        scorer,
        OPTIONS,
    ).tenants["acme"]
    (prepared,) = policy.prepared
    # [CLS], [SEP] and the separator in front of the text stand in every window.
    room = scorer.max_tokens - prepared.token_count - 3
    step = room - 10
    encoded = scorer.encode("x " * (room + 20 * step), policy.prepared, policy.long_text)
    assert len(encoded.passes) == windows
    assert encoded.truncated_token_count == (21 - windows) * step
