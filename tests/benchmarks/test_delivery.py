from benchmarks.delivery import Round, summary


def test_what_exactly_once_adds_is_the_median_of_paired_rounds():
    figures = summary(
        {
            "at_least_once": [Round(100, 10, 20, 2), Round(200, 30, 40, 2), Round(100, 10, 20, 2)],
            "exactly_once": [Round(90, 15, 60, 6), Round(180, 36, 90, 6), Round(50, 90, 900, 6)],
        }
    )
    assert figures["at_least_once_messages_per_second"] == 100
    assert figures["exactly_once_producers"] == 6
    assert figures["throughput_ratio"] == 0.9
    assert (figures["added_p50_ms"], figures["added_p99_ms"]) == (6, 50)
