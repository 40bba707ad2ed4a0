"""News reach every listener, tell apart what happened, and cost nothing when nobody listens."""

import uuid

import msgspec

from gateway.core.ids import ConversationId
from gateway.core.news import Bulletin, News, Passing

ONE, TWO = ConversationId(uuid.UUID(int=1)), ConversationId(uuid.UUID(int=2))


def test_who_does_not_tell_apart_hears_everything_under_one_name():
    news, heard = News(), []
    news.listen(heard.append, heard.append)
    news.changed([ONE])
    news.changed([TWO], "decided")
    news.changed([ONE], "marked")
    assert heard == [ONE, TWO, ONE]


def test_what_happened_is_told_apart_for_who_asks():
    news, said, decided, marked = News(), [], [], []
    news.listen(said.append, said.append, decided=decided.append, marked=marked.append)
    for what, conversation in (("said", ONE), ("decided", TWO), ("marked", ONE)):
        news.changed([conversation], what)
    assert (said, decided, marked) == ([ONE], [TWO], [ONE])


def test_nobody_is_asked_what_changed_when_nobody_listens():
    def never():
        raise AssertionError("was asked")
        yield ONE

    News().changed(never())


def test_what_is_told_here_goes_to_others_and_what_they_tell_does_not_come_back():
    told, heard = [], []
    news = News(told.append)
    stop = news.listen(heard.append, heard.append)
    news.changed([ONE])
    news.heard(Bulletin(changed=(TWO,)))
    stop()
    news.changed([TWO])
    assert [bulletin.changed for bulletin in told] == [(ONE,), (TWO,)]
    assert heard == [ONE, TWO]
    assert news.reaches_others
    assert not News().reaches_others


def test_a_bulletin_survives_the_way_to_another_process():
    for bulletin in (
        Bulletin("decided", (ONE, TWO)),
        Bulletin(passing=(Passing(ONE, "delta", subject="m_1", text="Ho"),)),
        Bulletin(passing=(Passing(ONE, "typing", author="agent", name="Berta", is_on=False),)),
    ):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(bulletin), type=Bulletin) == bulletin
