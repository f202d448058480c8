from model.training.starter.written_texts import written_datasets


def test_the_texts_are_the_same_every_time() -> None:
    assert written_datasets() == written_datasets()


def test_no_slot_is_left_open_and_no_text_is_there_twice() -> None:
    for dataset in written_datasets():
        texts = [row.text for row in dataset.train]
        assert not any("{" in text or "}" in text for text in texts)
        assert len(set(dataset.train)) == len(dataset.train)


def test_every_label_has_texts() -> None:
    for dataset in written_datasets():
        for label in dataset.labels:
            assert sum(label in row.labels for row in dataset.train) >= 20, (dataset.name, label)
