"""What is found in a text: built in, listed, described by patterns; written on Friday, 20 November 2026, in Bogotá."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Misconfigured
from nlp.entities import Entity, Extractor, as_text
from nlp.entities.gazetteer import mistakes
from nlp.training_data import EntityMark, Example, TrainingData

AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ZONE = "America/Bogota"

Extract = Callable[..., tuple[Entity, ...]]


def extractor(country: str = "CO", **taught: Any) -> Extractor:
    return Extractor(TrainingData(taught.pop("examples", ()), **taught), ("es", "en", "pt"), country=country)


@pytest.fixture(scope="module")
def by_country() -> dict[str, Extractor]:
    return {country: extractor(country) for country in ("", "CO", "BR", "MX", "PE", "US", "CL", "ES", "AR", "EC", "UY")}


def found(each: Extractor, text: str, language: str = "es") -> list[tuple[str, object]]:
    return [(entity.kind, entity.value) for entity in each.extract(text, language, AT, ZONE)]


@pytest.mark.parametrize(
    ("country", "language", "text", "value"),
    [
        ("CO", "es", "quiero veinte mil", 20_000),
        ("CO", "es", "son 1.500,50 en total", 1500.5),
        ("MX", "es", "son 1,500.50 en total", 1500.5),
        ("CO", "es", "unos 1.500", 1500),
        ("US", "en", "about 1,500", 1500),
        ("CO", "es", "0,125 de eso", 0.125),
        ("CO", "es", "1'500.000 en total", 1_500_000),
        ("CO", "es", "1.500'000 en total", 1_500_000),
        ("CO", "es", "1'500.000'007 en total", 1_500_000_007),
        ("CO", "es", "2 millones y medio", 2_500_000),
        ("CO", "es", "medio millón", 500_000),
        ("CO", "es", "veintidós", 22),
        ("CO", "es", "veintidos mil trescientos", 22_300),
        ("CO", "es", "-5 grados", -5),
        ("CO", "es", "20k", 20_000),
        ("BR", "pt", "mil e quinhentos", 1500),
        ("BR", "pt", "mil quinhentos", 1500),
        ("BR", "pt", "vinte e cinco", 25),
        ("BR", "pt", "dois milhões", 2_000_000),
        ("US", "en", "twenty-five hundred", 2500),
        ("US", "en", "2.5 million", 2_500_000),
        ("US", "en", "a dozen of them", 12),
        ("CO", "es", "una", 1),
    ],
)
def test_a_number_is_read(
    by_country: dict[str, Extractor], country: str, language: str, text: str, value: float
) -> None:
    assert found(by_country[country], text, language) == [("number", value)]


@pytest.mark.parametrize("text", ["quiero hacer una consulta", "no tengo señal", "el segundo piso", "mil gracias", ""])
def test_an_article_or_nothing_is_no_number(by_country: dict[str, Extractor], text: str) -> None:
    assert found(by_country["CO"], text) == []


@pytest.mark.parametrize(
    ("country", "language", "text", "amount", "currency"),
    [
        ("CO", "es", "20 mil pesos", 20_000, "COP"),
        ("CO", "es", "veinte mil pesos", 20_000, "COP"),
        ("CO", "es", "$ 35.900", 35_900, "COP"),
        ("CO", "es", "20 lucas", 20_000, "COP"),
        ("CO", "es", "50 dólares", 50, "USD"),
        ("MX", "es", "$20", 20, "MXN"),
        ("EC", "es", "$5.50", 5.5, "USD"),
        ("US", "en", "$20", 20, "USD"),
        ("", "es", "$20", 20, "USD"),
        ("PE", "es", "S/ 50", 50, "PEN"),
        ("PE", "es", "s/.30", 30, "PEN"),
        ("PE", "es", "50 soles", 50, "PEN"),
        ("BR", "pt", "R$ 30,50", 30.5, "BRL"),
        ("BR", "pt", "mil e quinhentos reais", 1500, "BRL"),
        ("BR", "pt", "50 reais e 30 centavos", 50.3, "BRL"),
        ("ES", "es", "12,50 €", 12.5, "EUR"),
        ("CO", "es", "US$ 100", 100, "USD"),
        ("MX", "en", "usd 50", 50, "USD"),
        ("CO", "es", "300 pesos mexicanos", 300, "MXN"),
    ],
)
def test_an_amount_has_its_currency(
    by_country: dict[str, Extractor], country: str, language: str, text: str, amount: float, currency: str
) -> None:
    assert found(by_country[country], text, language) == [("amount", {"amount": amount, "currency": currency})]


@pytest.mark.parametrize(
    ("language", "text", "kind", "value"),
    [
        ("es", "mañana a las 5", "datetime", "2026-11-21T17:00-05:00"),
        ("es", "a las 5 de la tarde del lunes", "datetime", "2026-11-23T17:00-05:00"),
        ("es", "el quince de enero a las dos y media", "datetime", "2027-01-15T14:30-05:00"),
        ("es", "el 30 de mayo de 2027 a las 17:45 hs", "datetime", "2027-05-30T17:45-05:00"),
        ("es", "en dos horas", "datetime", "2026-11-20T12:00-05:00"),
        ("en", "next friday at 5pm", "datetime", "2026-11-27T17:00-05:00"),
        ("en", "half past five tomorrow", "datetime", "2026-11-21T17:30-05:00"),
        ("pt", "amanhã às 15h", "datetime", "2026-11-21T15:00-05:00"),
        ("es", "el lunes que viene", "date", "2026-11-23"),
        ("es", "15/08", "date", "2027-08-15"),
        ("es", "en 3 días", "date", "2026-11-23"),
        ("es", "desde hace 2 semanas", "date", "2026-11-06"),
        ("es", "desde ayer", "date", "2026-11-19"),
        ("es", "a fin de mes", "date", "2026-11-30"),
        ("es", "mañana por la mañana", "date", "2026-11-21"),
        ("en", "3 days ago", "date", "2026-11-17"),
        ("en", "next friday", "date", "2026-11-27"),
        ("en", "last monday", "date", "2026-11-16"),
        ("pt", "na segunda de manhã", "date", "2026-11-23"),
        ("pt", "sexta-feira", "date", "2026-11-27"),
        ("pt", "daqui a 3 dias", "date", "2026-11-23"),
        ("pt", "dia 5 de dezembro", "date", "2026-12-05"),
        ("es", "del 5 al 10 de mayo", "period", {"from": "2027-05-05", "to": "2027-05-10"}),
        ("es", "de lunes a viernes", "period", {"from": "2026-11-23", "to": "2026-11-27"}),
        ("es", "la semana que viene", "period", {"from": "2026-11-23", "to": "2026-11-29"}),
        ("en", "this weekend", "period", {"from": "2026-11-21", "to": "2026-11-22"}),
        ("es", "entre las 3 y las 5", "period", {"from": "15:00", "to": "17:00"}),
        ("es", "de 9am a 5pm", "period", {"from": "09:00", "to": "17:00"}),
        ("es", "entre 2 y 4 de la tarde", "period", {"from": "14:00", "to": "16:00"}),
        ("es", "de 10 a 2 de la tarde", "period", {"from": "10:00", "to": "14:00"}),
        ("pt", "das 9h às 18h", "period", {"from": "09:00", "to": "18:00"}),
        ("es", "me cobraron el 3 de noviembre", "date", "2026-11-03"),
        ("es", "quiero viajar el 3 de diciembre", "date", "2026-12-03"),
        ("es", "al mediodía", "time", "12:00"),
        ("es", "a las 8 de la noche", "time", "20:00"),
        ("es", "seis de la tarde", "time", "18:00"),
        ("pt", "às 17h30", "time", "17:30"),
        ("es", "hora y media", "duration", "PT1H30M"),
        ("es", "2 horas 30 minutos", "duration", "PT2H30M"),
        ("es", "dos semanas", "duration", "P2W"),
        ("pt", "meia hora", "duration", "PT30M"),
        ("en", "an hour and a half", "duration", "PT1H30M"),
        ("en", "three months", "duration", "P3M"),
    ],
)
def test_times_are_read_where_the_contact_is(
    by_country: dict[str, Extractor], language: str, text: str, kind: str, value: object
) -> None:
    assert found(by_country["CO"], text, language) == [(kind, value)]


@pytest.mark.parametrize(
    ("language", "text"),
    [("pt", "segunda via da fatura"), ("es", "31 de febrero"), ("es", "por la mañana"), ("es", "me gusta el mar")],
)
def test_what_only_looks_like_a_day_is_none(by_country: dict[str, Extractor], language: str, text: str) -> None:
    assert not {"date", "datetime", "period"} & {kind for kind, _ in found(by_country["CO"], text, language)}


def test_a_day_is_that_of_the_contacts_time_zone(by_country: dict[str, Extractor]) -> None:
    late = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # still Friday in Bogotá
    assert [entity.value for entity in by_country["CO"].extract("hoy", "es", late, ZONE)] == ["2026-11-20"]
    assert [entity.value for entity in by_country["CO"].extract("hoy", "es", late, "Asia/Tokyo")] == ["2026-11-21"]


@pytest.mark.parametrize(
    ("country", "text", "kind", "value"),
    [
        ("CO", "llámame al 300 555 0142", "phone", "+573005550142"),
        ("CO", "+1 415 555 2671", "phone", "+14155552671"),
        ("BR", "(11) 98765-4321", "phone", "+5511987654321"),
        ("US", "(415) 555-2671", "phone", "+14155552671"),
        ("CO", "mi correo es Ana.Perez@Example.COM.", "email", "ana.perez@example.com"),
        ("CO", "mira https://Faro.example/A?b=1.", "url", "https://Faro.example/A?b=1"),
        ("CO", "está en www.faro.example", "url", "https://www.faro.example"),
        ("CO", "mi pedido P-48213", "code", "P-48213"),
        ("CO", "el caso 123456", "code", "123456"),
        ("CO", "es el #9981", "code", "9981"),
        ("CO", "ord-2024-00123", "code", "ORD-2024-00123"),
    ],
)
def test_where_to_reach_and_what_to_look_up_is_found(
    by_country: dict[str, Extractor], country: str, text: str, kind: str, value: str
) -> None:
    assert found(by_country[country], text) == [(kind, value)]


@pytest.mark.parametrize(
    ("country", "text", "name", "number"),
    [
        ("BR", "meu cpf é 529.982.247-25", "CPF", "52998224725"),
        ("BR", "52998224725", "CPF", "52998224725"),
        ("BR", "11.222.333/0001-81", "CNPJ", "11222333000181"),
        ("BR", "12.ABC.345/01DE-35", "CNPJ", "12ABC34501DE35"),
        ("CL", "12.345.678-5", "RUT", "123456785"),
        ("ES", "12345678Z", "DNI", "12345678Z"),
        ("ES", "x1234567l", "NIE", "X1234567L"),
        ("MX", "curp HEGG560427MVZRRL04", "CURP", "HEGG560427MVZRRL04"),
        ("MX", "GODE561231GR8", "RFC", "GODE561231GR8"),
        ("PE", "ruc 20512333797", "RUC", "20512333797"),
        ("EC", "cédula 1714307103", "CI", "1714307103"),
        ("AR", "20-05536168-2", "CUIT", "20055361682"),
        ("CO", "nit 213.123.432-1", "NIT", "2131234321"),
        ("CO", "mi cédula es 52123456", "CC", "52123456"),
        ("CO", "cc 1.020.304.050", "CC", "1020304050"),
        ("CO", "pasaporte AB123456", "passport", "AB123456"),
        ("CO", "mi tarjeta 4111 1111 1111 1111", "card", "4111111111111111"),
        ("US", "my ssn is 123-45-6789", "SSN", "123456789"),
        ("UY", "ci 1.234.567-2", "CI", "12345672"),
    ],
)
def test_a_document_is_told_by_check_digit_and_words(
    by_country: dict[str, Extractor], country: str, text: str, name: str, number: str
) -> None:
    ((kind, value),) = found(by_country[country], text)
    assert kind == "document"
    assert isinstance(value, dict)
    assert (value["type"], value["number"]) == (name, number)


def test_the_same_digits_are_a_phone_or_a_document_by_the_words_beside_them(by_country: dict[str, Extractor]) -> None:
    assert found(by_country["CO"], "mi celular es 3005550142") == [("phone", "+573005550142")]
    ((kind, _),) = found(by_country["CO"], "mi cédula es 3005550142")
    assert kind == "document"
    ((kind, _),) = found(by_country["BR"], "11987654321", "pt")
    assert kind == "phone", "its check digits are wrong for a CPF"


MARKED = (
    Example(
        "de Bogotá a Lima",
        "fly",
        "es",
        (EntityMark("city", "Bogotá", "BOG", 3, 9, "from"), EntityMark("city", "Lima", "Lima", 12, 16, "to")),
    ),
    Example("cuenta de ahorros", "open", "es", (EntityMark("account", "ahorros", "savings", 10, 17),)),
)


def test_listed_and_annotated_words_are_found_with_their_canonical_value() -> None:
    each = extractor(
        examples=MARKED,
        lookups={"zone": ("Norte", "Centro histórico"), "pack": ("5 GB",)},
        synonyms={"casco viejo": "Centro histórico"},
        regexes={"line": (r"(?<!\d)3\d{9}",), "order": (r"pedido (?P<value>\d{4})",)},
    )
    assert found(each, "en el casco viejo o al norte") == [("zone", "Centro histórico"), ("zone", "Norte")]
    assert found(each, "quiero 2 paquetes de 5GB para el viernes") == [
        ("number", 2),
        ("pack", "5 GB"),
        ("date", "2026-11-27"),
    ]
    assert found(each, "mi línea 3005550142, pedido 1234") == [("line", "3005550142"), ("order", "1234")]
    flight = each.extract("desde bogota hasta lima", "es", AT, ZONE)
    assert [(entity.value, entity.role, entity.source) for entity in flight] == [
        ("BOG", "from", "annotated"),
        ("Lima", "to", "annotated"),
    ]


def test_mistyped_words_are_found_and_less_sure_and_right_ones_are_not_bent() -> None:
    each = extractor(
        examples=(*MARKED, Example("la cuenta del centra", "x")), lookups={"zone": ("Chapinero", "Centro")}
    )
    (entity,) = each.extract("vivo en chapinerro", "es", AT, ZONE)
    (exact,) = each.extract("vivo en chapinero", "es", AT, ZONE)
    assert (entity.value, entity.text) == ("Chapinero", "chapinerro")
    assert entity.confidence < exact.confidence
    assert found(each, "en centrp") == [("zone", "Centro")]
    assert found(each, "la centra") == [], "a word of the examples is right as it is"


@pytest.mark.parametrize(
    ("word", "other", "count"), [("casa", "casa", 0), ("csaa", "casa", 1), ("cas", "casa", 1), ("kasas", "casa", 2)]
)
def test_mistakes_are_counted(word: str, other: str, count: int) -> None:
    assert mistakes(word, other) == count


def test_offsets_are_those_of_the_text_as_it_was_written(by_country: dict[str, Extractor]) -> None:
    for text in (
        "¡MAÑANA! a las 5…",
        "man\u0303ana a las 5",
        "\uff21\uff22\u3000mañana a las 5 \ufb01n",
        "x\u0301y el 1º de mayo",
    ):
        for entity in by_country["CO"].extract(text, "es", AT, ZONE):
            assert text[entity.start : entity.end] == entity.text
            assert not entity.text.startswith(" ")
    (entity,) = by_country["CO"].extract("man\u0303ana", "es", AT, ZONE)
    assert entity.text == "man\u0303ana"


def test_a_catastrophic_pattern_costs_little_and_one_that_does_not_compile_is_refused() -> None:
    each = extractor(regexes={"bad": (r"(a+)+$",), "good": (r"b{2}",)})
    begun = time.perf_counter()
    assert found(each, "a" * 60 + "bb!") == [("good", "bb")]
    assert time.perf_counter() - begun < 0.5
    with pytest.raises(Misconfigured, match="regex 'bad'"):
        extractor(regexes={"bad": ("(",)})


def test_a_value_is_told_in_one_line() -> None:
    assert as_text({"amount": 20_000, "currency": "COP"}) == "20000 COP"
    assert as_text({"from": "2026-05-05", "to": "2026-05-10"}) == "2026-05-05/2026-05-10"
    assert as_text(3.0) == "3"
    assert as_text("x") == "x"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120), st.sampled_from(["es", "en", "pt", "de", ""]))
def test_whatever_is_written_is_read_without_harm(by_country: dict[str, Extractor], text: str, language: str) -> None:
    for entity in by_country["CO"].extract(text, language, AT, ZONE):
        assert text[entity.start : entity.end] == entity.text


def test_hostile_strings_are_bounded_in_time(by_country: dict[str, Extractor]) -> None:
    chosen = random.Random(5)
    pieces = [
        "1",
        "1.",
        "a las ",
        "5/",
        "\x00",
        "\ud800",
        "\u202e",
        "\u200b",
        "mil ",
        "y ",
        "-",
        "@",
        "$",
        "é",
        "😀",
        "lunes ",
    ]
    texts = ["".join(chosen.choices(pieces, k=700)) for _ in range(20)]
    texts += [piece * 50_000 for piece in pieces]
    for text in texts:
        begun = time.perf_counter()
        for entity in by_country["CO"].extract(text, "es", AT, ZONE):
            assert not {"inf", "nan"} & set(as_text(entity.value).split())
            assert msgspec.json.decode(msgspec.json.encode(entity.value)) == entity.value
        assert time.perf_counter() - begun < 1.0, text[:20]
