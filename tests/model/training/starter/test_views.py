from model.training.datasets import Dataset, LabelledText
from model.training.starter.synonyms import synonyms
from model.training.starter.views import KIND_OF_TEXT, views_of
from model.training.starter.written_texts import written_datasets


def test_every_wording_names_every_class_once() -> None:
    for view in views_of(written_datasets()):
        assert len(view.classes) >= 2
        for wording in view.wordings:
            assert len(wording) == len(set(wording)) == len(view.classes), view.name


def test_a_set_always_has_the_view_of_its_own_labels() -> None:
    rows = (LabelledText("t", ("a",)), LabelledText("u", ("b",)))
    (view,) = views_of([Dataset("mine", ("a", "b"), False, rows, ())])
    assert (view.classes, view.wordings, view.family) == ((("a",), ("b",)), (("a", "b"),), "mine")


def test_a_set_without_train_rows_has_no_view() -> None:
    assert views_of([Dataset("mine", ("a", "b"), False, (), (LabelledText("t", ("a",)),))]) == []


def test_grades_of_a_review_are_never_rivals_of_the_plain_sentiment() -> None:
    for view in views_of(written_datasets()):
        for wording in view.wordings:
            assert not {"very positive", "positive"} <= set(wording), view.name


def test_no_synonym_equals_its_label_and_no_label_has_it_twice() -> None:
    for label, names in synonyms().items():
        assert label not in names
        assert len(set(names)) == len(names), label


def test_kinds_of_text_have_several_names() -> None:
    assert all(len(set(names)) >= 2 for names in KIND_OF_TEXT.values())


def test_every_view_of_a_written_set_finds_texts_for_each_of_its_classes() -> None:
    labels = {dataset.name: {label for row in dataset.train for label in row.labels} for dataset in written_datasets()}
    for view in views_of(written_datasets()):
        for members in view.classes:
            assert set(members) <= labels[view.dataset], view.name
