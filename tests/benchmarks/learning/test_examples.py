from benchmarks.learning.examples import choose_shots, examples_of
from model.training.datasets import Dataset, LabelledText

ROWS = tuple(LabelledText(f"text {number}", ("often" if number % 5 else "rare",)) for number in range(50))
SET = Dataset("set", ("often", "rare"), multi_label=False, train=ROWS, test=())


def test_rows_become_examples_under_every_label_of_their_set():
    rows = [LabelledText("first", ("rare",)), LabelledText("second", ("none of these",))]
    examples = examples_of(SET, rows)
    assert [one.text for one in examples] == ["first", "second"]
    assert {one.labels for one in examples} == {SET.labels}
    assert [one.targets for one in examples] == [(0.0, 1.0), (0.0, 0.0)]


def test_each_label_gets_its_shots_or_all_there_are():
    labels = [row.labels[0] for row in choose_shots(SET, 20, seed=0)]
    assert (labels.count("often"), labels.count("rare")) == (20, 10)


def test_another_seed_chooses_other_shots():
    first, again, other = (choose_shots(SET, 3, seed) for seed in (0, 0, 1))
    assert first == again != other
