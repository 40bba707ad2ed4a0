"""Check digits of the region's documents: each function says whether a compact number (no signs) is a possible one.

Arithmetic of our own, for the one library of these numbers is under the LGPL; the sources are the authorities' rules as
named beside each. Letters are upper case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

_CURP_LETTERS = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
_CURP = re.compile(
    r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX](?:AS|B[CS]|C[CHLMS]|D[FG]|G[RT]|HG|JC|M[CNS]|N[ELT]|OC|PL|Q[RT]|S[LPR]|T[CLS]|VZ|YN|ZS)"
    r"[B-DF-HJ-NP-TV-ZÑ]{3}[0-9A-Z]\d"
)
_RFC = re.compile(r"[A-ZÑ&]{3,4}\d{6}[1-9A-V][1-9A-Z][0-9A]")
_RFC_LETTERS = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def _sum(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_same_digit(number: str) -> bool:
    return len(set(number)) == 1


def is_cpf(number: str) -> bool:
    """Brazil, Receita Federal: 9 digits and two check digits modulo 11."""
    if len(number) != 11 or _is_same_digit(number):
        return False
    first = _sum(number[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = _sum(number[:10], range(11, 1, -1)) * 10 % 11 % 10
    return number[9:] == f"{first}{second}"


def is_cnpj(number: str) -> bool:
    """Brazil, Receita Federal (Instrução Normativa 2.229/2024): 12 letters or digits and two check digits modulo 11."""
    if len(number) != 14 or not number[12:].isdigit() or _is_same_digit(number):
        return False
    values = [ord(character) - 48 for character in number]
    for place in (12, 13):
        weights = [2 + (place - 1 - index) % 8 for index in range(place)]
        rest = sum(value * weight for value, weight in zip(values, weights, strict=False)) % 11
        if values[place] != (0 if rest < 2 else 11 - rest):
            return False
    return True


def is_rut_cl(number: str) -> bool:
    """Chile, Registro Civil: 7 or 8 digits and one of ``0-9K``, modulo 11."""
    body, check = number[:-1], number[-1:]
    if not (7 <= len(body) <= 8 and body.isdigit()):
        return False
    rest = -sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body))) % 11
    return check == "0123456789K"[rest]


def is_dni_es(number: str) -> bool:
    """Spain, Ministerio del Interior: 8 digits and a letter, modulo 23."""
    return number[:8].isdigit() and len(number) == 9 and _DNI_LETTERS[int(number[:8]) % 23] == number[8]


def is_nie_es(number: str) -> bool:
    """Spain: a DNI whose first digit is written ``X``, ``Y`` or ``Z``."""
    return len(number) == 9 and number[0] in "XYZ" and is_dni_es(str("XYZ".index(number[0])) + number[1:])


def is_cif_es(number: str) -> bool:
    """Spain, Agencia Tributaria: a letter, 7 digits, a check digit or its letter (either is seen)."""
    if len(number) != 9 or number[0] not in "ABCDEFGHJNPQRSUVW" or not number[1:8].isdigit():
        return False
    doubled = sum(sum(map(int, str(int(digit) * 2))) for digit in number[1:8:2])
    check = -(doubled + sum(map(int, number[2:8:2]))) % 10
    return number[8] in {str(check), "JABCDEFGHI"[check]}


def is_curp(number: str) -> bool:
    """Mexico, RENAPO: 18 places, a date of birth, sex, state, and a check digit modulo 10."""
    if not _CURP.fullmatch(number) or not _is_short_date(number[4:10]):
        return False
    total = sum(_CURP_LETTERS.index(character) * (18 - place) for place, character in enumerate(number[:17]))
    return int(number[17]) == -total % 10


def is_rfc(number: str) -> bool:
    """Mexico, SAT: 12 (companies) or 13 places with a date and a check digit modulo 11."""
    if not _RFC.fullmatch(number) or not _is_short_date(number[-9:-3]):
        return False
    padded = number[:-1].rjust(12)
    total = sum(_RFC_LETTERS.index(character) * (13 - place) for place, character in enumerate(padded))
    return number[-1] == "0123456789A"[-total % 11]


def is_ruc_pe(number: str) -> bool:
    """Peru, SUNAT: 11 digits modulo 11."""
    if len(number) != 11 or number[:2] not in {"10", "15", "16", "17", "20"}:
        return False
    return (11 - _sum(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10 == int(number[10])


def is_cedula_ec(number: str) -> bool:
    """Ecuador, Registro Civil: 10 digits with the province, Luhn."""
    if len(number) != 10 or not (1 <= int(number[:2]) <= 24 or number[:2] == "30") or number[2] > "6":
        return False
    return _luhn(number)


def is_ruc_ec(number: str) -> bool:
    """Ecuador, SRI: 13 digits; of a person the cédula and an establishment, of companies modulo 11."""
    if len(number) != 13 or not (1 <= int(number[:2]) <= 24 or number[:2] == "30"):
        return False
    if number[2] <= "6" and is_cedula_ec(number[:10]) and number[10:] != "000":
        return True
    if number[2] == "6":
        return number[9:] != "0000" and _sum(number, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    if number[2] == "9":
        return number[10:] != "000" and _sum(number, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    return False


def is_cedula_uy(number: str) -> bool:
    """Uruguay, DNIC: 6 or 7 digits and a check digit modulo 10."""
    if not 7 <= len(number) <= 8:
        return False
    return -_sum(number[:-1].rjust(7, "0"), (2, 9, 8, 7, 6, 3, 4)) % 10 == int(number[-1])


def is_rut_uy(number: str) -> bool:
    """Uruguay, DGI: 12 digits modulo 11."""
    if len(number) != 12 or not 1 <= int(number[:2]) <= 22 or number[2:8] == "000000" or number[8:11] != "001":
        return False
    return str(-_sum(number, (4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) == number[11]


def is_cuit(number: str) -> bool:
    """Argentina, ARCA: 11 digits with a kind of holder, modulo 11."""
    if len(number) != 11 or number[:2] not in {"20", "23", "24", "25", "26", "27", "30", "33", "34", "50", "51", "55"}:
        return False
    return "012345678990"[11 - _sum(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11] == number[10]


def is_nit_co(number: str) -> bool:
    """Colombia, DIAN: 8 to 15 digits and a check digit modulo 11 over primes."""
    if not 8 <= len(number) <= 16:
        return False
    primes = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)
    rest = _sum(number[-2::-1], primes) % 11
    return int(number[-1]) == (rest if rest < 2 else 11 - rest)


def is_ruc_py(number: str) -> bool:
    """Paraguay, DNIT: 5 to 8 digits and a check digit modulo 11."""
    if not 6 <= len(number) <= 9:
        return False
    rest = -sum(int(digit) * (place + 2) for place, digit in enumerate(number[-2::-1])) % 11
    return rest % 10 == int(number[-1])


def is_cedula_do(number: str) -> bool:
    """Dominican Republic, JCE: 11 digits, Luhn."""
    return len(number) == 11 and not _is_same_digit(number) and _luhn(number)


def is_rif_ve(number: str) -> bool:
    """Venezuela, SENIAT: a letter and 9 digits, modulo 11."""
    values = {"V": 4, "E": 8, "J": 12, "P": 16, "G": 20}
    if len(number) != 10 or number[0] not in values or not number[1:].isdigit():
        return False
    total = values[number[0]] + _sum(number[1:9], (3, 2, 7, 6, 5, 4, 3, 2))
    return "00987654321"[total % 11] == number[9]


def is_nif_pt(number: str) -> bool:
    """Portugal, Autoridade Tributária: 9 digits modulo 11."""
    if len(number) != 9 or number[0] == "0":
        return False
    return (11 - _sum(number, range(9, 1, -1)) % 11) % 11 % 10 == int(number[8])


def is_card(number: str) -> bool:
    """A payment card (ISO/IEC 7812): 13 to 19 digits of a network, Luhn."""
    return 13 <= len(number) <= 19 and number[0] in "3456" and not _is_same_digit(number) and _luhn(number)


def _luhn(number: str) -> bool:
    doubled = sum(sum(map(int, str(int(digit) * 2))) for digit in number[-2::-2])
    return (doubled + sum(map(int, number[-1::-2]))) % 10 == 0


def _is_short_date(digits: str) -> bool:
    """``YYMMDD`` of this century or the last."""
    for century in ("19", "20"):
        try:
            date(int(century + digits[:2]), int(digits[2:4]), int(digits[4:]))
        except ValueError:
            continue
        return True
    return False
