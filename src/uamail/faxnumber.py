"""A fax number as people write it, read strictly: one that could be dialled in two ways is refused."""

import re

# "+86 991 2825 429": groups of digits, a space, hyphen or full stop between them; an area code may be in brackets.
_WRITTEN = re.compile(r"\+[0-9]+(?:(?:[ .\u00a0-]| ?\([1-9][0-9]*\) ?)[0-9]+)*", re.ASCII)
# ITU-T E.164 6: country code and number, at most 15 digits.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_HINT = 'write it with its country code, like "+86 10 6238 1025"'


def parse(text: str) -> str:
    """The number in E.164 ("+861062381025"). Raises ValueError, with the remedy, for one that is not surely one number.

    Refused are national forms and "00", a trunk zero in brackets or behind the country code (it is dialled from inside
    the country only), extensions, two numbers in one, country codes nobody has and lengths the country does not have.
    """
    written = text.strip()
    if "(0)" in written.replace(" ", ""):
        raise ValueError('leave "(0)" out: it is dialled inside the country only')
    if _WRITTEN.fullmatch(written) is None:
        raise ValueError(_HINT)
    number = "+" + re.sub(r"\D", "", written)
    if _E164.fullmatch(number) is None:
        raise ValueError(f"{_HINT}; it has 7 to 15 digits")
    _check(number)
    return number


def _check(number: str) -> None:
    # Imported here: the tables of all countries cost every command its start-up time.
    import phonenumbers
    from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

    try:
        known = phonenumbers.parse(number)
    except NumberParseException:
        raise ValueError(f"no country has the code that {number[:4]} begins with; {_HINT}") from None
    if phonenumbers.format_number(known, PhoneNumberFormat.E164) != number:
        raise ValueError(f"leave the 0 behind +{known.country_code} out: it is dialled inside the country only")
    match phonenumbers.is_possible_number_with_reason(known):
        case ValidationResult.IS_POSSIBLE:
            return
        case ValidationResult.TOO_LONG:
            problem = "too many digits"
        case ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            problem = "no area code"
        case _:
            problem = "too few digits"
    raise ValueError(f"it has {problem} for a number of +{known.country_code}")


def shown(number: str) -> str:
    """The number in groups, as it stands on the letter: "+86 10 6238 1025"."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    return str(phonenumbers.format_number(phonenumbers.parse(number), PhoneNumberFormat.INTERNATIONAL))
