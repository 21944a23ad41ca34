"""Versions compare as numbers: 1.9 < 1.10, v2 = 2.0, 2.0-rc1 < 2.0, rc2 < rc10 (SemVer 2.0.0, clause 11). A channel chooses among them."""

_DIGITS = "0123456789"


def _is_number(text):
    return bool(text) and all(c in _DIGITS for c in text)


def parse(text):
    """Returns a version's numbers, without zeros at the end, and its pre-release, both lists; None for what is no version."""
    if text[:1] in ("v", "V"):
        text = text[1:]
    text = text.split("+")[0]
    end = 0
    while end < len(text) and text[end] in "." + _DIGITS:
        end += 1
    numbers, pre = text[:end].split("."), text[end:]
    if not all(numbers) or max(len(n) for n in numbers) > 18:
        return None
    if len(pre) > 1 and pre[0] == "-":
        pre = pre[1:]
    spaced = ""  # "rc10" falls into a word and a number
    for c in pre:
        if not (c.isalpha() or c in ".-~" + _DIGITS):
            return None
        spaced += "." + c if c in _DIGITS and spaced[-1:].isalpha() else c
    pre = spaced.split(".") if spaced else []
    if not all(pre):
        return None
    numbers = [int(n) for n in numbers]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers, pre


def compare(a, b):
    """Returns -1, 0 or 1, or None where only the source knows which is newer."""
    if a == b:
        return 0
    a, b = parse(a), parse(b)
    if not a or not b:
        return None
    if a[0] != b[0]:
        return -1 if a[0] < b[0] else 1
    a, b = a[1], b[1]
    if not a or not b:  # none comes after any
        return bool(b) - bool(a)
    a, b = [_part(p) for p in a], [_part(p) for p in b]
    return (a > b) - (a < b)


def _part(text):
    """Numbers come before words."""
    return (0, int(text), "") if _is_number(text) else (1, 0, text)


def is_prerelease(text):
    v = parse(text)
    return bool(v and v[1])


def terms(channel):
    """Reads a version constraint such as "~> 1.2" or ">= 1.4, < 2": operators and versions; None for what is none."""
    out = []
    for term in channel.split(","):
        term, op = term.strip(), "="
        for known in ("!=", ">=", "<=", "~>", "=", ">", "<"):
            if term.startswith(known):
                op, term = known, term[len(known) :].strip()
                break
        if not parse(term):
            return None
        out.append((op, term))
    return out


def allows(channel, version, prerelease=False):
    """Reports whether a channel offers a release. A constraint offers a pre-release only where it names one of the same numbers."""
    if channel == "beta":
        return True
    if channel == "stable":
        return not prerelease and not is_prerelease(version)
    return bool(parse(version)) and all(_fits(op, limit, version) for op, limit in terms(channel))


def _fits(op, limit, version):
    order = compare(version, limit)
    if op == "=":
        return order == 0
    if op == "!=":
        return order != 0
    v, bound = parse(version), parse(limit)
    if v[1] and (not bound[1] or v[0] != bound[0]):
        return False
    if op == "~>":  # at least that, and the parts before the last one written are the same
        written = 0
        for c in limit.lstrip("vV"):
            if c not in "." + _DIGITS:
                break
            written += c == "."
        same = (v[0] + [0] * written)[:written] == (bound[0] + [0] * written)[:written]
        return order >= 0 and same and bool(v[1]) == bool(bound[1])
    return {">": order > 0, "<": order < 0, ">=": order >= 0, "<=": order <= 0}[op]


def newest(channel, releases):
    """Returns the newest of releases (version, prerelease) that a channel allows; of names the first, as sources list the newest
    first; None where there is none."""
    best = None
    for version, prerelease in releases:
        if not allows(channel, version, prerelease):
            continue
        if best is None or (compare(version, best) or 0) > 0 or parse(version) and not parse(best):
            best = version
    return best
