"""Document numbers of the region and payment cards, told apart by check digit, shape and the words around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from nlp.entities import check_digits as check
from nlp.entities.found import Span
from nlp.entities.reading import Reading

_DIGIT = re.compile(r"\d")
_SIGNS = re.compile(r"[\s./-]")
_CANDIDATE = re.compile(
    r"(?<![\w@+$])(?=[a-z]{0,4}[\d.-]{0,12}\d)(?:[a-zñ&]{1,4}[-.\s]?)?\d[\d./-]{3,20}(?:[\da-z]{0,12})(?![\w@])"
    r"|(?<![\w@])[a-z0-9]{2}\.[a-z0-9]{3}\.[a-z0-9]{3}/[a-z0-9]{4}-\d{2}(?!\w)"
)
_PASSPORT = re.compile(r"\b(?:pasaporte|passaporte|passport)\b[^\d]{0,15}?\b([a-z]{0,3}\d{5,9})\b")
_CARD = re.compile(r"(?<![\w+])\d(?:[ -]?\d){12,18}(?![\w])")
_NEARBY = 30
PASSPORT_WORDS = frozenset({"pasaporte", "passaporte", "passport"})
_FEWEST_IN_A_ROW, _FEWEST_UNNAMED, _FEWEST_OF_A_CARD = 4, 6, 13
_MOST_BEFORE_DIGIT = 16  # characters that a candidate has before its first digit


class DocumentKind(msgspec.Struct, frozen=True):
    """One document. ``words`` name it; ``shape`` is what its compact form looks like.

    ``is_checked`` without check digits is ``None``: then only a naming word makes it one. ``is_telling``: the shape is
    seldom anything else, whatever the country.
    """

    name: str
    country: str
    words: str
    shape: str
    is_checked: Callable[[str], bool] | None = None
    is_telling: bool = False


_ID = "documento|identidad|identificacion|identificado|doc|id"
KINDS: tuple[DocumentKind, ...] = (
    DocumentKind("CPF", "BR", "cpf|documento", r"\d{11}", check.is_cpf),
    DocumentKind("CNPJ", "BR", "cnpj", r"[A-Z0-9]{12}\d{2}", check.is_cnpj),
    DocumentKind("RUT", "CL", f"rut|run|rol|{_ID}", r"\d{7,8}[\dK]", check.is_rut_cl),
    DocumentKind("DNI", "ES", f"dni|nif|{_ID}", r"\d{8}[A-Z]", check.is_dni_es, is_telling=True),
    DocumentKind("NIE", "ES", f"nie|nif|{_ID}", r"[XYZ]\d{7}[A-Z]", check.is_nie_es, is_telling=True),
    DocumentKind("NIF", "ES", "nif|cif", r"[A-W]\d{7}[0-9A-J]", check.is_cif_es),
    DocumentKind("CURP", "MX", "curp", r"[A-Z]{4}\d{6}[A-Z]{6}[0-9A-Z]\d", check.is_curp, is_telling=True),
    DocumentKind("RFC", "MX", "rfc", r"[A-ZÑ&]{3,4}\d{6}[A-Z0-9]{3}", check.is_rfc, is_telling=True),
    DocumentKind("RUC", "PE", "ruc", r"\d{11}", check.is_ruc_pe),
    DocumentKind("DNI", "PE", f"dni|{_ID}", r"\d{8}"),
    DocumentKind("CI", "EC", f"cedula|ci|{_ID}", r"\d{10}", check.is_cedula_ec),
    DocumentKind("RUC", "EC", "ruc", r"\d{13}", check.is_ruc_ec),
    DocumentKind("CI", "UY", f"cedula|ci|{_ID}", r"\d{7,8}", check.is_cedula_uy),
    DocumentKind("RUT", "UY", "rut", r"\d{12}", check.is_rut_uy),
    DocumentKind("CUIT", "AR", "cuit|cuil|cdi", r"\d{11}", check.is_cuit),
    DocumentKind("DNI", "AR", f"dni|{_ID}", r"\d{7,8}"),
    DocumentKind("NIT", "CO", "nit|rut", r"\d{9,10}", check.is_nit_co),
    DocumentKind("CC", "CO", f"cedula|cc|ciudadania|{_ID}", r"\d{6,10}"),
    DocumentKind("RUC", "PY", "ruc", r"\d{6,9}", check.is_ruc_py),
    DocumentKind("CI", "PY", f"cedula|ci|{_ID}", r"\d{5,8}"),
    DocumentKind("CED", "DO", f"cedula|{_ID}", r"\d{11}", check.is_cedula_do),
    DocumentKind("RIF", "VE", "rif", r"[VEJPG]\d{9}", check.is_rif_ve),
    DocumentKind("CI", "VE", f"cedula|ci|{_ID}", r"[VE]?\d{6,8}"),
    DocumentKind("NIF", "PT", "nif|contribuinte", r"\d{9}", check.is_nif_pt),
    DocumentKind("DUI", "SV", f"dui|{_ID}", r"\d{9}"),
    DocumentKind("CED", "CR", f"cedula|{_ID}", r"\d{9}"),
    DocumentKind("SSN", "US", "ssn|social security", r"\d{9}"),
    DocumentKind("DPI", "GT", f"dpi|{_ID}", r"\d{13}"),
)
_WRITTEN: Mapping[tuple[str, str], str] = {  # how a number is written that is seldom written so for anything else
    ("CPF", "BR"): r"\d{3}\.\d{3}\.\d{3}-\d{2}",
    ("CNPJ", "BR"): r"[a-z0-9]{2}\.[a-z0-9]{3}\.[a-z0-9]{3}/[a-z0-9]{4}-\d{2}",
    ("RUT", "CL"): r"\d{1,2}\.?\d{3}\.?\d{3}-[\dk]",
    ("CUIT", "AR"): r"\d{2}-\d{8}-\d",
    ("CI", "UY"): r"\d\.\d{3}\.\d{3}-\d",
    ("RIF", "VE"): r"[vejpg]-?\d{8}-?\d",
    ("CED", "DO"): r"\d{3}-\d{7}-\d",
    ("NIT", "CO"): r"\d{3}\.?\d{3}\.?\d{3}-\d",
}
_FEWEST_CHARACTERS = FEWEST_IN_DOCUMENTS = 5
_LENGTHS = range(40)  # of what may be a document, without its signs
_NAMES = re.compile(rf"\b(?:{'|'.join(sorted({word for kind in KINDS for word in kind.words.split('|')}))})\b")


class _Rule(msgspec.Struct, frozen=True):
    kind: DocumentKind
    names: frozenset[str]
    shape: re.Pattern[str]
    written: re.Pattern[str] | None


class Documents:
    """Finds document numbers; those of the bot's *country* also where nothing names them."""

    def __init__(self, country: str = "") -> None:
        self._country = country.upper()
        self._rules = tuple(
            _Rule(
                kind,
                frozenset(kind.words.split("|")),
                re.compile(kind.shape),
                re.compile(written) if (written := _WRITTEN.get((kind.name, kind.country))) else None,
            )
            for kind in sorted(KINDS, key=lambda kind: kind.country != self._country)
        )
        self._of_digits = [[rule for rule in self._rules if rule.shape.fullmatch("0" * length)] for length in _LENGTHS]
        self._of_letters_too = [
            [rule for rule in self._rules if "[" in rule.kind.shape and _has_length(rule.kind.shape, length)]
            for length in _LENGTHS
        ]

    def find(self, reading: Reading) -> Iterable[Span]:
        """The likeliest document for each number that may be one."""
        if reading.digit_count < FEWEST_IN_DOCUMENTS:
            return ()
        found: list[Span] = []
        if self._may_be_numbered(reading):
            found += self._numbered(reading)
        if reading.digit_count >= _FEWEST_OF_A_CARD:
            found += _cards(reading)
        if not reading.clues.isdisjoint(PASSPORT_WORDS):
            found += _passports(reading)
        return found

    def _may_be_numbered(self, reading: Reading) -> bool:
        """Few digits in a row, without signs between them, are a document only where a word names it."""
        folded, longest = reading.folded, reading.longest_number
        if longest >= _FEWEST_UNNAMED or "." in folded or "-" in folded or "/" in folded:
            return True
        if longest < _FEWEST_IN_A_ROW:
            return False
        if self._country == "BR" or "cnpj" in folded:
            return True
        is_named = "ci" in folded or "id" in folded or "doc" in folded or "cedula" in folded
        return is_named and longest >= FEWEST_IN_DOCUMENTS

    def _numbered(self, reading: Reading) -> Iterator[Span]:
        folded = reading.folded
        for match in _CANDIDATE.finditer(folded, max(0, reading.first_digit - _MOST_BEFORE_DIGIT)):
            written = match[0].rstrip(" ./-")
            if (span := self._best(folded, written, match.start())) is not None:
                yield span

    def _best(self, folded: str, written: str, start: int) -> Span | None:
        """As written, or from its first digit on: ``cc 1020304050`` names a number, ``V-12345678`` holds a letter."""
        end = start + len(written)
        best = self._likeliest(folded, written, start, end)
        if written[0].isdecimal() or (digit := _DIGIT.search(written)) is None:
            return best
        first = digit.start()
        bare = self._likeliest(folded, written[first:], start + first, end)
        return bare if best is None or (bare is not None and bare.confidence > best.confidence) else best

    def _likeliest(self, folded: str, written: str, start: int, end: int) -> Span | None:
        compact = _SIGNS.sub("", written).upper()
        if not (rules := self._fitting(compact)):
            return None
        names = _NAMES.findall(f"{folded[max(0, start - _NEARBY) : start]} {folded[end : end + _NEARBY // 2]}")
        best: Span | None = None
        for rule in rules:
            if not names and rule.kind.is_checked is None:
                continue
            confidence = self._confidence(rule, written, compact, names)
            if confidence and (best is None or confidence > best.confidence):
                best = _span(rule.kind.name, rule.kind.country, compact, start, end, confidence)
        return best

    def _fitting(self, compact: str) -> Sequence[_Rule]:
        """The rules whose shape it may have, which are few of them all."""
        if len(compact) < _FEWEST_CHARACTERS:
            return ()
        if not compact.isascii():
            return self._rules
        return self._of_digits[len(compact)] if compact.isdigit() else self._of_letters_too[len(compact)]

    def _confidence(self, rule: _Rule, written: str, compact: str, names: Collection[str]) -> float:
        """0: it is none. A wrong check digit makes a named number doubtful, and any other none."""
        kind = rule.kind
        if not rule.shape.fullmatch(compact):
            return 0.0
        is_own = kind.country == self._country
        is_named = not rule.names.isdisjoint(names)
        if kind.is_checked is None:
            return (0.9 if is_own else 0.55) if is_named else 0.0
        if not kind.is_checked(compact):
            return 0.5 if is_named and is_own else 0.0
        if is_named:
            return 0.99 if is_own else 0.9
        if kind.is_telling or (rule.written is not None and rule.written.fullmatch(written)):
            return 0.95 if is_own else 0.85
        return 0.75 if is_own and len(compact) > 8 else 0.0


def _cards(reading: Reading) -> Iterator[Span]:
    for match in _CARD.finditer(reading.folded, reading.first_digit):
        number = _SIGNS.sub("", match[0])
        if check.is_card(number):
            yield _span("card", "", number, *match.span(), 0.9)


def _passports(reading: Reading) -> Iterator[Span]:
    for match in _PASSPORT.finditer(reading.folded):
        yield _span("passport", "", match[1].upper(), match.start(1), match.end(1), 0.9)


def _has_length(shape: str, length: int) -> bool:
    """Whether something of that length may have a shape, whatever its characters."""
    return re.fullmatch(re.sub(r"\[[^]]*\]|\\d", ".", shape), "0" * length) is not None


def _span(name: str, country: str, number: str, start: int, end: int, confidence: float) -> Span:
    value = {"type": name, "country": country, "number": number} if country else {"type": name, "number": number}
    return Span("document", value, start, end, confidence)
