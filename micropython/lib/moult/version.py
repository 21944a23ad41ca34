"""Versions compare as numbers: 1.9 < 1.10, v2 = 2.0, 2.0-rc1 < 2.0, rc2 < rc10 (SemVer 2.0.0, clause 11). A channel chooses among them."""


def parse(text):
    """Returns what versions compare by: the numbers, without zeros at the end; whether it is none of a pre-release; the parts of that,
    numbers before words. None for what is no version."""
    text = text.split("+")[0]
    if text[:1] in "vV":
        text = text[1:]
    end, numbers, parts, spaced = len(text) - len(text.lstrip(".0123456789")), [], [], ""
    for part in text[:end].split("."):
        if not 0 < len(part) < 19:
            return None
        numbers.append(int(part))
    if text[end : end + 1] == "-" and text[end + 1 :]:
        end += 1
    for c in text[end:]:  # "rc10" falls into a word and a number
        if c.isdigit():
            if spaced[-1:].isalpha():
                spaced += "."
        elif not (c.isalpha() or c in ".-~"):
            return None
        spaced += c
    for part in spaced.split(".") if spaced else ():
        if not part:
            return None
        parts.append((0, int(part)) if part.isdigit() else (1, part))
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers, not parts, parts


def compare(a, b):
    """Returns -1, 0 or 1, or None where only the source knows which is newer."""
    if a == b:
        return 0
    a, b = parse(a), parse(b)
    return (a > b) - (a < b) if a and b else None


def terms(channel):
    """Reads a version constraint such as "~> 1.2" or ">= 1.4, < 2": operators and versions; None for what is none."""
    out = []
    for term in channel.split(","):
        term = term.strip()
        version = term.lstrip("!<=>~")
        op, version = term[: len(term) - len(version)] or "=", version.strip()
        if op not in ("=", "!=", ">", "<", ">=", "<=", "~>") or not parse(version):
            return None
        out.append((op, version))
    return out


def allows(channel, version, prerelease=False):
    """Reports whether a channel offers a release. A constraint offers a pre-release only where it names one of the same numbers."""
    v = parse(version)
    if channel == "beta":
        return True
    if channel == "stable":
        return not prerelease and not (v and v[2])
    for op, limit in terms(channel):
        if not v:
            return False
        bound, dots = parse(limit), 0
        order = (v > bound) - (v < bound)
        if op in ("=", "!="):
            good = (op == "=") == (order == 0)
        elif v[2] and (bound[1] or v[0] != bound[0]):
            good = False
        elif op == "~>":  # at least that, and the parts before the last one written are the same
            for c in limit[1:]:
                if c == ".":
                    dots += 1
                elif not c.isdigit():
                    break
            zeros = [0] * dots
            good = order >= 0 and (v[0] + zeros)[:dots] == (bound[0] + zeros)[:dots] and v[1] == bound[1]
        else:
            good = order == 0 and "=" in op or order == (1 if ">" in op else -1)
        if not good:
            return False
    return True


def newest(channel, releases):
    """Returns the newest of releases (version, prerelease) that a channel allows; of names the first, as sources list the newest
    first; None where there is none."""
    best = None
    for version, prerelease in releases:
        if allows(channel, version, prerelease) and (best is None or (compare(version, best) or 0) > 0 or parse(version) and not parse(best)):
            best = version
    return best
