"""The last few of something stay at hand, and no more than that."""

from hansard.kit.at_hand import AtHand


def test_those_used_last_stay_at_hand() -> None:
    few = AtHand[str, int](2)
    assert few.find("a") is None
    assert few.keep("a", 1) == 1
    few.keep("b", 2)
    assert few.find("a") == 1
    few.keep("c", 3)
    assert [few.find(key) for key in "abc"] == [1, None, 3]
    few.keep("a", 4)
    few.keep("d", 5)
    assert [few.find(key) for key in "acd"] == [4, None, 5]
