"""Comments in JSON, as people write them."""


def without(text):
    """Returns a text without what stands behind // and between /* and */, outside of quotes."""
    out, i, quoted = [], 0, False
    while i < len(text):
        two, n = text[i : i + 2], 1
        if two in ("//", "/*") and not quoted:
            end = "\n" if two == "//" else "*/"
            at = text.find(end, i + 2)
            i = at + len(end) if at > 0 else len(text)
            continue
        if two[0] == '"':
            quoted = not quoted
        elif two[0] == "\\" and quoted:
            n = 2
        out.append(text[i : i + n])
        i += n
    return "".join(out)
